#include "gatewayctl/complete.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gatewayctl/description.h"
#include "gatewayctl/options.h"

enum { ANSWER_MS = 2000 /* a shell waits */, MAX_WORDS = 64 };

/* The line as far as it is typed. */
struct line {
	const char *now, *before; /* the word that is typed, and the one before it */
	const char *socket;
	const struct command *command; /* or NULL */
	bool has_command;
	const char *args[MAX_WORDS]; /* behind the command, without options */
	int count;
	struct session session;
};

static void
offer(const struct line *l, const char *word, const char *more)
{
	char whole[DESCRIPTION_TEXT];

	snprintf(whole, sizeof(whole), "%s%s", word, more);
	if (strncmp(whole, l->now, strlen(l->now)) == 0)
		puts(whole);
}

static bool
takes_value(const char *word)
{
	static const char *const options[] = { "-s", "--socket", "--color", "-t", "--timeout", "-n",
		"--count", "--columns", "--sort", "--filter", "--pcapng", "--since", "--until",
		"--limit", "--type" };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(word, options[i]) == 0)
			return true;
	return false;
}

static void
read_line(struct line *l, int argc, char **argv)
{
	char text[200];

	*l = (struct line){ .now = argc ? argv[argc - 1] : "", .before = "", .session.fd = -1 };
	if (argc > 1)
		l->before = argv[argc - 2];
	for (int i = 0; i + 1 < argc; i++) {
		bool is_socket = strcmp(argv[i], "-s") == 0 || strcmp(argv[i], "--socket") == 0;
		if (is_socket && i + 2 < argc)
			l->socket = argv[i + 1];
		if (takes_value(argv[i])) {
			i++;
		} else if (argv[i][0] == '-') {
			continue;
		} else if (!l->has_command) {
			l->has_command = true;
			l->command = command_match(argv[i], text, sizeof(text));
			if (!l->command && strcmp(argv[i], "help") == 0)
				l->has_command = false;
		} else if (l->count < MAX_WORDS) {
			l->args[l->count++] = argv[i];
		}
	}
}

/* --- from the tables --- */

static void
offer_option(void *arg, const char *name)
{
	offer(arg, "--", name);
}

static void
offer_columns(const struct line *l, const char *more)
{
	const struct column *c = l->command ? l->command->view->columns : NULL;

	for (; c && c->key && l->command->view->kind == VIEW_TABLE; c++)
		offer(l, c->key, more);
}

static void
offer_value(const struct line *l)
{
	static const char *const when[] = { "auto", "always", "never" };

	if (strcmp(l->before, "--columns") == 0 || strcmp(l->before, "--sort") == 0)
		offer_columns(l, "");
	else if (strcmp(l->before, "--filter") == 0)
		offer_columns(l, "=");
	else if (strcmp(l->before, "--color") == 0)
		for (int i = 0; i < 3; i++)
			offer(l, when[i], "");
}

static void
offer_commands(const struct line *l)
{
	for (const struct command *c = commands; c->arguments; c++)
		offer(l, command_name(c), "");
	offer(l, "new", "");
	offer(l, "help", "");
}

/* --- from the gateway --- */

static bool
is_open(struct line *l)
{
	return l->session.fd >= 0 || session_open(&l->session, l->socket) == 0;
}

static void
offer_names(struct line *l, const char *more)
{
	static const char request[] = "{\"command\":\"status\"}";
	struct monotime deadline = monotime_add_ms(monotime_now(), ANSWER_MS);
	struct control_reply reply = { 0 };

	if (!is_open(l) || session_send(&l->session, request, sizeof(request) - 1) < 0)
		return;
	while (!reply.end && session_receive(&l->session, deadline, &reply) == SESSION_REPLY) {
		json_foreach (row, reply.rows) {
			const char *name = json_str(json_get(row, "name"));
			if (name)
				offer(l, name, more);
		}
		json_free(reply.doc);
	}
}

static bool
load(struct line *l, struct description *d, const char *name)
{
	char why[DESCRIPTION_WHY];

	*d = (struct description){ 0 };
	return is_open(l) && description_load(d, &l->session, name, why) == CONTROL_DONE;
}

/* The part of a name or a type before its first '?'. */
static void
cut_wild(char *text)
{
	for (char *s = text; (s = strchr(s, '?')); s++)
		if ((s == text || s[-1] == '/') && (s[1] == '/' || !s[1])) {
			*s = '\0';
			return;
		}
}

static void
offer_text(const struct line *l, const char *text)
{
	char part[DESCRIPTION_TEXT];

	snprintf(part, sizeof(part), "%s", text);
	cut_wild(part);
	if (*part)
		offer(l, part, "");
}

/* Data that have the verb; all for "". */
static void
offer_data(struct line *l, const char *verb)
{
	struct description d;

	if (load(l, &d, l->args[0]))
		for (size_t i = 0; i < d.count; i++) {
			const char *name = json_str(json_get(d.rows[i], "name"));
			if (name && (!*verb || description_verb(d.rows[i], verb)))
				offer_text(l, name);
		}
	description_clear(&d);
}

/* Words of the value of the data that was named. */
static void
offer_words(struct line *l, const char *verb)
{
	static struct described found;
	struct description d;
	char why[DESCRIPTION_WHY];

	if (load(l, &d, l->args[0]) && description_find(&d, l->args[1], verb, &found, why)) {
		const char *kind = json_str(json_get(found.row, "value"));
		char words[DESCRIPTION_TEXT];
		snprintf(words, sizeof(words), "%s",
		    !kind			   ? ""
		    : strcmp(kind, "boolean") == 0 ? "true|false"
		    : strchr(kind, '|')		   ? kind
						   : "");
		for (char *at = words, *word; (word = strsep(&at, "|"));)
			if (*word)
				offer(l, word, "");
	}
	description_clear(&d);
}

/* Offers the part behind "system" in the types of events that the device takes. */
static void
offer_taken(struct line *l)
{
	struct description d;
	char text[DESCRIPTION_TEXT];

	offer(l, "enable", "");
	if (load(l, &d, l->args[0]))
		for (size_t i = 0; i < d.count; i++)
			json_foreach (v, json_get(d.rows[i], "verbs")) {
				description_join(json_get(v, "takes"), 1, NULL, text);
				offer_text(l, text);
			}
	description_clear(&d);
}

/* Types of events that a device registers, behind its name. */
static void
offer_given(struct line *l)
{
	struct description d;
	char name[DESCRIPTION_TEXT], text[DESCRIPTION_TEXT], whole[2 * DESCRIPTION_TEXT];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(l->now, "/"), l->now);
	if (load(l, &d, name))
		for (size_t i = 0; i < d.count; i++) {
			const struct json *gives = json_get(d.rows[i], "gives");
			if (!gives || gives->type != JSON_ARRAY)
				continue;
			description_join(gives, 0, NULL, text);
			snprintf(whole, sizeof(whole), "%s/%s", name, text);
			offer_text(l, whole);
		}
	description_clear(&d);
}

/* --- by command --- */

static void
offer_states(const struct line *l)
{
	static const char *const states[] = { "disabled", "starting", "running", "stopping",
		"backoff", "failed", "connected", "healthy" };

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		offer(l, states[i], "");
}

static void
offer_levels(const struct line *l)
{
	static const char *const levels[] = { "error", "warning", "notice", "info", "debug" };

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		offer(l, levels[i], "");
}

/* Behind the name of a device. */
static void
offer_rest(struct line *l)
{
	const char *word = command_name(l->command);
	bool reads = strcmp(word, "read") == 0;

	if (l->command->id == CONTROL_WAIT)
		offer_states(l);
	else if (reads)
		offer_data(l, "");
	else if (l->command->run && l->count == 1)
		offer_data(l, word);
	else if (l->command->run && l->count == 2)
		offer_words(l, word);
	else if (l->command->id == CONTROL_SEND && l->count == 1)
		offer_taken(l);
}

static void
offer_arguments(struct line *l)
{
	const struct command *c = l->command;
	bool any = c->names == NAMES_ALL || c->names == NAMES_BUT_LAST || c->id == CONTROL_EVENTS;

	if (c->max == 0)
		return;
	if (c->id == CONTROL_EVENTS && !c->run && strchr(l->now, '/'))
		offer_given(l);
	else if (l->count == 0 || (any && !c->run))
		offer_names(l, "");
	else
		offer_rest(l);
	if (c->id == CONTROL_LOG)
		offer_levels(l);
}

void
complete_print(int argc, char **argv)
{
	struct line l;

	read_line(&l, argc, argv);
	if (takes_value(l.before))
		offer_value(&l);
	else if (l.now[0] == '-')
		options_each(l.command, offer_option, &l);
	else if (!l.has_command)
		offer_commands(&l);
	else if (l.command)
		offer_arguments(&l);
	session_close(&l.session);
}
