/* The messages of a runner, except its events: a handler for each. */
#include <stdio.h>
#include <string.h>

#include "common/fdutil.h"
#include "supervisor/child/child_private.h"
#include "supervisor/child/sandbox_view.h"

/* A handler returns what is wrong with the message, or NULL. */

/* Version 1 had the id 0. NULL where it is ours. */
static const char *
other_version(uint32_t id)
{
	static char why[80];

	if (id == IPC_VERSION)
		return NULL;
	snprintf(why, sizeof(why),
	    "the runner speaks version %u of the IPC contract, gatewayd speaks %u", id ? id : 1,
	    (unsigned)IPC_VERSION);
	return why;
}

static const char *
on_plan(struct child *c, uint32_t id, const msgpack_object *body)
{
	const char *why = other_version(id);

	if (!why)
		why = requests_set_plan(&c->requests, &body->via.array);
	if (why)
		return why;
	/* The plan is frozen: none is heard in the phases that follow. */
	c->channel.phase = child_state(c) == CHILD_STOPPING ? PHASE_STOP : PHASE_RUN;
	if (c->host->ops->on_plan)
		c->host->ops->on_plan(c->host->arg, c);
	return NULL;
}

/* The first fault of its configuration is the cause of its end. */
static void
note_fault(struct child *c, const char *path, const char *message)
{
	char words[PROCESS_MAX_WORDS + 16];

	snprintf(
	    words, sizeof(words), "configuration: %.50s%s%.90s", path, *path ? ": " : "", message);
	process_set_last_words(c->process, words, true);
}

static const char *
on_config_error(struct child *c, uint32_t id, const msgpack_object *body)
{
	const msgpack_object *f = body->via.array.ptr;
	char path[IPC_MAX_TEXT + 1], message[IPC_MAX_TEXT + 1];
	bool warning = f[0].via.u64 == IPC_CONFIG_WARNING;

	(void)id;
	if (c->channel.phase != PHASE_INIT && !c->host->check_only)
		return "a fault of the configuration after the plan";
	ipc_copy_text(path, sizeof(path), &f[1].via.str);
	ipc_copy_text(message, sizeof(message), &f[2].via.str);
	if (f[0].via.u64 == IPC_CONFIG_NOTE) {
		if (c->host->ops->on_note)
			c->host->ops->on_note(c->host->arg, c, message);
		return NULL;
	}
	if (c->faults++ >= CONFIG_MAX_FAULTS)
		return NULL;
	if (!warning)
		note_fault(c, path, message);
	c->host->ops->on_config_fault(
	    c->host->arg, c, warning ? SCHEMA_WARNING : SCHEMA_ERROR, path, message);
	return NULL;
}

static const char *
on_ready(struct child *c, uint32_t id, const msgpack_object *body)
{
	(void)id, (void)body;
	if (child_state(c) == CHILD_RUNNING)
		return "ready twice";
	/* It would never end: a check is over when its runner is. */
	if (c->host->check_only)
		return "ready during a check, which ends with the plan";
	process_step(c->process, CHILD_READY);
	return NULL;
}

void
child_on_opened(void *arg, uint32_t id, int fd, int error, const char *why)
{
	struct child *c = arg;
	msgpack_packer *p = channel_begin(&c->channel, IPC_OPENED, id);

	msgpack_pack_array(p, 2);
	msgpack_pack_uint32(p, fd >= 0 ? 0 : (uint32_t)error);
	ipc_pack_reason(p, why);
	child_sent(c, channel_send(&c->channel, fd));
}

/* Before the first descriptor is handed out, from the kernel. */
static const char *
verify_lock(struct child *c)
{
	enum ipc_sandbox level = c->conf->sandbox;

	if (c->verified || level == IPC_SANDBOX_OFF)
		return NULL;
	const char *missing = sandbox_view_missing(process_pid(c->process));
	c->verified = !missing || level == IPC_SANDBOX_BEST_EFFORT;
	if (missing && c->verified)
		log_write(LOG_LEVEL_WARNING, c->conf->label, "sandbox", "runner %d is %s",
		    (int)process_pid(c->process), missing);
	return c->verified ? NULL : missing;
}

/* A file is one that the device's own configuration names, or the system's authorities; a check
 * opens nothing else. */
static const char *
check_file(const struct child *c, uint64_t index)
{
	static const char authorities[] = "/etc/ssl/certs/ca-certificates.crt";
	const struct plan_row *row =
	    index < c->requests.plan_count ? &c->requests.plan[index] : NULL;

	if (row && row->kind != IPC_RESOURCE_FILE && c->host->check_only)
		return "an open during a check that is not of a file";
	if (!row || row->kind != IPC_RESOURCE_FILE || strcmp(row->target, authorities) == 0 ||
	    config_device_names(c->conf, row->target))
		return NULL;
	return "a file that its configuration does not name";
}

static const char *
on_open(struct child *c, uint32_t id, const msgpack_object *body)
{
	const char *why = verify_lock(c);

	if (!why)
		why = check_file(c, body->via.array.ptr[0].via.u64);
	if (why)
		return why;
	return requests_open(
	    &c->requests, id, body->via.array.ptr[0].via.u64, child_state(c) == CHILD_STOPPING);
}

static const char *
on_cancel(struct child *c, uint32_t id, const msgpack_object *body)
{
	(void)body;
	requests_cancel(&c->requests, id);
	return NULL;
}

static const char *
on_pong(struct child *c, uint32_t id, const msgpack_object *body)
{
	(void)body;
	if (!process_awaits_pong(c->process) || id != 1)
		return "a pong without a ping";
	process_step(c->process, CHILD_PONG);
	return NULL;
}

static const char *
on_stats(struct child *c, uint32_t id, const msgpack_object *body)
{
	char name[STATS_MAX_NAME];

	(void)id;
	if (body->via.array.size > STATS_MAX_COUNTERS)
		return "too many counters";
	for (uint32_t i = 0; i < body->via.array.size; i++) {
		const msgpack_object *f = body->via.array.ptr[i].via.array.ptr;
		ipc_copy_text(name, sizeof(name), &f[0].via.str);
		stats_set_counter(&c->stats, name, f[1].via.u64);
	}
	return NULL;
}

static const char *
on_trace_frame(struct child *c, uint32_t id, const msgpack_object *body)
{
	(void)id;
	if (c->host->ops->on_trace && c->tracing)
		c->host->ops->on_trace(c->host->arg, c, body->via.array.ptr);
	return NULL;
}

static const char *
on_closed(struct child *c, uint32_t id, const msgpack_object *body)
{
	char words[PROCESS_MAX_WORDS];

	(void)id;
	ipc_copy_text(words, sizeof(words), &body->via.array.ptr->via.str);
	process_set_last_words(c->process, words, false);
	return NULL;
}

static const char *
on_link(struct child *c, uint32_t id, const msgpack_object *body)
{
	(void)id;
	ipc_copy_text(c->link, sizeof(c->link), &body->via.array.ptr->via.str);
	c->host->ops->on_state(c->host->arg, c, child_state(c));
	return NULL;
}

static const char *
on_health(struct child *c, uint32_t id, const msgpack_object *body)
{
	const char *why = remotes_update(&c->remotes, &body->via.array, ev_now(c->host->loop));

	(void)id;
	if (!why && c->host->ops->on_health)
		c->host->ops->on_health(c->host->arg, c);
	return why;
}

static const char *(*const handlers[])(struct child *, uint32_t id, const msgpack_object *body) = {
	[IPC_PLAN] = on_plan,
	[IPC_CONFIG_ERROR] = on_config_error,
	[IPC_READY] = on_ready,
	[IPC_OPEN] = on_open,
	[IPC_CANCEL] = on_cancel,
	[IPC_QUERY] = child_on_query,
	[IPC_PONG] = on_pong,
	[IPC_STATS] = on_stats,
	[IPC_TRACE_FRAME] = on_trace_frame,
	[IPC_CLOSED] = on_closed,
	[IPC_LINK] = on_link,
	[IPC_HEALTH] = on_health,
	[IPC_DESCRIPTION] = child_on_description,
};

void
child_on_message(
    void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len)
{
	struct child *c = arg;
	const char *why = "an unexpected message";

	fd_close(fd);
	if (child_is_flood(c, len))
		why = "a flood of messages";
	else if (h->type < sizeof(handlers) / sizeof(handlers[0]) && handlers[h->type])
		why = handlers[h->type](c, h->id, body);
	if (why)
		child_violate(c, why, c->channel.packet, len);
}
