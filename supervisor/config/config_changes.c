#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/config/config_private.h"

/* Which keys of a device, or of the gateway, differ, for people. */

enum { MAX_PATH = 256, MAX_VALUE = 60, MAX_CHANGE = MAX_PATH + 2 * MAX_VALUE + 16 };

struct changes {
	config_key_change *say;
	void *arg;
	char path[MAX_PATH];
};

static bool
is_secret(const char *key)
{
	static const char *const keys[] = { "password", "community", "token" };

	for (size_t i = 0; key && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i], key) == 0)
			return true;
	return false;
}

const struct json *
config_find_secret(const struct json *j)
{
	const struct json *found = NULL;

	if (j->type == JSON_STRING && j->len && is_secret(j->key))
		return j;
	if (j->type == JSON_OBJECT || j->type == JSON_ARRAY)
		for (const struct json *m = j->child; m && !found; m = m->next)
			found = config_find_secret(m);
	return found;
}

/* What holds others is not written out: secrets may be in it. */
static void
value_text(char text[MAX_VALUE], const struct json *j)
{
	static const char *const plain[] = {
		[JSON_NULL] = "null", [JSON_ARRAY] = "[...]", [JSON_OBJECT] = "{...}"
	};

	if (j->type == JSON_BOOL)
		snprintf(text, MAX_VALUE, "%s", j->boolean ? "true" : "false");
	else if (j->type == JSON_NUMBER || j->type == JSON_STRING)
		snprintf(text, MAX_VALUE, "%.50s%s", j->text, j->len > 50 ? "..." : "");
	else
		snprintf(text, MAX_VALUE, "%s", plain[j->type]);
}

/* Either may be NULL. */
static void
say_values(struct changes *c, const char *key, const struct json *a, const struct json *b)
{
	char before[MAX_VALUE] = "", after[MAX_VALUE] = "", text[MAX_CHANGE];

	if (a)
		value_text(before, a);
	if (b)
		value_text(after, b);
	if (is_secret(key))
		snprintf(text, sizeof(text), "%s: changed", c->path);
	else if (!a)
		snprintf(text, sizeof(text), "%s: added, %s", c->path, after);
	else if (!b)
		snprintf(text, sizeof(text), "%s: removed, was %s", c->path, before);
	else
		snprintf(text, sizeof(text), "%s: %s -> %s", c->path, before, after);
	c->say(c->arg, text);
}

static void compare(
    struct changes *c, const char *key, const struct json *before, const struct json *after);

static void
compare_member(
    struct changes *c, const char *key, const struct json *before, const struct json *after)
{
	size_t used = strlen(c->path);

	snprintf(c->path + used, MAX_PATH - used, "%s%s", used ? "." : "", key);
	compare(c, key, before, after);
	c->path[used] = '\0';
}

static void
compare_objects(
    struct changes *c, const struct json *a, const struct json *b, bool (*skip)(const char *key))
{
	json_foreach (m, a)
		if (!skip || !skip(m->key))
			compare_member(c, m->key, m, json_get(b, m->key));
	json_foreach (m, b)
		if (!(skip && skip(m->key)) && !json_get(a, m->key))
			compare_member(c, m->key, NULL, m);
}

static void
compare_element(struct changes *c, size_t index, const struct json *a, const struct json *b)
{
	size_t used = strlen(c->path);

	snprintf(c->path + used, MAX_PATH - used, "[%zu]", index);
	compare(c, NULL, a, b);
	c->path[used] = '\0';
}

/* Elements that are alike at the end: what was put in or taken out before them is no change of
 * theirs. count: the shorter one's elements that may be. */
static size_t
equal_at_end(const struct json *a, const struct json *b, size_t from)
{
	size_t shorter = a->count < b->count ? a->count : b->count, equal = 0, i;
	const struct json *x = a->child, *y = b->child;

	for (i = 0; i < a->count - (shorter - from); i++)
		x = x->next;
	for (i = 0; i < b->count - (shorter - from); i++)
		y = y->next;
	for (; x && y; x = x->next, y = y->next)
		equal = config_tree_equal(x, y) ? equal + 1 : 0;
	return equal;
}

static void
compare_arrays(struct changes *c, const struct json *a, const struct json *b)
{
	const struct json *x = a->child, *y = b->child;
	size_t i = 0;

	for (; x && y && config_tree_equal(x, y); x = x->next, y = y->next)
		i++;
	size_t end = equal_at_end(a, b, i);
	for (; i < a->count - end || i < b->count - end; i++) {
		bool in_a = i < a->count - end, in_b = i < b->count - end;
		compare_element(c, i, in_a ? x : NULL, in_b ? y : NULL);
		x = in_a ? x->next : x;
		y = in_b ? y->next : y;
	}
}

static void
compare(struct changes *c, const char *key, const struct json *a, const struct json *b)
{
	if (a && b && config_tree_equal(a, b))
		return;
	if (a && b && a->type == JSON_OBJECT && b->type == JSON_OBJECT)
		compare_objects(c, a, b, NULL);
	else if (a && b && a->type == JSON_ARRAY && b->type == JSON_ARRAY)
		compare_arrays(c, a, b);
	else
		say_values(c, key, a, b);
}

static void
say_number(struct changes *c, const char *key, uint64_t before, uint64_t after)
{
	char text[MAX_CHANGE];

	if (before == after)
		return;
	snprintf(text, sizeof(text), "%s: %" PRIu64 " -> %" PRIu64, key, before, after);
	c->say(c->arg, text);
}

static void
say_names(struct changes *c, const char *key, const char *before, const char *after)
{
	char text[MAX_CHANGE];

	if (strcmp(before, after) == 0)
		return;
	snprintf(text, sizeof(text), "%s: %.100s -> %.100s", key, before, after);
	c->say(c->arg, text);
}

/* As they are in force, by the device's own keys or the gateway's. */
static void
compare_limits(struct changes *c, const struct config_limits *a, const struct config_limits *b)
{
	say_number(c, "limits.memory", a->memory, b->memory);
	say_number(c, "limits.files", a->files, b->files);
	say_number(c, "limits.start_ms", a->start_ms, b->start_ms);
	say_number(c, "limits.ping_ms", a->ping_ms, b->ping_ms);
	say_number(c, "limits.stop_ms", a->stop_ms, b->stop_ms);
	say_number(c, "limits.credit", a->credit, b->credit);
	say_number(c, "limits.types", a->types, b->types);
}

void
config_device_changes(const struct config_device *before, const struct config_device *after,
    config_key_change *say, void *arg)
{
	struct changes c = { .say = say, .arg = arg };
	struct json_doc *x = NULL, *y = NULL;
	bool same = config_text_equal(&before->text, &after->text);
	const struct json *a = same ? NULL : config_device_tree(before, &x);
	const struct json *b = same ? NULL : config_device_tree(after, &y);

	if (a && b)
		compare_objects(&c, a, b, config_is_supervisors_key);
	json_free(x);
	json_free(y);
	say_names(&c, "runner", before->runner ? before->runner : "none",
	    after->runner ? after->runner : "none");
	say_names(&c, "sandbox", config_sandbox_name(before->sandbox),
	    config_sandbox_name(after->sandbox));
	say_names(
	    &c, "log level", log_level_name(before->log_level), log_level_name(after->log_level));
	say_names(
	    &c, "enabled", before->enabled ? "true" : "false", after->enabled ? "true" : "false");
	compare_limits(&c, &before->limits, &after->limits);
	if (before->runner_reads || after->runner_reads)
		compare_member(&c, "runner_reads", before->runner_reads, after->runner_reads);
}

void
config_gateway_changes(const struct config *before, const struct config *after,
    enum config_part part, config_key_change *say, void *arg)
{
	static const char *const keys[CONFIG_PARTS][6] = {
		[CONFIG_PART_NAME] = { "name", "gateway_name", "monitor" },
		[CONFIG_PART_SERVER] = { "event_server", "event_server_address",
		    "event_server_group", "monitor", "sandbox" },
		[CONFIG_PART_LOG] = { "log" },
		[CONFIG_PART_CONTROL] = { "control" },
	};
	struct changes c = { .say = say, .arg = arg };

	for (size_t i = 0; keys[part][i]; i++) {
		const struct json *a = json_get(json_root(before->doc), keys[part][i]);
		const struct json *b = json_get(json_root(after->doc), keys[part][i]);
		if (a || b)
			compare_member(&c, keys[part][i], a, b);
	}
}
