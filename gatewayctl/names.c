#include "gatewayctl/names.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"

static void
add(struct names *n, const char *name)
{
	char **list = realloc(n->list, ((size_t)n->count + 1) * sizeof(*list));
	char *copy = strdup(name);

	if (!list || !copy) {
		fprintf(stderr, "gatewayctl: out of memory\n");
		exit(CONTROL_REFUSED);
	}
	list[n->count++] = copy;
	n->list = list;
}

void
names_clear(struct names *n)
{
	for (int i = 0; i < n->count; i++)
		free(n->list[i]);
	free(n->list);
	*n = (struct names){ 0 };
}

/* Whether argument i is a device's name. */
static bool
is_name(enum command_names which, int i, int argc)
{
	return which == NAMES_ALL || which == NAMES_TYPES || (which == NAMES_FIRST && i == 0) ||
	       (which == NAMES_BUT_LAST && i + 1 < argc);
}

static bool
is_pattern(const char *text)
{
	return text[strcspn(text, "*?[")] != '\0';
}

/* TYPE/NAME of every device. Returns 0, or -1. */
static int
ask(struct session *client, struct names *all)
{
	static const char request[] = "{\"command\":\"status\"}";
	struct monotime deadline = monotime_add_ms(monotime_now(), CLIENT_ANSWER_MS);
	struct control_reply reply = { 0 };

	if (session_send(client, request, sizeof(request) - 1) < 0)
		return -1;
	while (!reply.end) {
		if (session_receive(client, deadline, &reply) != SESSION_REPLY)
			return -1;
		json_foreach (row, reply.rows) {
			const char *name = json_str(json_get(row, "name"));
			const char *type = json_str(json_get(row, "type"));
			char whole[1024];
			if (!name || !type)
				continue;
			snprintf(whole, sizeof(whole), "%s/%s", type, name);
			add(all, whole);
		}
		json_free(reply.doc);
	}
	return 0;
}

static const char *
short_name(const char *whole)
{
	return strchr(whole, '/') + 1;
}

/* A pattern with '/' is of the type too. rest: what follows each name. Returns how many fit. */
static int
expand_one(struct names *n, const struct names *all, const char *pattern, const char *rest)
{
	bool whole = strchr(pattern, '/');
	char text[CONTROL_MAX_TEXT];
	int before = n->count;

	for (int i = 0; i < all->count; i++) {
		if (fnmatch(pattern, whole ? all->list[i] : short_name(all->list[i]), 0) != 0)
			continue;
		snprintf(text, sizeof(text), "%s%s", all->list[i], rest);
		add(n, text);
	}
	return n->count - before;
}

/* The part of argument i that is a pattern of names: its length, or 0. '?' and '*' alone are
 * segments of an event type. */
static size_t
pattern_of(enum command_names which, const char *text, int i, int argc)
{
	size_t len = which == NAMES_TYPES ? strcspn(text, "/") : strlen(text);

	if (!is_name(which, i, argc) || strcspn(text, "*?[") >= len)
		return 0;
	return which == NAMES_TYPES && len == 1 ? 0 : len;
}

static int
expand(struct names *n, const struct names *all, enum command_names which, const char *text,
    size_t len)
{
	char pattern[CONTROL_MAX_TEXT];

	snprintf(pattern, sizeof(pattern), "%.*s", (int)len, text);
	int found = expand_one(n, all, pattern, text + len);
	if (found && (found == 1 || which != NAMES_FIRST))
		return 0;
	if (found)
		fprintf(stderr, "gatewayctl: '%s' fits %d devices, expected one\n", pattern, found);
	else
		fprintf(stderr, "gatewayctl: no device fits '%s'\n", pattern);
	return -1;
}

int
names_expand(struct names *n, struct session *client, const struct options *o,
    enum command_names which, int argc, char **argv)
{
	struct names all = { 0 };
	bool asked = false;
	int rc = 0;

	*n = (struct names){ 0 };
	for (int i = 0; i < argc && rc == 0; i++) {
		size_t len = pattern_of(which, argv[i], i, argc);
		if (len == 0) {
			add(n, argv[i]);
			continue;
		}
		if (!asked && ((client->fd < 0 && session_open(client, o->socket) < 0) ||
				  ask(client, &all) < 0)) {
			fprintf(stderr, "gatewayctl: %s\n", client->error);
			rc = -2;
			break;
		}
		asked = true;
		rc = expand(n, &all, which, argv[i], len);
	}
	names_clear(&all);
	return rc;
}

static bool
is_device(const struct names *all, const char *typed)
{
	for (int i = 0; i < all->count; i++)
		if (strcmp(all->list[i], typed) == 0 ||
		    strcmp(short_name(all->list[i]), typed) == 0)
			return true;
	return false;
}

static void
suggest_one(const struct names *all, const char *typed)
{
	struct nearest n = nearest_begin(typed);
	bool whole = strchr(typed, '/');

	for (int i = 0; i < all->count; i++) {
		nearest_offer(&n, short_name(all->list[i]));
		if (whole)
			nearest_offer(&n, all->list[i]);
	}
	if (n.best)
		fprintf(stderr, "gatewayctl: did you mean '%s'?\n", n.best);
}

void
names_suggest(struct session *client, enum command_names which, int argc, char **argv)
{
	struct names all = { 0 };

	if (which != NAMES_NONE && which != NAMES_TYPES && client->fd >= 0 &&
	    ask(client, &all) == 0)
		for (int i = 0; i < argc; i++)
			if (is_name(which, i, argc) && !is_device(&all, argv[i]))
				suggest_one(&all, argv[i]);
	names_clear(&all);
}

bool
names_exist(struct session *client, int argc, char **argv)
{
	struct names all = { 0 };
	bool good = true;

	if (argc == 0 || ask(client, &all) < 0)
		return true;
	for (int i = 0; i < argc; i++) {
		if (strchr(argv[i], '/') || is_pattern(argv[i]) || is_device(&all, argv[i]))
			continue;
		good = false;
		fprintf(stderr, "gatewayctl: no device '%s'\n", argv[i]);
		suggest_one(&all, argv[i]);
	}
	names_clear(&all);
	return good;
}
