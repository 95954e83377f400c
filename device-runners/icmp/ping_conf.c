#include "device-runners/icmp/ping_conf.h"

#include <stdlib.h>
#include <string.h>

#include "common/schema/schema.h"
#include "device-runners/runtime/note.h"

enum {
	MAX_HOSTS = RUNNER_MAX_PLAN,
	MAX_TEXT = 255,
	MIN_DELAY_NS = 10000000, /* a host is not asked without pause */
};

#define SECONDS(least)                                                                             \
	{                                                                                          \
		.kind = SCHEMA_NUMBER, .min = (least), SCHEMA_UP_TO(RUNNER_MAX_SECONDS)            \
	}

static const struct schema_field host_fields[] = {
	{ .key = "name", .required = true, .is = { .kind = SCHEMA_STRING, .max = MAX_TEXT } },
	{ .key = "host", .required = true, .is = { .kind = SCHEMA_STRING, .max = MAX_TEXT } },
	{ .key = "ping_delay", .required = true, .is = SECONDS(0) },
	{ .key = "ping_timeout", .required = true, .is = SECONDS(0.001) },
	{ .key = "retry_count",
	    .required = true,
	    .is = { .kind = SCHEMA_INT, SCHEMA_UP_TO(1000000) } },
	{ .key = "retry_delay", .required = true, .is = SECONDS(0) },
	{ .key = NULL },
};
static const struct schema host_schema = { .kind = SCHEMA_OBJECT, .fields = host_fields };
static const struct schema_field ping_fields[] = {
	RUNNER_SCHEMA_FIELDS,
	{ .key = "remote_devices",
	    .required = true,
	    .is = { .kind = SCHEMA_ARRAY, .max = MAX_HOSTS, .items = &host_schema } },
	{ .key = NULL },
};
const struct schema ping_conf_schema = { .kind = SCHEMA_OBJECT, .fields = ping_fields };

static int64_t
read_ns(const struct json *conf, const char *key)
{
	double seconds = 0;

	json_double(json_get(conf, key), &seconds);
	return (int64_t)(seconds * 1e9 + 0.5);
}

static char *
copy(struct runner *r, const struct json *conf, const char *key)
{
	const char *text = json_str(json_get(conf, key));
	char *s = strdup(text ? text : "");

	if (!s)
		runner_fail(r, "out of memory");
	return s;
}

static void
read_host(struct ping_host *h, struct runner *r, const struct json *conf)
{
	int64_t retries = 0, delay = read_ns(conf, "ping_delay");

	json_int(json_get(conf, "retry_count"), 0, INT32_MAX, &retries);
	h->name = copy(r, conf, "name");
	h->address = copy(r, conf, "host");
	h->probe = (struct probe_conf){ .delay_ns = delay > MIN_DELAY_NS ? delay : MIN_DELAY_NS,
		.timeout_ns = read_ns(conf, "ping_timeout"),
		.retry_delay_ns = read_ns(conf, "retry_delay"),
		.retries = (uint32_t)retries };
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(struct ping_host *const *)a)->name, (*(struct ping_host *const *)b)->name);
}

/* Their events could not be told apart. */
static int
refuse_doubles(const struct ping_conf *c, struct runner *r)
{
	struct ping_host **order = calloc(c->count + 1, sizeof(struct ping_host *));
	int errors = 0;

	if (!order)
		runner_fail(r, "out of memory");
	for (size_t i = 0; i < c->count; i++)
		order[i] = &c->hosts[i];
	qsort(order, c->count, sizeof(struct ping_host *), by_name);
	for (size_t i = 1; i < c->count; i++) {
		if (strcmp(order[i - 1]->name, order[i]->name) != 0)
			continue;
		runner_config_error(r, "remote_devices", "two have the name %.60s", order[i]->name);
		errors++;
	}
	free(order);
	return errors ? -1 : 0;
}

int
ping_conf_load(struct ping_conf *c, struct runner *r, const struct json *conf)
{
	const struct json *list = json_get(conf, "remote_devices");

	*c = (struct ping_conf){ .hosts = NULL };
	if (runner_check_config(r, conf, &ping_conf_schema, "") > 0)
		return -1;
	c->hosts = runner_alloc(r, list->count + 1, sizeof(*c->hosts));
	json_foreach (host, list)
		read_host(&c->hosts[c->count++], r, host);
	return refuse_doubles(c, r);
}

void
ping_conf_clear(struct ping_conf *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->hosts[i].name);
		free(c->hosts[i].address);
	}
	free(c->hosts);
	*c = (struct ping_conf){ .hosts = NULL };
}

void
ping_conf_describe(struct runner *r, const struct json *conf)
{
	const struct json *list = json_get(conf, "remote_devices");
	char names[NOTE_MAX_LIST];

	json_foreach (h, list)
		runner_note(r, "%s (%s): pinged every %s s, waits %s s, tries %s times more",
		    note_value(h, "name"), note_value(h, "host"), note_value(h, "ping_delay"),
		    note_value(h, "ping_timeout"), note_value(h, "retry_count"));
	runner_note(
	    r, "registers gateway/status/NAME (%s)", note_list(names, sizeof(names), list, "name"));
	runner_note(r, "takes nothing");
}
