#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/trust.h"
#include "supervisor/config/config_private.h"
#include "supervisor/config/device_type.h"

/* "devices": which runner each needs, and the supervisor's keys of it. */

enum { MAX_RUNNER_PATH = 4096 };

#define RANGE(lo, hi)                                                                              \
	{                                                                                          \
		.kind = SCHEMA_INT, .min = (lo), .max = (hi)                                       \
	}

const struct schema_field config_limits_fields[] = {
	{ .key = "memory", .is = RANGE(CONFIG_MEMORY_MIN, CONFIG_MEMORY_MAX) },
	{ .key = "files", .is = RANGE(CONFIG_FILES_MIN, CONFIG_FILES_MAX) },
	{ .key = "start_ms", .is = RANGE(CONFIG_MS_MIN, CONFIG_MS_MAX) },
	{ .key = "ping_ms", .is = RANGE(CONFIG_MS_MIN, CONFIG_MS_MAX) },
	{ .key = "stop_ms", .is = RANGE(CONFIG_MS_MIN, CONFIG_MS_MAX) },
	{ .key = "credit", .is = RANGE(CONFIG_CREDIT_MIN, CONFIG_CREDIT_MAX) },
	{ .key = "types", .is = RANGE(CONFIG_TYPES_MIN, CONFIG_TYPES_MAX) },
	{ .key = NULL },
};

const char *const config_sandbox_names[] = {
	[IPC_SANDBOX_STRICT] = "strict",
	[IPC_SANDBOX_BEST_EFFORT] = "best-effort",
	[IPC_SANDBOX_OFF] = SCHEMA_OFF,
	[IPC_SANDBOX_NAMESPACES] = "namespaces",
	NULL,
};

static const struct schema read_schema = { .kind = SCHEMA_STRING, .max = MAX_RUNNER_PATH };

static const struct schema_field device_fields[] = {
	{ .key = "module", .is = { .kind = SCHEMA_STRING } },
	{ .key = "name", .required = true, .is = { .kind = SCHEMA_STRING } },
	{ .key = "type", .is = { .kind = SCHEMA_STRING } },
	{ .key = "enabled", .is = { .kind = SCHEMA_BOOL } },
	{ .key = "limits",
	    .is = { .kind = SCHEMA_OBJECT, .nullable = true, .fields = config_limits_fields } },
	{ .key = "sandbox", .is = { .kind = SCHEMA_ENUM, .names = config_sandbox_names } },
	{ .key = "runner", .is = { .kind = SCHEMA_STRING, .max = MAX_RUNNER_PATH } },
	{ .key = "runner_reads",
	    .is = { .kind = SCHEMA_ARRAY, .max = CONFIG_MAX_READS, .items = &read_schema } },
	{ .key = NULL },
};

const struct schema config_device_schema = {
	.kind = SCHEMA_OBJECT,
	.open = true, /* the rest is the runner's */
	.fields = device_fields,
};

static const struct config_limits default_limits = {
	.memory = CONFIG_MEMORY_DEFAULT,
	.files = CONFIG_FILES_DEFAULT,
	.start_ms = CONFIG_START_MS_DEFAULT,
	.ping_ms = CONFIG_PING_MS_DEFAULT,
	.stop_ms = CONFIG_STOP_MS_DEFAULT,
	.credit = CONFIG_CREDIT_DEFAULT,
	.types = CONFIG_TYPES_DEFAULT,
};

static void
join(char *path, size_t size, const char *base, const char *key)
{
	snprintf(path, size, "%s%s%s", base, *base ? "." : "", key);
}

static void
take_u32(const struct json *o, const char *key, uint32_t *v)
{
	int64_t n;

	if (json_int(json_get(o, key), 0, UINT32_MAX, &n))
		*v = (uint32_t)n;
}

static void
ignore_fault(void *arg, enum schema_severity severity, const struct json *where, const char *path,
    const char *message)
{
	(void)arg, (void)severity, (void)where, (void)path, (void)message;
}

/* "limits" of an object whose faults were said: what it does not name stays as it is, and all of it
 * where one is at fault. */
static void
take_limits(const struct json *o, struct config_limits *limits)
{
	static const struct schema schema = {
		.kind = SCHEMA_OBJECT, .nullable = true, .fields = config_limits_fields
	};
	const struct json *j = json_get(o, "limits");
	int64_t memory;

	if (!j || schema_check(j, &schema, "", ignore_fault, NULL) > 0)
		return;

	if (json_int(json_get(j, "memory"), 0, INT64_MAX, &memory))
		limits->memory = (uint64_t)memory;
	take_u32(j, "files", &limits->files);
	take_u32(j, "start_ms", &limits->start_ms);
	take_u32(j, "ping_ms", &limits->ping_ms);
	take_u32(j, "stop_ms", &limits->stop_ms);
	take_u32(j, "credit", &limits->credit);
	take_u32(j, "types", &limits->types);
}

const char *
config_sandbox_name(enum ipc_sandbox sandbox)
{
	return config_sandbox_names[sandbox];
}

/* "sandbox" of a checked object. */
static void
take_sandbox(const struct json *o, enum ipc_sandbox *sandbox)
{
	const struct json *j = json_get(o, "sandbox");
	int i = json_enum(j, config_sandbox_names);

	if (j && j->type == JSON_BOOL)
		*sandbox = IPC_SANDBOX_OFF;
	else if (i >= 0)
		*sandbox = (enum ipc_sandbox)i;
}

static void
check_module(
    struct config_check *k, const struct json *o, const char *base, struct config_device *d)
{
	char path[64], list[512];
	const struct json *j = json_get(o, "module");
	const char *module = json_str(j);

	if (!module)
		return;
	join(path, sizeof(path), base, "module");
	const struct device_type *t = device_type_find(module);
	d->module = t ? t->module : module;
	d->type = t ? t->type : module;
	d->family = t ? device_type_family(t, o) : NULL;
	if (d->family)
		return;
	device_type_list(list, sizeof(list));
	const char *nearest = device_type_nearest(module);
	if (t)
		config_error(k, j, path,
		    "no runner is built for '%s' (%s); a runner of your own can be named by runner "
		    "and "
		    "type. Those built are: %s",
		    module, t->type, list);
	else
		config_error(k, j, path, "expected one of %s, found '%.100s'%s%s%s", list, module,
		    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static void
check_reads(struct config_check *k, const struct json *o, const char *base, struct config_device *d)
{
	const struct json *reads = json_get(o, "runner_reads");
	char path[64];

	join(path, sizeof(path), base, "runner_reads");
	if (!reads || reads->type != JSON_ARRAY)
		return;
	d->runner_reads = reads;
	json_foreach (one, reads)
		if (one->type == JSON_STRING && one->text[0] != '/')
			config_error(
			    k, one, path, "expected absolute paths, found '%.100s'", one->text);
}

/* A third party's runner; its type is named by "type", or by a module that is known. */
static void
check_runner(
    struct config_check *k, const struct json *o, const char *base, struct config_device *d)
{
	const struct json *runner = json_get(o, "runner"), *type = json_get(o, "type");
	const char *module = json_str(json_get(o, "module"));
	const struct device_type *known = module ? device_type_find(module) : NULL;
	char path[64], why[512];

	d->module = known ? known->module : module;
	d->runner = json_str(runner);
	join(path, sizeof(path), base, "runner");
	if (d->runner && d->runner[0] != '/')
		config_error(
		    k, runner, path, "expected an absolute path, found '%.100s'", d->runner);
	if (d->runner && trust_path(d->runner, 0, why, sizeof(why)) == TRUST_WRITABLE)
		config_error(k, runner, path, "refused: %.300s", why);
	check_reads(k, o, base, d);
	join(path, sizeof(path), base, "type");
	if (type)
		d->type = config_check_name(k, type, path);
	else if (known)
		d->type = known->type;
	else
		config_error(k, o, path, "is missing (the device type of the runner)");
}

/* Keeps the fault of a device that can be named where the rest of the file goes on without it. */
static void
settle_fault(struct config_check *k, struct config_device *d, unsigned errors)
{
	if (k->c->device_faults && d->name && d->type && !strchr(d->type, '/')) {
		k->device_errors += errors;
		return;
	}
	free(d->fault);
	d->fault = NULL;
}

static void
check_device(struct config_check *k, const struct json *o, size_t index, const struct json *log,
    struct config_device *d)
{
	char base[40], path[64];

	d->conf = o;
	snprintf(base, sizeof(base), "devices[%zu]", index);
	schema_check(o, &config_device_schema, base, config_fault, k);
	if (o->type != JSON_OBJECT)
		return;
	join(path, sizeof(path), base, "name");
	d->name = config_check_name(k, json_get(o, "name"), path);
	join(path, sizeof(path), base, "module");
	if (json_get(o, "runner"))
		check_runner(k, o, base, d);
	else if (json_get(o, "module"))
		check_module(k, o, base, d);
	else
		config_error(k, o, path, "is missing");
	take_limits(o, &d->limits);
	take_sandbox(o, &d->sandbox);
	json_bool(json_get(o, "enabled"), &d->enabled);
	d->log_level = log ? config_log_level(log, d->module ? d->module : "hat.gateway.devices")
			   : LOG_LEVEL_INFO;
}

/* A device with its place, to be sorted. */
struct place {
	const struct config_device *d;
	size_t index;
};

static int
compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int r = strcmp(x->d->type, y->d->type);

	if (r == 0)
		r = strcmp(x->d->name, y->d->name);
	return r ? r : (x->index > y->index) - (x->index < y->index);
}

static void
check_unique(struct config_check *k, const struct config_device *devices, size_t count)
{
	struct place *places = malloc(count * sizeof(*places) + 1);
	size_t n = 0, first = 0;
	char path[64];

	if (!places) {
		config_error(k, NULL, "devices", "out of memory");
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (devices[i].type && devices[i].name)
			places[n++] = (struct place){ &devices[i], i };
	qsort(places, n, sizeof(*places), compare_places);
	for (size_t i = 1; i < n; i++) {
		const struct config_device *a = places[first].d, *b = places[i].d;
		if (strcmp(a->type, b->type) != 0 || strcmp(a->name, b->name) != 0) {
			first = i;
			continue;
		}
		snprintf(path, sizeof(path), "devices[%zu].name", places[i].index);
		config_error(k, json_get(b->conf, "name"), path,
		    "another %s is called '%s' in line %u", b->type, b->name,
		    json_get(a->conf, "name")->line);
	}
	free(places);
}

static int
compare_names(const void *a, const void *b)
{
	const struct config_device *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static bool
label_with_type(struct config_device *d)
{
	if (asprintf(&d->own_label, "%s/%s", d->type, d->name) < 0) {
		d->own_label = NULL;
		return false;
	}
	d->label = d->own_label;
	return true;
}

/* Gives each device its label. */
static void
label_devices(struct config_check *k, struct config_device *devices, size_t count)
{
	struct config_device **sorted = malloc(count * sizeof(*sorted) + 1);
	bool done = sorted != NULL;
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		devices[i].label = devices[i].name;
		if (sorted && devices[i].type && devices[i].name)
			sorted[n++] = &devices[i];
	}
	if (sorted)
		qsort(sorted, n, sizeof(*sorted), compare_names);
	for (size_t i = 0; i < n; i++) {
		bool shared = (i > 0 && strcmp(sorted[i]->name, sorted[i - 1]->name) == 0) ||
			      (i + 1 < n && strcmp(sorted[i]->name, sorted[i + 1]->name) == 0);
		done &= !shared || label_with_type(sorted[i]);
	}
	if (!done)
		config_error(k, NULL, "devices", "out of memory");
	free(sorted);
}

void
config_check_devices(struct config_check *k, const struct json *root)
{
	const struct json *devices = json_get(root, "devices"), *log = json_get(root, "log");
	struct config_device defaults = { .limits = default_limits, .text = { .fd = -1 } };
	struct config *c = k->c;

	take_limits(root, &defaults.limits);
	take_sandbox(root, &defaults.sandbox);
	c->built_in.sandbox = defaults.sandbox;
	if (!devices || devices->type != JSON_ARRAY || devices->count > CONFIG_MAX_DEVICES)
		return;
	c->devices = calloc(devices->count + 1, sizeof(*c->devices));
	if (!c->devices) {
		config_error(k, devices, "devices", "out of memory");
		return;
	}
	if (log && (log->type != JSON_OBJECT || log->count == 0))
		log = NULL;
	json_foreach (item, devices) {
		struct config_device *d = &c->devices[c->device_count];
		unsigned errors = k->errors;
		*d = defaults;
		k->device = d;
		check_device(k, item, c->device_count, log, d);
		k->device = NULL;
		settle_fault(k, d, k->errors - errors);
		c->device_count++;
	}
	check_unique(k, c->devices, c->device_count);
	label_devices(k, c->devices, c->device_count);
}
