/* gatewayctl: asks a running gatewayd, and shows what it says. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "gatewayctl/blocks/blocks.h"
#include "gatewayctl/check/send.h"
#include "gatewayctl/complete.h"
#include "gatewayctl/history/history.h"
#include "gatewayctl/names.h"
#include "gatewayctl/options.h"
#include "gatewayctl/pcapng.h"
#include "gatewayctl/session.h"
#include "gatewayctl/terminal.h"
#include "gatewayctl/top.h"
#include "gatewayctl/verbs.h"

enum {
	WAIT_DEFAULT_S = 30,
	RELOAD_DEFAULT_S = 60,
	SOCKET_WAIT_MS = 3000, /* for the socket of a gateway that starts */
	LOOK_AGAIN_MS = 20,
	STEADY_MS = 500, /* a device that was started has to live so long to be called running */
	AGAIN_S = 1,	 /* of --watch */
};

static volatile sig_atomic_t interrupted;

static void
on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static void
catch_interrupts(void)
{
	/* Without SA_RESTART, so that a wait ends; a second one ends the program. */
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static bool
is_stream(const struct command *c)
{
	return c->view->kind == VIEW_STREAM;
}

static struct monotime
deadline_of(const struct command *c, const struct options *o)
{
	double s = o->has_timeout	     ? o->timeout_s
		   : is_stream(c)	     ? 0
		   : c->id == CONTROL_WAIT   ? WAIT_DEFAULT_S
		   : c->id == CONTROL_RELOAD ? RELOAD_DEFAULT_S
					     : CLIENT_ANSWER_MS / 1e3;

	return s > 0 ? monotime_add_ms(monotime_now(), (int64_t)(s * 1e3)) : (struct monotime){ 0 };
}

/* Asks for the row of one device (status or show), whatever was asked on that connection before.
 * The reply's doc is the caller's; NULL rows: there is no answer. */
static struct control_reply
ask_row(struct session *client, enum control_id command, const char *name)
{
	char socket[sizeof(client->path)];
	struct monotime deadline = monotime_add_ms(monotime_now(), CLIENT_ANSWER_MS);
	struct control_reply reply = { 0 };
	struct buffer b;
	struct json_writer w = { .b = &b };

	memcpy(socket, client->path, sizeof(socket));
	session_close(client);
	buffer_init(&b, CONTROL_MAX_REQUEST);
	json_begin_object(&w, NULL);
	json_put_str(&w, "command", control_command_name(command));
	json_begin_array(&w, "names");
	json_put_str(&w, NULL, name);
	json_end_array(&w);
	json_end_object(&w);
	if (session_open(client, socket) < 0 || session_send(client, buffer_data(&b), b.len) < 0 ||
	    session_receive(client, deadline, &reply) != SESSION_REPLY)
		reply = (struct control_reply){ 0 };
	buffer_clear(&b);
	return reply;
}

/* What keeps the device from the state that was waited for. */
static void
explain_wait(struct session *client, const char *name)
{
	struct control_reply reply = ask_row(client, CONTROL_STATUS, name);
	bool said = false;

	json_foreach (row, reply.rows) {
		const char *state = json_str(json_get(row, "state"));
		const char *why = json_str(json_get(row, "why"));
		said = state && why;
		if (said)
			fprintf(stderr, ": it is %s: %s\n", state, why);
	}
	json_free(reply.doc);
	if (!said)
		fprintf(stderr, "; 'gatewayctl show %s' says why\n", name);
}

/* The time is over: that ends a stream that has begun well, and anything else not. argv: of the
 * command. */
static int
give_up(struct session *client, const struct command *c, const struct options *o,
    const struct view *v, int argc, char **argv)
{
	/* What --wait waits for beside the wanted state ends it early; nobody asked for that. */
	int states = o->wait ? 2 : argc;

	if (is_stream(c) && v->rows)
		return CONTROL_DONE;
	if (c->id != CONTROL_WAIT) {
		fprintf(stderr, "gatewayctl: gatewayd does not answer in time\n");
		return CONTROL_UNREACHABLE;
	}
	fprintf(stderr, "gatewayctl: %s is not", argv[0]);
	for (int i = 1; i < states; i++)
		fprintf(stderr, "%s %s", i > 1 ? " or" : "", argv[i]);
	fprintf(stderr, "%s in time", argc == 1 ? " running" : "");
	explain_wait(client, argv[0]);
	return CONTROL_REFUSED;
}

/* Returns true when the stream has shown as many as it was to. */
static bool
add_rows(struct view *v, const struct control_reply *reply, const struct options *o, int64_t *count)
{
	json_foreach (row, reply->rows)
		if (view_add(v, row) && o->count && ++*count == o->count)
			return true;
	return false;
}

static int
receive(struct session *client, const struct command *c, const struct options *o, int argc,
    char **argv, struct view *v)
{
	struct monotime deadline = deadline_of(c, o);
	struct control_reply reply;
	int64_t count = 0;

	while (!interrupted) {
		switch (session_receive(client, deadline, &reply)) {
		case SESSION_TIMEOUT:
			return give_up(client, c, o, v, argc, argv);
		case SESSION_INTERRUPTED:
			continue;
		case SESSION_LOST:
			fprintf(stderr, "gatewayctl: %s\n", client->error);
			return CONTROL_UNREACHABLE;
		case SESSION_REPLY:
			break;
		}
		bool full = add_rows(v, &reply, o, &count);
		/* The output is lost: the terminal is gone, or the disk is full. */
		bool unheard = is_stream(c) && (o->view.capture ? pcapng_flush(o->view.capture)
								: fflush(stdout)) != 0;
		if (reply.error)
			fprintf(stderr, "gatewayctl: %s\n", reply.error);
		json_free(reply.doc);
		if (full || reply.end || unheard)
			return full || unheard ? CONTROL_DONE : (int)reply.code;
	}
	return is_stream(c) ? CONTROL_DONE : CONTROL_REFUSED;
}

/* One request and its answer, whose rows go into the view. */
static int
ask_once(struct session *client, const struct command *c, const struct options *o, int argc,
    char **argv, struct view *v)
{
	struct buffer b;
	struct json_writer w = { .b = &b };
	int code = CONTROL_USAGE;

	buffer_init(&b, CONTROL_MAX_REQUEST);
	json_begin_object(&w, NULL);
	json_put_str(&w, "command", control_command_name(c->id));
	if (!c->request(&w, o, argc, argv)) {
		options_usage(stderr, c);
		goto done;
	}
	json_end_object(&w);
	if (buffer_failed(&b)) {
		fprintf(stderr, "gatewayctl: the arguments are too long\n");
		goto done;
	}
	code = CONTROL_UNREACHABLE;
	if ((client->fd < 0 && session_open(client, o->socket) < 0) ||
	    session_send(client, buffer_data(&b), b.len) < 0)
		fprintf(stderr, "gatewayctl: %s\n", client->error);
	else
		code = receive(client, c, o, argc, argv, v);
done:
	buffer_clear(&b);
	return code;
}

/* gatewayd takes c->max names at once; more are asked for in turn, and shown as one. */
static int
ask(struct session *client, const struct command *c, const struct options *o, int argc, char **argv)
{
	struct view v;
	int code = CONTROL_DONE, done = 0;

	if (!view_begin(&v, c->view, &o->view))
		return CONTROL_USAGE;
	do {
		int n = argc - done < c->max ? argc - done : c->max;
		code = ask_once(client, c, o, n, argv + done, &v);
		done += n;
	} while (code == CONTROL_DONE && done < argc);
	/* A device without events is one; a name that is none deserves an error. */
	if (c->id == CONTROL_EVENTS && v.rows == 0 && code == CONTROL_DONE &&
	    !names_exist(client, argc, argv))
		code = CONTROL_REFUSED;
	view_end(&v, code != CONTROL_DONE);
	return code;
}

/* Each device in turn. One that dies again and again is not waited for: check_steady() tells why.
 */
static int
wait_for_all(struct session *client, const struct command *c, struct monotime deadline, int argc,
    char **argv)
{
	const struct command *wait = command_find("wait");
	struct options left = { .has_timeout = true, .wait = true };
	bool start = strcmp(c->wait_for, "running") == 0;
	int code = CONTROL_DONE;

	for (int i = 0; i < argc && code == CONTROL_DONE; i++) {
		char *args[] = { argv[i], (char *)c->wait_for, "backoff" };
		left.timeout_s = (double)monotime_diff_ms(deadline, monotime_now()) / 1e3;
		if (left.timeout_s < 0.001)
			left.timeout_s = 0.001;
		code = ask(client, wait, &left, start ? 3 : 2, args);
	}
	return code;
}

/* Whether the device of this row does not stay alive; says so. */
static bool
is_dead(const struct json *row, const char *name)
{
	const struct json *device = json_get(row, "device");
	const char *state = json_str(json_get(device, "state"));
	const char *why = json_str(json_get(device, "last_exit"));
	const char *link = json_str(json_get(device, "link"));
	const char *line = json_str(json_get(device, "last_line"));
	int64_t since = 0;

	json_int(json_get(device, "since"), 0, INT64_MAX, &since);
	if (!state || strcmp(state, "running") != 0 || since < STEADY_MS / 2) {
		fprintf(stderr,
		    "gatewayctl: %s does not stay running: %s; 'gatewayctl show %s' says more\n",
		    name, why ? why : "it was stopped", name);
		return true;
	}
	if (link && strcmp(link, "disconnected") == 0)
		fprintf(stderr, "gatewayctl: %s runs, but it is not connected: %s\n", name,
		    line ? line : "it has said nothing yet");
	return false;
}

/* Some die of the first thing that they do. */
static int
check_steady(struct session *client, int argc, char **argv)
{
	bool dead = false;

	nanosleep(&(struct timespec){ .tv_nsec = STEADY_MS * 1000000L }, NULL);
	for (int i = 0; i < argc; i++) {
		struct control_reply reply = ask_row(client, CONTROL_SHOW, argv[i]);
		if (!reply.doc) {
			fprintf(stderr, "gatewayctl: %s\n", client->error);
			return CONTROL_UNREACHABLE;
		}
		json_foreach (row, reply.rows)
			dead |= is_dead(row, argv[i]);
		json_free(reply.doc);
	}
	return dead ? CONTROL_REFUSED : CONTROL_DONE;
}

/* Whether gatewayd is connected with its Event Server; -1 where it does not say so. */
static int
is_connected(struct session *client, struct monotime deadline)
{
	static const char request[] = "{\"command\":\"info\"}";
	struct control_reply reply;
	bool connected = false, end = false;

	if (session_send(client, request, sizeof(request) - 1) < 0)
		return -1;
	while (!end) {
		if (session_receive(client, deadline, &reply) != SESSION_REPLY)
			return -1;
		json_foreach (row, reply.rows) {
			const char *link = json_str(json_get(row, "link"));
			connected |= link && strcmp(link, "connected") == 0;
		}
		end = reply.end;
		json_free(reply.doc);
	}
	return connected;
}

/* A gateway that has just been started is waited for: a moment for its socket, then for its Event
 * Server. The command itself will say what is missing. */
static void
wait_for_link(struct session *client, const struct options *o, struct monotime deadline)
{
	struct monotime moment = monotime_add_ms(monotime_now(), SOCKET_WAIT_MS);

	while (!interrupted) {
		struct monotime now = monotime_now();
		bool open = client->fd >= 0 || session_open(client, o->socket) == 0;
		if (monotime_cmp(now, deadline) >= 0 || (!open && monotime_cmp(now, moment) >= 0))
			return;
		int connected = open ? is_connected(client, deadline) : 0;
		if (connected < 0)
			session_close(client); /* with an answer that may still come */
		if (connected != 0)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_AGAIN_MS * 1000000L }, NULL);
	}
}

static int
finish_output(int code)
{
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == CONTROL_DONE) {
		perror("gatewayctl: standard output");
		return CONTROL_REFUSED;
	}
	return code;
}

/* The same again and again, on a cleared screen. */
static int
ask_again(
    struct session *client, const struct command *c, const struct options *o, int argc, char **argv)
{
	int code = CONTROL_DONE;

	while (!interrupted && code == CONTROL_DONE) {
		terminal_clear();
		code = finish_output(ask(client, c, o, argc, argv));
		nanosleep(&(struct timespec){ .tv_sec = AGAIN_S }, NULL);
	}
	return code;
}

/* Runs the command's own part, and checks it before the rest is asked for. */
static int
do_command(
    struct session *client, const struct command *c, const struct options *o, int argc, char **argv)
{
	if (c->id == CONTROL_TOP)
		return top_run(client, o, argc, argv, &interrupted);
	if (c->run)
		return c->run(client, c, o, argc, argv);
	if (c->id == CONTROL_EVENTS && history_is_wanted(o)) {
		int code = history_run(client, o, argc, argv, &interrupted);
		bool good =
		    code != CONTROL_DONE || o->history.follow || names_exist(client, argc, argv);
		return good ? code : CONTROL_REFUSED;
	}
	if (c->id == CONTROL_SEND && !o->force && !send_accepts(client, o, argc, argv))
		return CONTROL_REFUSED;
	return (o->again ? ask_again : ask)(client, c, o, argc, argv);
}

static int
run_names(
    struct session *client, const struct command *c, const struct options *o, int argc, char **argv)
{
	/* The deadline is for everything that --wait waits for. */
	double seconds = o->has_timeout ? o->timeout_s : WAIT_DEFAULT_S;
	struct monotime deadline = monotime_add_ms(monotime_now(), (int64_t)(seconds * 1e3));

	if (o->wait && c->id != CONTROL_RESTART)
		wait_for_link(client, o, deadline);
	int code = do_command(client, c, o, argc, argv);
	if (code == CONTROL_DONE && o->wait)
		code = wait_for_all(client, c, deadline, argc, argv);
	if (code == CONTROL_DONE && o->wait && strcmp(c->wait_for, "running") == 0)
		code = check_steady(client, argc, argv);
	if (code == CONTROL_REFUSED)
		names_suggest(client, c->names, argc, argv);
	return code;
}

static int
run(const struct command *c, const struct options *o, int argc, char **argv)
{
	struct session client = { .fd = -1 };
	struct names names;

	if (is_stream(c) || o->wait || o->again || o->history.follow || c->id == CONTROL_WAIT ||
	    c->id == CONTROL_TOP)
		catch_interrupts();
	else if (!o->no_pager && !o->view.json && !o->history.csv)
		terminal_start_pager();
	int code = names_expand(&names, &client, o, c->names, argc, argv);
	code = code == 0    ? run_names(&client, c, o, names.count, names.list)
	       : code == -1 ? CONTROL_REFUSED
			    : CONTROL_UNREACHABLE;
	names_clear(&names);
	session_close(&client);
	code = finish_output(code);
	terminal_end_pager();
	return code;
}

/* The same, with frames that go to a file. */
static int
capture(const struct command *c, const struct options *o, int argc, char **argv)
{
	struct options with = *o;
	struct pcapng file;

	if (pcapng_open(&file, o->pcapng) < 0) {
		fprintf(stderr, "gatewayctl: %s: %s\n", o->pcapng, strerror(errno));
		return CONTROL_REFUSED;
	}
	with.view.capture = &file;
	int code = run(c, &with, argc, argv);
	if (pcapng_close(&file) < 0) {
		fprintf(stderr, "gatewayctl: %s: %s\n", o->pcapng, strerror(errno));
		return CONTROL_REFUSED;
	}
	return code;
}

/* The socket must not take the number of a closed one of these: what we print would go to gatewayd.
 */
static void
keep_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(fd);
}

/* "help", "help COMMAND" */
static int
help(int argc, char **argv)
{
	static char *const of_new[] = { "new", "--help", NULL };
	char text[200];

	if (argc < 2 || argv[1][0] == '-') {
		options_summary(stdout);
		return CONTROL_DONE;
	}
	if (strcmp(argv[1], of_new[0]) == 0)
		return blocks_new(2, (char **)of_new);
	const struct command *c = command_match(argv[1], text, sizeof(text));
	if (!c) {
		fprintf(stderr, "gatewayctl: %s\n", text);
		return CONTROL_USAGE;
	}
	options_usage(stdout, c);
	return CONTROL_DONE;
}

static const struct command *
find_command(const char *name)
{
	char text[200];
	const struct command *c = command_match(name, text, sizeof(text));

	if (!c)
		fprintf(stderr, "gatewayctl: %s ('gatewayctl help' lists the commands)\n", text);
	return c;
}

/* Whether the number of arguments fits; says what is wrong. */
static bool
check_count(const struct command *c, int argc)
{
	bool many = c->names != NAMES_NONE && c->names != NAMES_FIRST && !is_stream(c);

	if (argc >= c->min && (argc <= c->max || many))
		return true;
	fprintf(stderr, "gatewayctl: %s takes %s argument%s, found %d\n", command_name(c),
	    argc < c->min ? (c->min == 1 ? "at least one" : "more")
	    : c->max	  ? "fewer"
			  : "no",
	    argc < c->min && c->min == 1 ? "" : "s", argc);
	return false;
}

static void
look_at_terminal(struct options *o)
{
	o->view.width = output_terminal_width(stdout);
	o->view.colour = terminal_wants_colour(o->colour ? o->colour : "auto");
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };

	keep_standard_descriptors();
	setlocale(LC_CTYPE, "C.UTF-8");
	if (!options_parse(&o, NULL, argc, argv))
		return CONTROL_USAGE;
	if (o.help || optind == argc) {
		options_summary(o.help ? stdout : stderr);
		return o.help ? CONTROL_DONE : CONTROL_USAGE;
	}
	argc -= optind;
	argv += optind;
	if (strcmp(argv[0], "complete") == 0) {
		complete_print(argc - 1, argv + 1);
		return CONTROL_DONE;
	}
	if (strcmp(argv[0], "new") == 0)
		return blocks_new(argc, argv);
	if (strcmp(argv[0], "help") == 0)
		return help(argc, argv);
	const struct command *c = find_command(argv[0]);
	if (!c)
		return CONTROL_USAGE;
	optind = 0; /* glibc: begin again */
	bool good = options_parse(&o, c, argc, argv);
	if (good && o.help) {
		options_usage(stdout, c);
		return CONTROL_DONE;
	}
	argc -= optind;
	if (!good || !check_count(c, argc)) {
		options_usage(stderr, c);
		return CONTROL_USAGE;
	}
	look_at_terminal(&o);
	return (o.pcapng ? capture : run)(c, &o, argc, argv + optind);
}
