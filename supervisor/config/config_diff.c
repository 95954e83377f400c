#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/config/config_private.h"

static int
compare_keys(const void *a, const void *b)
{
	return strcmp((*(const struct json *const *)a)->key, (*(const struct json *const *)b)->key);
}

/* Members by key, those that skip() names left out. */
static const struct json **
sorted_members(const struct json *o, bool (*skip)(const char *key), size_t *count)
{
	const struct json **sorted = malloc((o->count + 1) * sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return NULL;
	json_foreach (m, o)
		if (!skip || !skip(m->key))
			sorted[n++] = m;
	qsort(sorted, n, sizeof(*sorted), compare_keys);
	*count = n;
	return sorted;
}

/* Whatever the order of keys. Out of memory is a difference: it costs a restart. */
static bool
members_equal(const struct json *a, const struct json *b, bool (*skip)(const char *key))
{
	size_t n = 0, m = 0;
	const struct json **x = sorted_members(a, skip, &n), **y = sorted_members(b, skip, &m);
	bool equal = x && y && n == m;

	for (size_t i = 0; equal && i < n; i++)
		equal = strcmp(x[i]->key, y[i]->key) == 0 && config_tree_equal(x[i], y[i]);
	free(x);
	free(y);
	return equal;
}

static bool
same_order(const struct json *a, const struct json *b)
{
	const struct json *y = b->child;

	for (const struct json *x = a->child; x; x = x->next, y = y->next)
		if (strcmp(x->key, y->key) != 0)
			return false;
	return true;
}

bool
config_tree_equal(const struct json *a, const struct json *b)
{
	if (a->type != b->type || a->boolean != b->boolean || a->count != b->count)
		return false;
	if (a->type == JSON_NUMBER || a->type == JSON_STRING)
		return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
	if (a->type == JSON_OBJECT && !same_order(a, b))
		return members_equal(a, b, NULL);
	const struct json *y = b->child;
	for (const struct json *x = a->child; x; x = x->next, y = y->next)
		if (!config_tree_equal(x, y))
			return false;
	return true;
}

static bool
text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Those that the process itself has: the kernel lets nobody raise them while it runs. */
static bool
own_limits_equal(const struct config_limits *a, const struct config_limits *b)
{
	return a->memory == b->memory && a->files == b->files;
}

/* What the supervisor keeps, and its runner does not know. */
static bool
kept_equal(const struct config_device *x, const struct config_device *y)
{
	const struct config_limits *a = &x->limits, *b = &y->limits;

	return a->start_ms == b->start_ms && a->ping_ms == b->ping_ms && a->stop_ms == b->stop_ms &&
	       a->credit == b->credit && a->types == b->types && x->enabled == y->enabled;
}

static bool
trees_equal(const struct json *a, const struct json *b)
{
	return a == b || (a && b && config_tree_equal(a, b));
}

/* Texts that differ may mean the same, in another order. */
static bool
own_trees_equal(const struct config_device *a, const struct config_device *b)
{
	struct json_doc *x, *y;

	if (config_text_equal(&a->text, &b->text))
		return true;
	const struct json *j = config_device_tree(a, &x), *k = config_device_tree(b, &y);
	bool equal = j && k && members_equal(j, k, config_is_supervisors_key);
	json_free(x);
	json_free(y);
	return equal;
}

bool
config_device_equal(const struct config_device *a, const struct config_device *b)
{
	return text_equal(a->name, b->name) && text_equal(a->type, b->type) &&
	       text_equal(a->family, b->family) && text_equal(a->runner, b->runner) &&
	       trees_equal(a->runner_reads, b->runner_reads) && text_equal(a->fault, b->fault) &&
	       a->sandbox == b->sandbox && own_limits_equal(&a->limits, &b->limits) &&
	       own_trees_equal(a, b);
}

static bool
name_equal(const struct config *a, const struct config *b)
{
	return text_equal(a->name, b->name) && a->name_in_types == b->name_in_types &&
	       text_equal(a->component_name, b->component_name);
}

static bool
server_equal(const struct config *a, const struct config *b)
{
	return a->server == b->server && a->require_operational == b->require_operational &&
	       text_equal(a->server_host, b->server_host) && a->server_port == b->server_port &&
	       text_equal(a->server_token, b->server_token) &&
	       text_equal(a->gateway_group, b->gateway_group) &&
	       text_equal(a->event_server_group, b->event_server_group) &&
	       text_equal(a->built_in.data, b->built_in.data) &&
	       a->built_in.timeseries == b->built_in.timeseries &&
	       trees_equal(a->built_in.retention, b->built_in.retention) &&
	       a->built_in.sandbox == b->built_in.sandbox &&
	       text_equal(a->built_in.listen_host, b->built_in.listen_host) &&
	       a->built_in.listen_port == b->built_in.listen_port &&
	       text_equal(a->built_in.token_file, b->built_in.token_file) &&
	       a->built_in.insecure == b->built_in.insecure;
}

static bool
target_equal(const struct config_log_target *a, const struct config_log_target *b)
{
	return a->on == b->on && a->level == b->level;
}

static bool
log_equal(const struct config_log *a, const struct config_log *b)
{
	return a->level == b->level && target_equal(&a->console, &b->console) &&
	       target_equal(&a->journal, &b->journal) && target_equal(&a->syslog, &b->syslog) &&
	       a->syslog_transport == b->syslog_transport &&
	       text_equal(a->syslog_host, b->syslog_host) && a->syslog_port == b->syslog_port;
}

static int
compare_devices(const void *a, const void *b)
{
	const struct config_device *x = *(const struct config_device *const *)a;
	const struct config_device *y = *(const struct config_device *const *)b;
	int r = strcmp(x->type, y->type);

	return r ? r : strcmp(x->name, y->name);
}

static const struct config_device **
sorted_devices(const struct config *c)
{
	const struct config_device **sorted = malloc((c->device_count + 1) * sizeof(*sorted));

	for (size_t i = 0; sorted && i < c->device_count; i++)
		sorted[i] = &c->devices[i];
	if (sorted)
		qsort(sorted, c->device_count, sizeof(*sorted), compare_devices);
	return sorted;
}

/* The device of the same type and name, or NULL. */
static const struct config_device *
counterpart(
    const struct config_device **sorted, const struct config *c, const struct config_device *d)
{
	const struct config_device **found =
	    bsearch(&d, sorted, c->device_count, sizeof(*sorted), compare_devices);

	return found ? *found : NULL;
}

static void
add_row(struct config_diff *d, enum config_change change, const struct config_device *before,
    const struct config_device *after)
{
	d->rows[d->count++] = (struct config_diff_row){ change, before, after };
	d->counts[change]++;
	d->levels += before && after && before->log_level != after->log_level;
}

/* Rows of what is in `after`: which change they are, is asked once and kept. */
static void
add_rows_after(struct config_diff *d, const struct config *after, const struct config_device **old,
    const struct config *before, enum config_change *changes)
{
	for (size_t i = 0; i < after->device_count; i++) {
		const struct config_device *a = &after->devices[i];
		const struct config_device *b = counterpart(old, before, a);
		changes[i] = !b				  ? CONFIG_ADDED
			     : !config_device_equal(b, a) ? CONFIG_CHANGED
			     : kept_equal(b, a)		  ? CONFIG_SAME
							  : CONFIG_TUNED;
	}
	for (enum config_change change = CONFIG_CHANGED; change <= CONFIG_SAME; change++)
		for (size_t i = 0; i < after->device_count; i++)
			if (changes[i] == change)
				add_row(d, change, counterpart(old, before, &after->devices[i]),
				    &after->devices[i]);
}

struct config_diff *
config_diff(const struct config *before, const struct config *after)
{
	size_t most = before->device_count + after->device_count;
	struct config_diff *d = calloc(1, sizeof(*d) + most * sizeof(d->rows[0]));
	enum config_change *changes = malloc((after->device_count + 1) * sizeof(*changes));
	const struct config_device **old = sorted_devices(before), **new = sorted_devices(after);

	if (d && changes && old && new) {
		d->name = !name_equal(before, after);
		d->elsewhere = !server_equal(before, after);
		d->server = d->name || d->elsewhere;
		d->log = !log_equal(&before->log, &after->log);
		d->control = !text_equal(before->control_group, after->control_group) ||
			     !text_equal(before->observe_group, after->observe_group);
		for (size_t i = 0; i < before->device_count; i++)
			if (!counterpart(new, after, &before->devices[i]))
				add_row(d, CONFIG_REMOVED, &before->devices[i], NULL);
		add_rows_after(d, after, old, before, changes);
	} else {
		free(d);
		d = NULL;
		errno = ENOMEM;
	}
	free(changes);
	free(old);
	free(new);
	return d;
}

const char *
config_change_name(enum config_change change)
{
	static const char *const names[] = { "removed", "changed", "added", "changed", "same" };

	return names[change];
}
