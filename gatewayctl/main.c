/* gatewayctl: asks a running gatewayd, and shows what it says. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "gatewayctl/session.h"
#include "gatewayctl/command.h"

enum {
	WAIT_DEFAULT_S = 30,
	RELOAD_DEFAULT_S = 60,
	MAX_SECONDS = 1000000,
	SOCKET_WAIT_MS = 3000, /* for the socket of a gateway that starts */
	LOOK_AGAIN_MS = 20,
	COLUMN = 27
};

static volatile sig_atomic_t interrupted;

static void
usage(FILE *f)
{
	fprintf(
	    f, "usage: gatewayctl [--json] [--socket PATH] COMMAND [OPTION...] [ARGUMENT...]\n\n");
	for (const struct command *c = commands; c->arguments; c++) {
		const char *name = control_command_name(c->id);
		int n = fprintf(f, "  %s %s", name, c->arguments);
		fprintf(f, "%*s%s\n", n < COLUMN ? COLUMN - n : 1, "", c->about);
	}
	fprintf(f,
	    "\n"
	    "  -j, --json               JSON for scripts: an array, or an object a line\n"
	    "  -s, --socket PATH        gatewayd's socket (default: control in the folder\n"
	    "                           $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR/gatewayd,\n"
	    "                           else /run/gatewayd)\n"
	    "  -h, --help               this text; after a command, the command's\n"
	    "  -V, --version            the version\n\n"
	    "Exit code: 0 done, 1 refused or not running, 2 usage, 3 gatewayd not reachable.\n"
	    "See gatewayctl(1).\n");
}

static void
command_usage(FILE *f, const struct command *c)
{
	const char *name = control_command_name(c->id);

	fprintf(f, "usage: gatewayctl %s%s%s%s%s %s\n%s\n%s", name,
	    c->options & OPTION_WAIT ? " [--wait]" : "",
	    c->options & OPTION_DIFF ? " [--diff]" : "",
	    c->options & OPTION_COUNT ? " [--count N]" : "",
	    c->options & OPTION_TIMEOUT ? " [--timeout S]" : "", c->arguments, c->about, c->help);
}

static bool
parse_seconds(const char *text, double *v)
{
	char *end;

	*v = strtod(text, &end);
	return end != text && *end == '\0' && *v > 0 && *v < MAX_SECONDS;
}

static bool
parse_count(const char *text, int64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoll(text, &end, 10);
	return end != text && *end == '\0' && errno == 0 && *v > 0;
}

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "socket", required_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "wait", no_argument, NULL, 'w' },
	{ "timeout", required_argument, NULL, 't' },
	{ "count", required_argument, NULL, 'n' },
	{ "diff", no_argument, NULL, 'd' },
	{ NULL, 0, NULL, 0 },
};

static const char *
option_name(int option)
{
	const struct option *o = long_options;

	while (o->name && o->val != option)
		o++;
	return o->name;
}

/* What an option needs of its command; 0: nothing. */
static unsigned
needed(int option)
{
	switch (option) {
	case 'w':
		return OPTION_WAIT;
	case 't':
		return OPTION_TIMEOUT;
	case 'n':
		return OPTION_COUNT;
	case 'd':
		return OPTION_DIFF;
	default:
		return 0;
	}
}

static bool
take_option(struct options *o, int option, const char *value)
{
	switch (option) {
	case 'j':
		o->json = true;
		return true;
	case 's':
		o->socket = value;
		return true;
	case 'h':
		o->help = true;
		return true;
	case 'w':
		o->wait = true;
		return true;
	case 'd':
		o->diff = true;
		return true;
	case 't':
		o->has_timeout = true;
		return parse_seconds(value, &o->timeout_s);
	case 'n':
		return parse_count(value, &o->count);
	default:
		return false;
	}
}

/* Options from optind on; c: NULL before the command is known. Returns false on wrong usage. */
static bool
parse_options(struct options *o, const struct command *c, int argc, char **argv)
{
	bool ordered = !c || c->options & OPTION_ORDERED;

	for (int option; (option = getopt_long(argc, argv, ordered ? "+js:hVwt:n:d" : "js:hVwt:n:d",
			      long_options, NULL)) != -1;) {
		if (option == 'V') {
			printf("gatewayctl %s\n", GATEWAYD_VERSION);
			exit(CONTROL_DONE);
		}
		unsigned need = needed(option);
		if (need && (!c || !(c->options & need))) {
			fprintf(stderr, "gatewayctl: --%s is %s%s\n", option_name(option),
			    c ? "no option of "
			      : "an option of some commands, and goes behind them",
			    c ? control_command_name(c->id) : "");
			return false;
		}
		if (!take_option(o, option, optarg)) {
			if (option != '?')
				fprintf(stderr,
				    "gatewayctl: expected a positive number, found '%s'\n", optarg);
			return false;
		}
	}
	return true;
}

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

/* The time is over: that ends a stream that has begun well, and anything else not. argv: of the
 * command. */
static int
give_up(const struct command *c, const struct view *v, int argc, char **argv)
{
	if (is_stream(c) && v->rows)
		return CONTROL_DONE;
	if (c->id != CONTROL_WAIT) {
		fprintf(stderr, "gatewayctl: gatewayd does not answer in time\n");
		return CONTROL_UNREACHABLE;
	}
	fprintf(stderr, "gatewayctl: %s is not", argv[0]);
	for (int i = 1; i < argc; i++)
		fprintf(stderr, "%s %s", i > 1 ? " or" : "", argv[i]);
	fprintf(stderr, "%s in time; 'gatewayctl show %s' says why\n", argc == 1 ? " running" : "",
	    argv[0]);
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
			return give_up(c, v, argc, argv);
		case SESSION_INTERRUPTED:
			continue;
		case SESSION_LOST:
			fprintf(stderr, "gatewayctl: %s\n", client->error);
			return CONTROL_UNREACHABLE;
		case SESSION_REPLY:
			break;
		}
		bool full = add_rows(v, &reply, o, &count);
		/* Nobody sees it any more: the terminal is gone, or the disk is full. */
		bool unheard = is_stream(c) && fflush(stdout) != 0;
		if (reply.error)
			fprintf(stderr, "gatewayctl: %s\n", reply.error);
		json_free(reply.doc);
		if (full || reply.end || unheard)
			return full || unheard ? CONTROL_DONE : (int)reply.code;
	}
	return is_stream(c) ? CONTROL_DONE : CONTROL_REFUSED;
}

static int
ask(struct session *client, const struct command *c, const struct options *o, int argc, char **argv,
    struct view *v)
{
	struct buffer b;
	struct json_writer w = { .b = &b };
	int code = CONTROL_USAGE;

	buffer_init(&b, CONTROL_MAX_REQUEST);
	json_begin_object(&w, NULL);
	json_put_str(&w, "command", control_command_name(c->id));
	if (!c->request(&w, o, argc, argv)) {
		command_usage(stderr, c);
		goto done;
	}
	json_end_object(&w);
	if (buffer_failed(&b)) {
		fprintf(stderr, "gatewayctl: the arguments are too long\n");
		goto done;
	}
	if (client->fd < 0 && session_open(client, o->socket) < 0) {
		fprintf(stderr, "gatewayctl: %s\n", client->error);
		code = CONTROL_UNREACHABLE;
		goto done;
	}
	view_begin(v, c->view, o->json);
	code = session_send(client, buffer_data(&b), b.len) < 0
		   ? CONTROL_UNREACHABLE
		   : receive(client, c, o, argc, argv, v);
	view_end(v, code != CONTROL_DONE);
done:
	buffer_clear(&b);
	return code;
}

/* Each device in turn. */
static int
wait_for_all(struct session *client, const struct command *c, struct monotime deadline, int argc,
    char **argv)
{
	const struct command *wait = command_find("wait");
	struct options left = { .has_timeout = true };
	int code = CONTROL_DONE;
	struct view v;

	for (int i = 0; i < argc && code == CONTROL_DONE; i++) {
		char *args[] = { argv[i], (char *)c->wait_for };
		left.timeout_s = (double)monotime_diff_ms(deadline, monotime_now()) / 1e3;
		if (left.timeout_s < 0.001)
			left.timeout_s = 0.001;
		code = ask(client, wait, &left, 2, args, &v);
	}
	return code;
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
run(const struct command *c, const struct options *o, int argc, char **argv)
{
	struct session client = { .fd = -1 };
	/* Of all that --wait waits for. */
	double seconds = o->has_timeout ? o->timeout_s : WAIT_DEFAULT_S;
	struct monotime deadline = monotime_add_ms(monotime_now(), (int64_t)(seconds * 1e3));
	struct view v;

	if (is_stream(c) || o->wait || c->id == CONTROL_WAIT)
		catch_interrupts();
	if (o->wait && c->id != CONTROL_RESTART)
		wait_for_link(&client, o, deadline);
	int code = ask(&client, c, o, argc, argv, &v);
	if (code == CONTROL_DONE && o->wait)
		code = wait_for_all(&client, c, deadline, argc, argv);
	session_close(&client);
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == CONTROL_DONE) {
		perror("gatewayctl: standard output");
		code = CONTROL_REFUSED;
	}
	return code;
}

/* Where one of these was closed, the socket must not become it: what we print would go to gatewayd.
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

int
main(int argc, char **argv)
{
	struct options o = { 0 };

	keep_standard_descriptors();
	setlocale(LC_CTYPE, "C.UTF-8");
	if (!parse_options(&o, NULL, argc, argv)) {
		usage(stderr);
		return CONTROL_USAGE;
	}
	if (o.help || optind == argc) {
		usage(o.help ? stdout : stderr);
		return o.help ? CONTROL_DONE : CONTROL_USAGE;
	}
	const struct command *c = command_find(argv[optind]);
	if (!c) {
		fprintf(stderr, "gatewayctl: unknown command '%s'\n", argv[optind]);
		usage(stderr);
		return CONTROL_USAGE;
	}
	argc -= optind;
	argv += optind;
	optind = 0; /* glibc: begin anew */
	bool good = parse_options(&o, c, argc, argv);
	if (good && o.help) {
		command_usage(stdout, c);
		return CONTROL_DONE;
	}
	argc -= optind;
	if (!good || argc < c->min || argc > c->max) {
		command_usage(stderr, c);
		return CONTROL_USAGE;
	}
	return run(c, &o, argc, argv + optind);
}
