#include "gatewayctl/top.h"

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "common/log.h"
#include "gatewayctl/terminal.h"

enum {
	REFRESH_MS = 1000,
	MAX_NAME = 256,
	MAX_WORD = 64,
	MAX_ROW = 4096,	 /* bytes of a row as JSON */
	AROUND = 4,	 /* lines that are not devices */
	LEAST_LINES = 6, /* of a terminal */
	KEY_ESCAPE = 0x1b,
	KEY_DELETE = 0x7f,
};

extern char **environ;

struct device {
	char name[MAX_NAME], type[MAX_WORD], state[MAX_WORD], link[MAX_WORD];
	int64_t pid, errors, cpu_us, up, all; /* all 0: no remote ends */
	double events;			      /* a second; below 0: it does not run */
	double cpu, errors_rate;	      /* per cent, a second; below 0: not known yet */
};

struct devices {
	struct device *list; /* owned */
	size_t count, room;
	struct monotime at;
};

/* The column by which the list is sorted. */
enum order { ORDER_CPU, ORDER_EVENTS, ORDER_ERRORS, ORDER_NAME };

static const struct {
	char key;
	const char *column, *word;
} orders[] = {
	[ORDER_CPU] = { .key = 'c', .column = "cpu", .word = "CPU" },
	[ORDER_EVENTS] = { .key = 'e', .column = "events_per_s", .word = "events" },
	[ORDER_ERRORS] = { .key = 'x', .column = "errors", .word = "errors" },
	[ORDER_NAME] = { .key = 'n', .column = "name", .word = "name" },
};

enum { ORDERS = sizeof(orders) / sizeof(orders[0]) };

struct top {
	struct session *client;
	const struct options *options;
	int name_count;
	char **names;
	struct devices now, before;
	enum order order;
	char selected[MAX_NAME];
	size_t first; /* shown device of the list */
	char filter[MAX_NAME];
	bool typing; /* the filter */
	char message[MAX_NAME];
};

/* --- what gatewayd says --- */

static void
copy_word(char *to, size_t size, const struct json *row, const char *key)
{
	const char *text = json_str(json_get(row, key));

	snprintf(to, size, "%s", text ? text : "");
}

static void
take_row(struct devices *d, const struct json *row)
{
	if (d->count == d->room) {
		d->room = d->room ? 2 * d->room : 64;
		d->list = realloc(d->list, d->room * sizeof(*d->list));
		if (!d->list) {
			fprintf(stderr, "gatewayctl: out of memory\n");
			exit(CONTROL_REFUSED);
		}
	}
	struct device *v = &d->list[d->count++];
	const struct json *remotes = json_get(row, "remotes");
	*v = (struct device){ .pid = -1, .cpu_us = -1, .events = -1, .cpu = -1, .errors_rate = -1 };
	copy_word(v->name, sizeof(v->name), row, "name");
	copy_word(v->type, sizeof(v->type), row, "type");
	copy_word(v->state, sizeof(v->state), row, "state");
	copy_word(v->link, sizeof(v->link), row, "link");
	json_int(json_get(row, "pid"), 0, INT64_MAX, &v->pid);
	json_int(json_get(row, "errors"), 0, INT64_MAX, &v->errors);
	json_int(json_get(row, "cpu_us"), 0, INT64_MAX, &v->cpu_us);
	json_int(json_get(remotes, "up"), 0, INT64_MAX, &v->up);
	json_int(json_get(remotes, "all"), 0, INT64_MAX, &v->all);
	json_double(json_get(row, "events_per_s"), &v->events);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct device *)a)->name, ((const struct device *)b)->name);
}

/* Rates since the last time, of the same process. */
static void
compare(struct top *t)
{
	double seconds = (double)(t->now.at.ns - t->before.at.ns) * 1e-9;

	if (t->now.count)
		qsort(t->now.list, t->now.count, sizeof(*t->now.list), by_name);
	for (size_t i = 0; t->before.count && i < t->now.count; i++) {
		struct device *v = &t->now.list[i];
		const struct device *old =
		    bsearch(v, t->before.list, t->before.count, sizeof(*t->before.list), by_name);
		if (!old || old->pid != v->pid || v->cpu_us < 0 || old->cpu_us < 0)
			continue;
		v->cpu = (double)(v->cpu_us - old->cpu_us) * 1e-4 / seconds;
		v->errors_rate =
		    v->errors < old->errors ? 0 : (double)(v->errors - old->errors) / seconds;
	}
}

static bool
send_request(struct top *t)
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, CONTROL_MAX_REQUEST);
	json_begin_object(&w, NULL);
	json_put_str(&w, "command", control_command_name(CONTROL_TOP));
	if (t->name_count) {
		json_begin_array(&w, "names");
		for (int i = 0; i < t->name_count; i++)
			json_put_str(&w, NULL, t->names[i]);
		json_end_array(&w);
	}
	json_end_object(&w);
	bool sent = !buffer_failed(&b) &&
		    (t->client->fd >= 0 || session_open(t->client, t->options->socket) == 0) &&
		    session_send(t->client, buffer_data(&b), b.len) == 0;
	buffer_clear(&b);
	return sent;
}

static void
set_message(struct top *t, const char *text)
{
	snprintf(t->message, sizeof(t->message), "%.250s", text ? text : "");
	log_clean(t->message);
}

/* Asks again. Returns the code of the answer, with its error in t->message. */
static int
refresh(struct top *t)
{
	struct monotime deadline = monotime_add_ms(monotime_now(), CLIENT_ANSWER_MS);
	struct control_reply reply;
	int code = -1;

	struct devices old = t->before;
	t->before = t->now;
	t->now = (struct devices){ .list = old.list, .room = old.room };
	if (!send_request(t)) {
		set_message(t, t->client->error);
		return CONTROL_UNREACHABLE;
	}
	while (code < 0) {
		enum session_event e = session_receive(t->client, deadline, &reply);
		if (e == SESSION_INTERRUPTED)
			continue;
		if (e != SESSION_REPLY) {
			set_message(
			    t, e == SESSION_LOST ? t->client->error : "gatewayd does not answer");
			session_close(t->client);
			return CONTROL_UNREACHABLE;
		}
		json_foreach (row, reply.rows)
			take_row(&t->now, row);
		if (reply.end)
			code = (int)reply.code;
		set_message(t, reply.error);
		json_free(reply.doc);
	}
	t->now.at = monotime_now();
	compare(t);
	return code;
}

/* --- the list --- */

static double
weight(const struct device *v, enum order order)
{
	return order == ORDER_CPU ? v->cpu : order == ORDER_EVENTS ? v->events : (double)v->errors;
}

/* Those that pass the filter, in their order; the caller frees the array. */
static const struct device **
choose(const struct top *t, size_t *count)
{
	const struct device **list = calloc(t->now.count + 1, sizeof(const struct device *));

	*count = 0;
	for (size_t i = 0; list && i < t->now.count; i++) {
		const struct device *v = &t->now.list[i];
		if (!strstr(v->name, t->filter))
			continue;
		/* By insertion; equal ones stay sorted by name. */
		size_t at = (*count)++;
		while (t->order != ORDER_NAME && at > 0 &&
		       weight(list[at - 1], t->order) < weight(v, t->order)) {
			list[at] = list[at - 1];
			at--;
		}
		list[at] = v;
	}
	return list;
}

static void
put_row(struct json_writer *w, const struct device *v)
{
	json_begin_object(w, NULL);
	json_put_str(w, "name", v->name);
	json_put_str(w, "type", v->type);
	json_put_str(w, "state", v->state);
	if (v->cpu >= 0)
		json_put_double(w, "cpu", v->cpu);
	if (v->events >= 0)
		json_put_double(w, "events_per_s", v->events);
	json_put_int(w, "errors", v->errors);
	if (v->errors_rate >= 0)
		json_put_double(w, "errors_per_s", v->errors_rate);
	if (v->all) {
		json_begin_object(w, "remotes");
		json_put_int(w, "up", v->up);
		json_put_int(w, "all", v->all);
		json_end_object(w);
	}
	if (v->link[0])
		json_put_str(w, "link", v->link);
	if (v->pid > 0)
		json_put_int(w, "pid", v->pid);
	json_end_object(w);
}

static void
each_row(const struct device *const *list, size_t count,
    void (*add)(void *arg, const struct json *row), void *arg)
{
	char err[64];

	for (size_t i = 0; i < count; i++) {
		struct buffer b;
		struct json_writer w = { .b = &b };
		buffer_init(&b, MAX_ROW);
		put_row(&w, list[i]);
		struct json_doc *doc = buffer_failed(&b) ? NULL
							 : json_parse((const char *)buffer_data(&b),
							       b.len, 32, err, sizeof(err));
		if (doc)
			add(arg, json_root(doc));
		json_free(doc);
		buffer_clear(&b);
	}
}

/* --- once --- */

static void
add_to_view(void *arg, const struct json *row)
{
	view_add(arg, row);
}

static int
print_once(struct top *t, const volatile sig_atomic_t *stop)
{
	struct view v;
	size_t count;

	/* The rates need two looks. */
	int code = refresh(t);
	if (code == CONTROL_DONE && poll(NULL, 0, REFRESH_MS) == 0 && !*stop)
		code = refresh(t);
	if (code != CONTROL_DONE) {
		fprintf(stderr, "gatewayctl: %s\n", t->message);
		return code;
	}
	if (!view_begin(&v, &view_top, &t->options->view))
		return CONTROL_USAGE;
	const struct device **list = choose(t, &count);
	each_row(list, count, add_to_view, &v);
	free(list);
	view_end(&v, false);
	return CONTROL_DONE;
}

/* --- the screen --- */

static struct termios normal;

static void
leave_screen(void)
{
	tcsetattr(STDIN_FILENO, TCSADRAIN, &normal);
	/* Lines wrap, the cursor is seen, the other screen is back. */
	fputs("\033[?7h\033[?25h\033[?1049l", stdout);
	fflush(stdout);
}

static bool
enter_screen(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &normal) < 0)
		return false;
	raw = normal;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	fputs("\033[?1049h\033[?25l\033[?7l", stdout);
	return true;
}

static void
add_to_table(void *arg, const struct json *row)
{
	table_add(arg, view_top.columns, row);
}

/* The table as text; the caller frees it. */
static char *
table_text(const struct device *const *list, size_t count, size_t width)
{
	const struct table_style style = { .indent = "", .width = width };
	struct table table;
	char *text = NULL;
	size_t size;

	table_init(&table, view_top.columns, NULL, false);
	each_row(list, count, add_to_table, &table);
	FILE *f = open_memstream(&text, &size);
	if (f) {
		table_print(&table, f, &style);
		fclose(f);
	}
	table_clear(&table);
	return text;
}

static void
put_summary(const struct top *t, size_t shown)
{
	double events = 0, cpu = 0;
	size_t running = 0;

	for (size_t i = 0; i < t->now.count; i++) {
		const struct device *v = &t->now.list[i];
		running += strcmp(v->state, "running") == 0;
		events += v->events > 0 ? v->events : 0;
		cpu += v->cpu > 0 ? v->cpu : 0;
	}
	printf("%zu of %zu running, %.1f events/s, CPU %.1f %%, by %s", running, t->now.count,
	    events, cpu, orders[t->order].word);
	if (t->typing || t->filter[0])
		printf(", %zu with '%s%s'", shown, t->filter, t->typing ? "_" : "");
	fputs("\033[K\r\n", stdout);
	printf("%s\033[K\r\n", t->message);
}

/* The place of the selected device in the list; the nearest one where it is gone. */
static size_t
selection(struct top *t, const struct device *const *list, size_t count)
{
	size_t at = 0;

	while (at < count && strcmp(list[at]->name, t->selected) != 0)
		at++;
	at = at < count ? at : 0;
	snprintf(t->selected, sizeof(t->selected), "%s", count ? list[at]->name : "");
	return at;
}

static size_t
screen_lines(void)
{
	struct winsize size = { .ws_row = 24 };

	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	return size.ws_row < LEAST_LINES ? LEAST_LINES : size.ws_row;
}

static void
draw(struct top *t)
{
	size_t count, lines = screen_lines() - AROUND;
	const struct device **list = choose(t, &count);
	size_t at = selection(t, list, count), width = output_terminal_width(stdout);
	char *text = table_text(list, count, width), *rest = text;

	t->first = at < t->first ? at : at >= t->first + lines ? at - lines + 1 : t->first;
	fputs("\033[H", stdout);
	put_summary(t, count);
	for (size_t i = 0; rest && *rest; i++) {
		char *line = strsep(&rest, "\n");
		bool device = i > 0;
		if (device && (i - 1 < t->first || i - 1 >= t->first + lines))
			continue;
		printf("%s%s\033[0m\033[K\r\n",
		    !device	  ? "\033[1m"
		    : i - 1 == at ? "\033[7m"
				  : "",
		    line);
	}
	fputs("\033[J", stdout);
	printf("\033[%zuH%.*s", lines + AROUND, width ? (int)width : 80,
	    "q quit  c CPU  e events  x errors  n name  / filter  arrows, Enter open");
	fflush(stdout);
	free(text);
	free(list);
}

/* --- keys --- */

static void
move_selection(struct top *t, int by)
{
	size_t count;
	const struct device **list = choose(t, &count);
	size_t at = selection(t, list, count);

	if ((by < 0 && at > 0) || (by > 0 && at + 1 < count))
		snprintf(
		    t->selected, sizeof(t->selected), "%s", list[by < 0 ? at - 1 : at + 1]->name);
	free(list);
}

/* `show` of it, in a pager, as another process. */
static void
open_device(struct top *t)
{
	char *argv[] = { "gatewayctl", "show", t->selected, NULL, NULL, NULL };
	pid_t pid;
	char key;

	if (!t->selected[0])
		return;
	if (t->options->socket) {
		argv[3] = "--socket";
		argv[4] = (char *)t->options->socket;
	}
	leave_screen();
	/* less waits, also where all fits. */
	setenv("LESS", "RS", 1);
	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (!terminal_has_pager()) {
		fputs("\n-- Enter --", stdout);
		fflush(stdout);
		while (read(STDIN_FILENO, &key, 1) == 1 && key != '\n')
			;
	}
	enter_screen();
}

static void
type_filter(struct top *t, char c)
{
	size_t len = strlen(t->filter);

	if (c == '\n' || c == '\r')
		t->typing = false;
	else if (c == KEY_DELETE || c == '\b')
		t->filter[len ? len - 1 : 0] = '\0';
	else if (c >= ' ' && len + 1 < sizeof(t->filter)) {
		t->filter[len] = c;
		t->filter[len + 1] = '\0';
	}
}

/* Returns true at the end. */
static bool
take_key(struct top *t, char c)
{
	if (t->typing) {
		type_filter(t, c);
		return false;
	}
	for (int i = 0; i < ORDERS; i++)
		if (orders[i].key == c)
			t->order = (enum order)i;
	if (c == '/')
		t->typing = true;
	else if (c == 'j' || c == 'k')
		move_selection(t, c == 'j' ? 1 : -1);
	else if (c == '\n' || c == '\r')
		open_device(t);
	return c == 'q';
}

/* A key sends one character, or an escape and what follows it. */
static bool
take_keys(struct top *t)
{
	char keys[64];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	for (ssize_t i = 0; i < n; i++) {
		if (keys[i] == KEY_ESCAPE && i + 2 >= n) {
			t->typing = false;
			t->filter[0] = '\0';
		} else if (keys[i] == KEY_ESCAPE) {
			if (keys[i + 2] == 'A' || keys[i + 2] == 'B')
				move_selection(t, keys[i + 2] == 'B' ? 1 : -1);
			i += 2;
		} else if (take_key(t, keys[i])) {
			return true;
		}
	}
	return n == 0; /* the terminal is gone */
}

static int
watch(struct top *t, const volatile sig_atomic_t *stop)
{
	struct pollfd keys = { .fd = STDIN_FILENO, .events = POLLIN };
	int code = refresh(t);
	bool done = false;

	if (code != CONTROL_DONE || !enter_screen()) {
		fprintf(stderr, "gatewayctl: %s\n", code ? t->message : "no terminal to read from");
		return code ? code : CONTROL_REFUSED;
	}
	struct monotime due = monotime_add_ms(monotime_now(), REFRESH_MS);
	while (!done && !*stop) {
		draw(t);
		int64_t left = monotime_diff_ms(due, monotime_now());
		if (left > 0 && poll(&keys, 1, (int)left + 1) > 0)
			done = take_keys(t);
		if (monotime_cmp(monotime_now(), due) < 0)
			continue;
		/* A gatewayd that is away may come back: the message says so. */
		refresh(t);
		due = monotime_add_ms(monotime_now(), REFRESH_MS);
	}
	leave_screen();
	return CONTROL_DONE;
}

int
top_run(struct session *client, const struct options *o, int count, char **names,
    const volatile sig_atomic_t *stop)
{
	struct top t = { .client = client, .options = o, .name_count = count, .names = names };
	const char *sort = o->view.sort;

	for (int i = 0; sort && i < ORDERS; i++)
		if (strcmp(orders[i].column, sort + (*sort == '-')) == 0)
			t.order = (enum order)i;
	bool live = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && !o->view.json;
	int code = (live ? watch : print_once)(&t, stop);
	free(t.now.list);
	free(t.before.list);
	return code;
}
