#include "supervisor/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/log.h"
#include "supervisor/check_plans.h"
#include "supervisor/child/child.h"

enum {
	AT_ONCE = 16,	    /* runners alive at the same time */
	STARTS = 4,	    /* runners started in one turn */
	MAX_TEXT = 1 << 20, /* bytes of what is said of a device */
	MAX_PLANS = 64 << 20,
	MAX_PATH = 512,
};

/* A device that is checked. */
struct checked {
	const struct config_device *conf;
	struct child *child; /* from its start until it has ended; then NULL */
	struct buffer text;  /* what it does and may touch; printed in the devices' order */
	bool planned, at_fault, ended;
};

struct check {
	struct check_options options;
	struct child_host host;
	check_done *done;
	void *arg;
	struct checked *devices;
	size_t count, started, ended, printed, freed;
	int faulty;
	ev_prepare before_wait;
	struct buffer plans; /* struct planned of what one device alone can have */
};

static struct checked *
checked_of(const struct child *c)
{
	return child_owner(c);
}

static void
report(const struct check *k, enum schema_severity severity, const struct json *where,
    const char *path, const char *message)
{
	k->options.report(k->options.arg, severity, k->options.config->path, where->line,
	    config_fault_column(where, message), path, message);
}

/* Prints the devices that are done, as far as those before them are. */
static void
print_texts(struct check *k)
{
	for (; k->printed < k->count && k->devices[k->printed].ended; k->printed++) {
		struct buffer *b = &k->devices[k->printed].text;
		if (b->len)
			fwrite(buffer_data(b), 1, b->len, stdout);
		buffer_clear(b);
	}
}

static void
report_no_plan(const struct check *k, struct checked *d)
{
	const struct process_obituary *o = process_obituary(child_process(d->child), 0);
	char path[32], message[400];

	d->at_fault = true;
	snprintf(path, sizeof(path), "devices[%td]", d->conf - k->options.config->devices);
	snprintf(message, sizeof(message), "the runner of %s ended without a plan: %s",
	    d->conf->label, o ? o->cause : "it could not be started");
	report(k, SCHEMA_ERROR, d->conf->conf, path, message);
}

static void
on_state(void *arg, struct child *c, enum child_state before)
{
	struct check *k = arg;
	struct checked *d = checked_of(c);

	if (before == CHILD_DISABLED || child_state(c) != CHILD_DISABLED)
		return;
	k->ended++;
	d->ended = true;
	print_texts(k);
	if (!d->planned && !d->at_fault)
		report_no_plan(k, d);
	k->faulty += d->at_fault;
}

/* A runner knows its own keys only; what it ignores may be meant for the supervisor. */
static const char *
supervisors_nearest(enum schema_severity severity, const char *path, const char *message)
{
	bool unknown =
	    severity == SCHEMA_WARNING && strcmp(message, SCHEMA_UNKNOWN_KEY ", ignored") == 0;

	return unknown ? config_supervisors_nearest(path) : NULL;
}

static void
on_config_fault(void *arg, struct child *c, enum schema_severity severity, const char *path,
    const char *message)
{
	struct check *k = arg;
	struct checked *d = checked_of(c);
	const char *nearest = supervisors_nearest(severity, path, message);
	char full[1024], text[256];

	if (nearest) {
		snprintf(text, sizeof(text), "%s; did you mean '%s'?", message, nearest);
		message = text;
	}
	snprintf(full, sizeof(full), "devices[%td]%s%s", d->conf - k->options.config->devices,
	    *path ? "." : "", path);
	if (severity == SCHEMA_ERROR)
		d->at_fault = true;
	report(k, severity, config_device_find(d->conf, path), full, message);
}

static void
on_note(void *arg, struct child *c, const char *note)
{
	struct check *k = arg;

	if (k->options.verbose)
		buffer_printf(&checked_of(c)->text, "  %s\n", note);
}

/* Finds the text in the device's tree, with its path; the whole tree where it is not there. */
static const struct json *
find_text(const struct json *j, const char *text, char *path, size_t size)
{
	size_t used = strlen(path), n = 0;

	if (json_str(j) && strcmp(json_str(j), text) == 0)
		return j;
	if (j->type != JSON_OBJECT && j->type != JSON_ARRAY)
		return NULL;
	json_foreach (item, j) {
		if (j->type == JSON_OBJECT)
			snprintf(path + used, size - used, ".%s", item->key);
		else
			snprintf(path + used, size - used, "[%zu]", n++);
		const struct json *found = find_text(item, text, path, size);
		if (found)
			return found;
	}
	path[used] = '\0';
	return NULL;
}

static void
report_plan(struct check *k, const struct planned *p, const char *message)
{
	struct checked *d = &k->devices[p->device];
	char path[MAX_PATH];

	snprintf(path, sizeof(path), "devices[%td]", d->conf - k->options.config->devices);
	const struct json *where = find_text(d->conf->conf, p->target, path, sizeof(path));
	report(k, SCHEMA_ERROR, where ? where : d->conf->conf, path, message);
	if (!d->at_fault && d->ended)
		k->faulty++;
	d->at_fault = true;
}

static void
keep_plan(struct check *k, struct checked *d, const struct plan_row *row)
{
	struct planned p = { (size_t)(d - k->devices), row->kind, row->target, row->port };
	struct planned kept = p;
	bool host = row->kind != IPC_RESOURCE_TTY && row->kind != IPC_RESOURCE_FILE;
	char message[400];

	if (row->kind == IPC_RESOURCE_TTY || row->kind == IPC_RESOURCE_LISTEN ||
	    row->kind == IPC_RESOURCE_UDP_LISTEN) {
		kept.target = strdup(row->target); /* the plan ends with the runner */
		buffer_append(&k->plans, &kept, sizeof(kept));
		if (buffer_failed(&k->plans))
			free((char *)kept.target);
	}
	if (!host || check_plans_is_host(row->target))
		return;
	snprintf(message, sizeof(message), "expected an address or the name of a host, found '%s'",
	    row->target);
	report_plan(k, &p, message);
}

/* The fault is reported at the one that comes second in the file. */
static void
report_conflict(struct check *k, const struct planned *first, const struct planned *second)
{
	const struct config_device *other = k->devices[first->device].conf;
	char message[400], port[16] = "";

	if (ipc_resource_has_port(first->kind))
		snprintf(port, sizeof(port), " port %u", first->port);
	snprintf(message, sizeof(message), "%s (line %u) has %s %s%s already", other->label,
	    other->conf->line, ipc_resource_name(first->kind), first->target, port);
	report_plan(k, second, message);
}

/* At the end, when every device has said what it plans. */
static void
compare_plans(struct check *k)
{
	const struct planned *p = (const struct planned *)buffer_data(&k->plans);
	size_t count = k->plans.len / sizeof(*p);

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i && p[i].target; j++) {
			if (!p[j].target || !check_plans_conflict(&p[j], &p[i]))
				continue;
			bool later = p[i].device > p[j].device;
			report_conflict(k, later ? &p[j] : &p[i], later ? &p[i] : &p[j]);
			break;
		}
	}
}

static void
on_plan(void *arg, struct child *c)
{
	struct check *k = arg;
	struct buffer *b = &checked_of(c)->text;
	size_t count;

	checked_of(c)->planned = true;
	const struct plan_row *plan = child_plan(c, &count);
	for (size_t i = 0; k->options.together && i < count; i++)
		keep_plan(k, checked_of(c), &plan[i]);
	if (!k->options.verbose)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct plan_row *p = &plan[i];
		buffer_printf(b, "  may %s %s", ipc_resource_name(p->kind), p->target);
		if (ipc_resource_has_port(p->kind))
			buffer_printf(b, " port %u", p->port);
		buffer_append_str(b, "\n");
	}
}

static void
ignore_child(void *arg, struct child *c)
{
	(void)arg, (void)c;
}

static void
ignore_running(void *arg, struct child *c, bool running)
{
	(void)arg, (void)c, (void)running;
}

static const struct child_ops ops = {
	.on_pending = ignore_child,
	.on_running = ignore_running,
	.on_state = on_state,
	.on_config_fault = on_config_fault,
	.on_note = on_note,
	.on_plan = on_plan,
};

static void
start_next(struct check *k)
{
	static const struct sbs_str no_prefix = { "check", 5 };
	struct checked *d = &k->devices[k->started++];

	/* With the level a runner knows whether somebody reads what it says of its data. */
	d->child = child_new(&k->host, d->conf, &no_prefix, 1,
	    k->options.verbose ? LOG_LEVEL_NOTICE : LOG_LEVEL_WARNING, d);
	if (d->child) {
		child_enable(d->child, true);
		return;
	}
	report(k, SCHEMA_ERROR, d->conf->conf, "", "out of memory");
	d->at_fault = d->ended = true;
	k->ended++;
	k->faulty++;
}

/* Children are started and left here, where none of them is at work. */
static void
on_before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct check *k = w->data;

	(void)revents;
	while (k->freed < k->started && k->devices[k->freed].ended) {
		child_free(k->devices[k->freed].child);
		k->devices[k->freed++].child = NULL;
	}
	size_t starts = STARTS;
	while (starts-- > 0 && k->started < k->count && k->started - k->ended < AT_ONCE)
		start_next(k);
	if (k->ended < k->count)
		return;
	ev_prepare_stop(loop, w);
	compare_plans(k);
	k->done(k->arg, k->faulty);
}

static void
put_head(struct buffer *b, const struct config *config, const struct config_device *d)
{
	bool named = config->name_in_types;

	buffer_printf(b, "%s (%s): runner %s, sandbox %s, log level %s\n", d->name, d->type,
	    d->runner ? d->runner : d->family, config_sandbox_name(d->sandbox),
	    log_level_name(d->log_level));
	buffer_printf(b,
	    "  events below gateway/%s%s%s/%s: gateway/running, system/enable, and these\n",
	    named && config->name ? config->name : "", named ? "/" : "", d->type, d->name);
}

static void
add_device(struct check *k, const struct config_device *conf)
{
	struct checked *d = &k->devices[k->count];

	*d = (struct checked){ .conf = conf };
	buffer_init(&d->text, MAX_TEXT);
	if (k->options.verbose)
		put_head(&d->text, k->options.config, conf);
	k->count++;
}

static void
print_server(const struct config *c)
{
	if (c->server == CONFIG_SERVER_BUILT_IN)
		printf("Event Server: built in, events kept in %s",
		    c->built_in.data ? c->built_in.data : "the state directory");
	else
		printf("%s: %s port %u",
		    c->server == CONFIG_SERVER_MONITOR ? "Monitor Server" : "Event Server",
		    c->server_host, c->server_port);
	if (c->server == CONFIG_SERVER_BUILT_IN && c->built_in.listen_host)
		printf(", listens on %s port %u%s", c->built_in.listen_host,
		    c->built_in.listen_port, c->built_in.token_file ? "" : " without a token");
	if (c->server == CONFIG_SERVER_MONITOR)
		printf(", component %s of group %s, Event Servers of group %s", c->component_name,
		    c->gateway_group, c->event_server_group);
	printf("%s\n", c->require_operational ? ", devices run while it is operational" : "");
}

static void
print_log(const struct config_log *log)
{
	static const char *const transports[] = { "", " over UDP", " over TCP" };

	printf("log: level %s", log_level_name(log->level));
	if (log->console.on)
		printf("; standard error or the journal");
	if (log->journal.on)
		printf("; the journal");
	if (log->syslog.on)
		printf("; syslog at %s%s", log->syslog_host, transports[log->syslog_transport]);
	if (log->syslog.on && log->syslog_transport != CONFIG_SYSLOG_LOCAL)
		printf(" port %u", log->syslog_port);
	printf("\n");
}

struct check *
check_start(struct ev_loop *loop, const struct check_options *options, check_done *done, void *arg)
{
	const struct config *config = options->config;
	struct check *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	*k = (struct check){ .options = *options, .done = done, .arg = arg };
	k->host = (struct child_host){ .loop = loop,
		.libexec = options->libexec,
		.zone = options->zone,
		.broker = options->broker,
		.ops = &ops,
		.arg = k,
		.check_only = true };
	buffer_init(&k->plans, MAX_PLANS);
	k->devices = calloc(config->device_count + 1, sizeof(*k->devices));
	for (size_t i = 0; k->devices && i < config->device_count; i++) {
		bool wanted = !options->wants || options->wants(options->arg, &config->devices[i]);
		if (wanted)
			add_device(k, &config->devices[i]);
	}
	if (k->options.verbose && !config->at_fault) {
		print_server(config);
		print_log(&config->log);
	}
	ev_prepare_init(&k->before_wait, on_before_wait);
	k->before_wait.data = k;
	ev_prepare_start(loop, &k->before_wait);
	if (k->devices)
		return k;
	check_free(k);
	return NULL;
}

static void
free_plans(struct check *k)
{
	struct planned *p = (struct planned *)buffer_data(&k->plans);

	for (size_t i = 0; i < k->plans.len / sizeof(*p); i++)
		free((char *)p[i].target);
	buffer_clear(&k->plans);
}

void
check_free(struct check *k)
{
	if (!k)
		return;
	ev_prepare_stop(k->host.loop, &k->before_wait);
	for (size_t i = 0; i < k->count; i++) {
		child_free(k->devices[i].child);
		buffer_clear(&k->devices[i].text);
	}
	free_plans(k);
	free(k->devices);
	free(k);
}

struct result {
	struct ev_loop *loop;
	int faulty;
};

static void
on_done(void *arg, int faulty)
{
	struct result *r = arg;

	r->faulty = faulty;
	ev_break(r->loop, EVBREAK_ALL);
}

int
check_devices(struct ev_loop *loop, const struct check_options *options)
{
	struct result result = { loop, -1 };
	struct check *k = check_start(loop, options, on_done, &result);

	if (!k)
		return -1;
	ev_run(loop, 0);
	check_free(k);
	return result.faulty;
}
