#include "gatewayctl/complete.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gatewayctl/blocks/blocks.h"
#include "gatewayctl/description.h"
#include "gatewayctl/options.h"
#include "gatewayctl/scl/scl.h"

enum { ANSWER_MS = 2000 /* a shell waits */, MAX_WORDS = 64 };

/* The line as far as it is typed. */
struct line {
	const char *now;	       /* what is typed of the part that is completed */
	char before[DESCRIPTION_TEXT]; /* what stands before it in the same word */
	const char *option;	       /* long name of the option that takes the word, or NULL */
	const char *socket, *scl;
	const struct command *command; /* or NULL */
	bool has_command, is_help, is_new;
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
		printf("%s%s\n", l->before, whole);
}

/* What follows the first len bytes of the word is completed by itself. */
static void
move_on(struct line *l, size_t len)
{
	size_t used = strlen(l->before);

	snprintf(l->before + used, sizeof(l->before) - used, "%.*s", (int)len, l->now);
	l->now += len;
}

/* Its long name, if it takes a value; else NULL. */
static const char *
option_of(const struct line *l, const char *word)
{
	const char *name = l->is_new ? blocks_with_value(word) : NULL;

	return name ? name : options_with_value(word);
}

static void
read_command(struct line *l, const char *word)
{
	char text[200];

	if (strcmp(word, "help") == 0 && !l->is_help) {
		l->is_help = true;
		return;
	}
	l->has_command = true;
	l->is_new = strcmp(word, "new") == 0;
	l->command = l->is_new ? NULL : command_match(word, text, sizeof(text));
}

static void
keep_value(struct line *l, const char *option, const char *value)
{
	if (strcmp(option, "socket") == 0)
		l->socket = value;
	if (strcmp(option, "scl") == 0)
		l->scl = value;
}

static void
read_line(struct line *l, int argc, char **argv)
{
	*l = (struct line){ .now = argc ? argv[argc - 1] : "", .session.fd = -1 };
	for (int i = 0; i + 1 < argc; i++) {
		const char *option = option_of(l, argv[i]);
		if (option && i + 2 == argc)
			l->option = option;
		else if (option)
			keep_value(l, option, argv[++i]);
		else if (argv[i][0] == '-')
			continue;
		else if (!l->has_command)
			read_command(l, argv[i]);
		else if (l->count < MAX_WORDS)
			l->args[l->count++] = argv[i];
	}
	/* --option=value */
	size_t len = strcspn(l->now, "=");
	char word[100];
	if (l->option || strncmp(l->now, "--", 2) != 0 || !l->now[len])
		return;
	snprintf(word, sizeof(word), "%.*s", (int)len, l->now);
	l->option = option_of(l, word);
	if (l->option)
		move_on(l, len + 1);
}

/* --- from the tables --- */

static void
offer_option(void *arg, const char *name)
{
	offer(arg, "--", name);
}

static void
offer_words_of(const struct line *l, const char *const *words)
{
	for (; *words; words++)
		offer(l, *words, "");
}

static const char *const states[] = { "disabled", "starting", "running", "stopping", "backoff",
	"failed", NULL };
static const char *const waited_states[] = { "connected", "healthy", NULL };
static const char *const remote_states[] = { "up", "degraded", "down", "off", NULL };
static const char *const levels[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const when[] = { "auto", "always", "never", NULL };
static const char *const spans[] = { "15m", "1h", "1d", "1w", NULL };

static void
put_columns(const struct line *l, const char *more)
{
	const struct column *c = l->command ? l->command->view->columns : NULL;

	for (; c && c->key && l->command->view->kind == VIEW_TABLE; c++)
		offer(l, c->key, more);
}

static void
offer_columns(struct line *l)
{
	const char *last = strrchr(l->now, ',');

	if (last)
		move_on(l, (size_t)(last + 1 - l->now));
	put_columns(l, "");
}

static void
offer_sort(struct line *l)
{
	if (l->now[0] == '-')
		move_on(l, 1);
	put_columns(l, "");
}

static void
offer_commands(const struct line *l)
{
	for (const struct command *c = commands; c->arguments; c++)
		offer(l, command_name(c), "");
	offer(l, "new", "");
	offer(l, "help", "");
}

static void
offer_blocks(const struct line *l)
{
	const char *type;

	for (size_t i = 0; (type = blocks_type(i)); i++)
		offer(l, type, "");
}

static void
offer_ied(void *arg, const char *name)
{
	offer(arg, name, "");
}

static void
offer_ieds(struct line *l)
{
	if (l->scl)
		scl_each_ied(l->scl, offer_ied, l);
}

/* --- from the gateway --- */

static bool
is_open(struct line *l)
{
	return l->session.fd >= 0 || session_open(&l->session, l->socket) == 0;
}

/* Each row that answers a request. */
static void
ask(struct line *l, const char *request, void (*each)(struct line *l, const struct json *row))
{
	struct monotime deadline = monotime_add_ms(monotime_now(), ANSWER_MS);
	struct control_reply reply = { 0 };

	if (!is_open(l) || session_send(&l->session, request, strlen(request)) < 0)
		return;
	while (!reply.end && session_receive(&l->session, deadline, &reply) == SESSION_REPLY) {
		json_foreach (row, reply.rows)
			each(l, row);
		json_free(reply.doc);
	}
}

static void
offer_name(struct line *l, const struct json *row)
{
	const char *name = json_str(json_get(row, "name"));
	const char *type = json_str(json_get(row, "type"));
	char whole[DESCRIPTION_TEXT];

	if (!name || !type)
		return;
	snprintf(whole, sizeof(whole), "%s/%s", type, name);
	offer(l, strchr(l->now, '/') ? whole : name, "");
}

static void
offer_names(struct line *l)
{
	ask(l, "{\"command\":\"status\"}", offer_name);
}

/* The text of a cell of the column that is filtered by. */
static void
offer_cell(struct line *l, const struct json *row)
{
	const char *column = l->before;
	char key[100];

	if (strncmp(column, "--filter=", 9) == 0)
		column += 9;
	snprintf(key, sizeof(key), "%.*s", (int)strcspn(column, "="), column);
	const char *text = json_str(json_get(row, key));
	if (text)
		offer(l, text, "");
}

/* KEY, then values that the column has now. */
static void
offer_filter(struct line *l)
{
	size_t len = strcspn(l->now, "=");
	enum control_id id = l->command ? l->command->id : CONTROL_RELOAD;

	if (!l->now[len]) {
		put_columns(l, "=");
		return;
	}
	bool of_state = strncmp(l->now, "state=", 6) == 0;
	move_on(l, len + 1);
	if (of_state && id == CONTROL_HEALTH)
		offer_words_of(l, remote_states);
	else if (of_state)
		offer_words_of(l, states);
	else if (id == CONTROL_STATUS || id == CONTROL_TOP)
		ask(l, "{\"command\":\"status\"}", offer_cell);
	else if (id == CONTROL_HEALTH)
		ask(l, "{\"command\":\"health\",\"all\":true}", offer_cell);
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

/* The type of an event, by the name of its device or whole. */
static void
offer_type(struct line *l, const struct json *row)
{
	const struct json *type = json_get(row, "type");
	char text[DESCRIPTION_TEXT];

	if (!type || type->type != JSON_ARRAY)
		return;
	description_join(type, 0, NULL, text);
	size_t len = strcspn(l->now, "/");
	bool whole = strncmp(l->now, "gateway/", 8) == 0;
	/* Before the source, gateway or system, stands the name. */
	for (char *at = text; !whole && (at = strchr(at, '/'));)
		if (strncmp(++at, l->now, len + 1) == 0) {
			offer(l, at, "");
			return;
		}
	if (whole)
		offer(l, text, "");
}

/* Types of events that a device registers, behind its name, or whole ones. Without a description,
 * those that the Event Server has. */
static void
offer_given(struct line *l)
{
	struct description d = { 0 };
	char name[DESCRIPTION_TEXT], text[DESCRIPTION_TEXT], whole[2 * DESCRIPTION_TEXT];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(l->now, "/"), l->now);
	if (strcmp(name, "gateway") == 0 || !load(l, &d, name))
		ask(l, "{\"command\":\"events\",\"types\":[]}", offer_type);
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

static void
offer_types(struct line *l)
{
	if (strchr(l->now, '/'))
		offer_given(l);
	else
		offer_names(l);
}

/* --- by command --- */

/* Behind the name of a device. */
static void
offer_rest(struct line *l)
{
	const char *word = command_name(l->command);
	bool reads = strcmp(word, "read") == 0;

	if (l->command->id == CONTROL_WAIT) {
		offer_words_of(l, states);
		offer_words_of(l, waited_states);
	} else if (reads)
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
	bool any = c->names == NAMES_ALL || c->names == NAMES_BUT_LAST;

	if (l->count >= c->max)
		return;
	if (c->id == CONTROL_EVENTS && !c->run)
		offer_types(l);
	else if (l->count == 0 || (any && !c->run))
		offer_names(l);
	else
		offer_rest(l);
	if (c->id == CONTROL_LOG)
		offer_words_of(l, levels);
}

static void
offer_when(struct line *l)
{
	offer_words_of(l, when);
}

static void
offer_spans(struct line *l)
{
	offer_words_of(l, spans);
}

/* Files are the shell's own business; numbers nobody's. */
static const struct {
	const char *option;
	void (*offer)(struct line *l);
} values[] = {
	{ .option = "columns", .offer = offer_columns },
	{ .option = "sort", .offer = offer_sort },
	{ .option = "filter", .offer = offer_filter },
	{ .option = "color", .offer = offer_when },
	{ .option = "type", .offer = offer_types },
	{ .option = "since", .offer = offer_spans },
	{ .option = "until", .offer = offer_spans },
	{ .option = "ied", .offer = offer_ieds },
};

static void
offer_value(struct line *l)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (strcmp(values[i].option, l->option) == 0)
			values[i].offer(l);
}

static void
offer_options(struct line *l)
{
	if (l->is_new)
		blocks_each_option(offer_option, l);
	else if (!l->is_help && (l->command || !l->has_command))
		options_each(l->command, offer_option, l);
}

void
complete_print(int argc, char **argv)
{
	struct line l;

	read_line(&l, argc, argv);
	if (l.option)
		offer_value(&l);
	else if (l.now[0] == '-')
		offer_options(&l);
	else if (!l.has_command)
		offer_commands(&l);
	else if (l.is_new && !l.is_help && l.count == 0)
		offer_blocks(&l);
	else if (l.command && !l.is_help)
		offer_arguments(&l);
	session_close(&l.session);
}
