#include "supervisor/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "supervisor/child.h"

enum { AT_ONCE = 16 }; /* runners alive at the same time */

struct check {
	struct ev_loop *loop;
	struct child_host host;
	const struct config *config;
	config_report *report;
	void *arg;
	bool verbose;
	struct child **children;
	size_t started, ended;
	int faulty;
	bool *planned, *at_fault;
};

static size_t
index_of(const struct check *k, const struct child *c)
{
	return (size_t)(c->conf - k->config->devices);
}

static void
fill_up(struct check *k)
{
	while (k->started < k->config->device_count && k->started - k->ended < AT_ONCE)
		child_enable(k->children[k->started++], true);
}

static void
on_state(void *arg, struct child *c, enum child_state before)
{
	struct check *k = arg;
	size_t i = index_of(k, c);

	if (before == CHILD_DISABLED || c->fsm.state != CHILD_DISABLED)
		return;
	k->ended++;
	if (!k->planned[i] && !k->at_fault[i]) {
		const struct json *where = c->conf->conf;
		k->at_fault[i] = true;
		k->report(k->arg, SCHEMA_ERROR, k->config->path, where->line, where->column,
		    c->conf->name, "its runner ended without a plan");
	}
	k->faulty += k->at_fault[i];
	if (k->ended == k->config->device_count)
		ev_break(k->loop, EVBREAK_ALL);
}

static void
on_config_fault(void *arg, struct child *c, enum schema_severity severity, const char *path,
    const char *message)
{
	struct check *k = arg;
	const struct json *where = config_device_find(c->conf, path);
	char full[1024];

	snprintf(full, sizeof(full), "devices[%zu]%s%s", index_of(k, c), *path ? "." : "", path);
	if (severity == SCHEMA_ERROR)
		k->at_fault[index_of(k, c)] = true;
	k->report(k->arg, severity, k->config->path, where->line, where->column, full, message);
}

static void
on_plan(void *arg, struct child *c)
{
	struct check *k = arg;

	k->planned[index_of(k, c)] = true;
	if (!k->verbose)
		return;
	printf("%s (%s): runner %s\n", c->conf->name, c->conf->type,
	    c->conf->runner ? c->conf->runner : c->conf->family);
	for (size_t i = 0; i < c->plan_count; i++) {
		const struct child_plan *p = &c->plan[i];
		printf("  may %s %s", ipc_resource_name(p->kind), p->target);
		if (p->kind == IPC_RESOURCE_CONNECT || p->kind == IPC_RESOURCE_LISTEN)
			printf(" port %u", p->port);
		printf("\n");
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

static int
refuse_query(void *arg, struct child *c, struct child_query *q, const struct eventer_types *types)
{
	(void)arg, (void)c, (void)q, (void)types;
	return -1;
}

static void
forget_query(void *arg, struct child_query *q)
{
	(void)arg, (void)q;
}

static const struct child_ops ops = {
	.on_pending = ignore_child,
	.on_running = ignore_running,
	.on_query = refuse_query,
	.forget_query = forget_query,
	.on_state = on_state,
	.on_config_fault = on_config_fault,
	.on_plan = on_plan,
};

static void
on_before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop, (void)revents;
	fill_up(w->data);
}

int
check_devices(struct ev_loop *loop, const struct config *config, const char *libexec,
    const char *zone, bool verbose, config_report *report, void *arg)
{
	struct check k = { .loop = loop,
		.config = config,
		.report = report,
		.arg = arg,
		.verbose = verbose,
		.children = calloc(config->device_count + 1, sizeof(*k.children)),
		.planned = calloc(config->device_count + 1, sizeof(bool)),
		.at_fault = calloc(config->device_count + 1, sizeof(bool)) };
	struct sbs_str no_prefix = sbs_str("check");
	ev_prepare before_wait;
	int result = -1;

	k.host = (struct child_host){ .loop = loop,
		.libexec = libexec,
		.zone = zone,
		.ops = &ops,
		.arg = &k,
		.check_only = true };
	for (size_t i = 0; k.children && k.planned && k.at_fault && i < config->device_count; i++) {
		k.children[i] = child_new(
		    &k.host, &config->devices[i], &no_prefix, 1, LOG_LEVEL_WARNING);
		if (!k.children[i])
			goto done;
	}
	ev_prepare_init(&before_wait, on_before_wait);
	before_wait.data = &k;
	ev_prepare_start(loop, &before_wait);
	if (config->device_count)
		ev_run(loop, 0);
	ev_prepare_stop(loop, &before_wait);
	result = k.faulty;
done:
	for (size_t i = 0; k.children && i < config->device_count; i++)
		child_free(k.children[i]);
	free(k.children);
	free(k.planned);
	free(k.at_fault);
	return result;
}
