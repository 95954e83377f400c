#include "supervisor/child/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/fdutil.h"
#include "common/log.h"

/* Bytes that may be pending beyond the runner's credit: our own events, and the prefix of each. */
enum { PENDING_SLACK = 64 * 1024, PENDING_FACTOR = 8 };

static void
schedule(struct child *c)
{
	struct ev_loop *loop = c->host->loop;

	ev_timer_stop(loop, &c->deadline);
	if (c->fsm.deadline.ns == 0)
		return;
	int64_t ms = monotime_diff_ms(c->fsm.deadline, monotime_now());
	ev_timer_set(&c->deadline, (double)(ms < 0 ? 0 : ms + 1) / 1e3, 0.);
	ev_timer_start(loop, &c->deadline);
}

static void
send_stop(struct child *c)
{
	c->channel.phase = PHASE_STOP | (c->channel.phase & PHASE_INIT);
	if (c->pid)
		channel_send_empty(&c->channel, IPC_STOP, 0);
}

static void
do_actions(struct child *c, unsigned actions)
{
	if (actions & CHILD_DO_RUNNING_FALSE)
		c->host->ops->on_running(c->host->arg, c, false);
	if (actions & CHILD_DO_SPAWN && c->conf->fault && !c->host->check_only) {
		child_refuse(c);
		child_step(c, CHILD_DIED_CONFIG);
	} else if (actions & CHILD_DO_SPAWN && child_spawn(c) < 0) {
		child_step(c, CHILD_SPAWN_ERROR);
		if (c->host->check_only)
			child_step(c, CHILD_DISABLE); /* one attempt */
	}
	if (actions & CHILD_DO_STOP)
		send_stop(c);
	if (actions & CHILD_DO_KILL)
		child_kill(c);
	if (actions & CHILD_DO_PING)
		channel_send_empty(&c->channel, IPC_PING, 1);
	if (actions & CHILD_DO_RUNNING_TRUE)
		c->host->ops->on_running(c->host->arg, c, true);
}

/* A check is not the device's life. */
static enum log_level
state_level(const struct child *c, enum child_state after)
{
	if (c->host->check_only)
		return LOG_LEVEL_DEBUG;
	return after == CHILD_FAILED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;
}

void
child_step(struct child *c, enum child_event event)
{
	enum child_state before = c->fsm.state;
	unsigned actions = child_fsm_step(&c->fsm, event, monotime_now(), (uint32_t)random());
	enum child_state after = c->fsm.state;

	if (before != after)
		log_write(state_level(c, after), c->conf->label,
		    after == CHILD_FAILED ? "failed" : "state", "%s -> %s",
		    child_state_name(before), child_state_name(after));
	if (before != after || actions & CHILD_DO_SPAWN)
		c->host->ops->on_state(c->host->arg, c, before);
	schedule(c);
	do_actions(c, actions);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct child *c = w->data;

	(void)loop, (void)revents;
	/* Timers may be a little early; the policy is not asked before its time. */
	if (monotime_cmp(monotime_now(), c->fsm.deadline) < 0)
		schedule(c);
	else
		child_step(c, CHILD_DEADLINE);
}

static int
events_write(void *data, const char *bytes, size_t len)
{
	buffer_append(data, bytes, len);
	return 0;
}

struct child *
child_new(const struct child_host *host, const struct config_device *conf,
    const struct sbs_str *segments, size_t count, enum log_level level)
{
	struct child *c = calloc(1, sizeof(*c));
	struct buffer prefix;
	const struct child_deadlines limits = { conf->limits.start_ms, conf->limits.ping_ms,
		conf->limits.stop_ms };

	if (!c)
		return NULL;
	buffer_init(&prefix, 4096);
	eventer_put_segments(&prefix, segments, count);
	if (buffer_failed(&prefix)) {
		buffer_clear(&prefix);
		free(c);
		return NULL;
	}
	c->prefix =
	    (struct eventer_prefix){ count, { (const char *)buffer_data(&prefix), prefix.len } };
	c->host = host;
	c->conf = conf;
	c->pidfd = -1;
	c->output = -1;
	c->channel.fd = -1;
	c->log_level = level;
	child_fsm_init(&c->fsm, &limits, monotime_now());
	ev_timer_init(&c->deadline, on_deadline, 0., 0.);
	c->deadline.data = c;
	buffer_init(&c->pending, (size_t)conf->limits.credit * PENDING_FACTOR + PENDING_SLACK);
	buffer_init(&c->events, IPC_MAX_MESSAGE);
	msgpack_packer_init(&c->events_packer, &c->events, events_write);
	return c;
}

void
child_free(struct child *c)
{
	if (!c)
		return;
	ev_timer_stop(c->host->loop, &c->deadline);
	if (c->pid) {
		child_kill(c);
		if (!c->reaped)
			waitpid(c->pid, NULL, 0);
		child_end(c);
	}
	channel_close(&c->channel);
	buffer_clear(&c->pending);
	buffer_clear(&c->events);
	free((void *)c->prefix.bytes.p);
	free(c);
}

void
child_enable(struct child *c, bool enabled)
{
	child_step(c, enabled ? CHILD_ENABLE : CHILD_DISABLE);
}

void
child_restart(struct child *c)
{
	child_step(c, CHILD_RESTART);
}

void
child_reconfigure(struct child *c, const struct config_device *conf)
{
	size_t pending = (size_t)conf->limits.credit * PENDING_FACTOR + PENDING_SLACK;

	c->conf = conf;
	/* Never below what it holds. */
	if (pending > c->pending.limit)
		c->pending.limit = pending;
	c->fsm.limits = (struct child_deadlines){ conf->limits.start_ms, conf->limits.ping_ms,
		conf->limits.stop_ms };
	child_step(c, CHILD_RESTART);
}

bool
child_is_alive(const struct child *c)
{
	return c->pid != 0;
}

void
child_set_log_level(struct child *c, enum log_level level)
{
	c->log_level = level;
	if (!c->pid)
		return;
	msgpack_packer *p = channel_begin(&c->channel, IPC_SET_LOG_LEVEL, 0);
	msgpack_pack_array(p, 1);
	msgpack_pack_uint32(p, level);
	channel_send(&c->channel, -1);
}

void
child_set_trace(struct child *c, bool on)
{
	c->tracing = on;
	if (!c->pid)
		return;
	msgpack_packer *p = channel_begin(&c->channel, IPC_TRACE, 0);
	msgpack_pack_array(p, 1);
	if (on)
		msgpack_pack_true(p);
	else
		msgpack_pack_false(p);
	channel_send(&c->channel, -1);
}

/* --- what it asks for --- */

static const char *
on_plan(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	const msgpack_object_array *list = &body->via.array;

	(void)id, (void)len;
	if (list->size > IPC_MAX_PLAN)
		return "a plan of too many resources";
	c->plan = calloc(list->size + 1, sizeof(c->plan[0]));
	if (!c->plan)
		return "out of memory";
	for (uint32_t i = 0; i < list->size; i++) {
		const msgpack_object *f = list->ptr[i].via.array.ptr;
		if (f[0].via.u64 >= IPC_RESOURCE_COUNT || f[2].via.u64 > UINT16_MAX ||
		    memchr(f[1].via.str.ptr, '\0', f[1].via.str.size))
			return "a resource that there is not";
		char *target = strndup(f[1].via.str.ptr, f[1].via.str.size);
		if (!target)
			return "out of memory";
		c->plan[c->plan_count++] = (struct child_plan){
			.kind = (enum ipc_resource)f[0].via.u64,
			.target = target,
			.port = (uint16_t)f[2].via.u64,
		};
	}
	/* The plan is frozen: none is heard in the phases that follow. */
	c->channel.phase = c->fsm.state == CHILD_STOPPING ? PHASE_STOP : PHASE_RUN;
	if (c->host->ops->on_plan)
		c->host->ops->on_plan(c->host->arg, c);
	return NULL;
}

static const char *
on_config_error(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	const msgpack_object *f = body->via.array.ptr;
	char path[IPC_MAX_TEXT + 1], message[IPC_MAX_TEXT + 1];

	(void)id, (void)len;
	ipc_copy_text(path, sizeof(path), &f[1].via.str);
	ipc_copy_text(message, sizeof(message), &f[2].via.str);
	if (f[0].via.u64 == IPC_CONFIG_NOTE) {
		if (c->host->ops->on_note)
			c->host->ops->on_note(c->host->arg, c, message);
		return NULL;
	}
	if (c->faults++ >= CONFIG_MAX_FAULTS)
		return NULL;
	child_note_fault(c, f[0].via.u64 != SCHEMA_WARNING, path, message);
	c->host->ops->on_config_fault(c->host->arg, c,
	    f[0].via.u64 == SCHEMA_WARNING ? SCHEMA_WARNING : SCHEMA_ERROR, path, message);
	return NULL;
}

static const char *
on_ready(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	(void)id, (void)body, (void)len;
	if (c->fsm.state == CHILD_RUNNING)
		return "ready twice";
	/* Nobody would ever end it: a check is over when its runner is. */
	if (c->host->check_only)
		return "ready, where a check is to end with its plan";
	child_step(c, CHILD_READY);
	return NULL;
}

static void
send_opened(struct child *c, uint32_t id, int fd, int error, const char *why)
{
	msgpack_packer *p = channel_begin(&c->channel, IPC_OPENED, id);

	msgpack_pack_array(p, 2);
	msgpack_pack_uint32(p, fd >= 0 ? 0 : (uint32_t)error);
	ipc_pack_reason(p, why);
	if (channel_send(&c->channel, fd) < 0 && errno == ENOBUFS) {
		snprintf(c->violation, sizeof(c->violation), "does not read its socket");
		child_step(c, CHILD_VIOLATION);
	}
}

static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct child_open *o = arg;
	struct child *c = o->child;

	o->child = NULL;
	if (fd >= 0)
		c->plan[o->index].open = true;
	send_opened(c, o->id, fd, error, fd >= 0 ? "" : why);
}

static const char *
on_open(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	uint64_t index = body->via.array.ptr[0].via.u64;
	struct child_open *o = NULL;

	(void)len;
	if (index >= c->plan_count || c->host->check_only)
		return "opens what is not in its plan, or anything in a check";
	if (++c->free_opens > CHILD_FREE_OPENS)
		return "a flood of opens";
	if (c->fsm.state == CHILD_STOPPING)
		return NULL;
	for (size_t i = 0; i < IPC_MAX_ASKED; i++) {
		if (c->opens[i].child && c->opens[i].id == id)
			return "opens twice under one id";
		if (!c->opens[i].child && !o)
			o = &c->opens[i];
	}
	if (!o)
		return "too many opens at once";
	const struct child_plan *plan = &c->plan[index];
	*o = (struct child_open){ c, id, index, NULL };
	o->request =
	    broker_open(c->host->broker, plan->kind, plan->target, plan->port, on_opened, o);
	if (!o->request) {
		o->child = NULL;
		send_opened(c, id, -1, ENOMEM, "out of memory");
	}
	return NULL;
}

static const char *
on_cancel(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	(void)body, (void)len;
	for (size_t i = 0; i < IPC_MAX_ASKED; i++) {
		if (!c->opens[i].child || c->opens[i].id != id)
			continue;
		broker_cancel(c->opens[i].request);
		c->opens[i].child = NULL;
	}
	/* An unknown id is one that was answered meanwhile. */
	return NULL;
}

static void
put_query_types(struct child *c, struct buffer *b, const msgpack_object *body)
{
	for (uint32_t i = 0; i < body->via.array.size; i++) {
		const msgpack_object_array *type = &body->via.array.ptr[i].via.array;
		sbs_put_int(b, (int64_t)(c->prefix.count + type->size));
		buffer_append(b, c->prefix.bytes.p, c->prefix.bytes.len);
		for (uint32_t k = 0; k < type->size; k++)
			sbs_put_str(b, (struct sbs_str){
					   type->ptr[k].via.str.ptr, type->ptr[k].via.str.size });
	}
}

static const char *
on_query(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	struct child_query *q = NULL;
	struct buffer b;

	(void)len;
	for (size_t i = 0; i < IPC_MAX_ASKED && !q; i++)
		if (!c->queries[i].child)
			q = &c->queries[i];
	if (!q)
		return "too many queries at once";
	if (c->fsm.state == CHILD_STOPPING)
		return NULL;
	*q = (struct child_query){ c, id };
	buffer_init(&b, IPC_MAX_COUNT * (c->prefix.bytes.len + IPC_MAX_TEXT));
	put_query_types(c, &b, body);
	struct eventer_types types = { body->via.array.size,
		{ (const char *)buffer_data(&b), b.len } };
	int result = buffer_failed(&b) ? -1 : c->host->ops->on_query(c->host->arg, c, q, &types);
	buffer_clear(&b);
	if (result < 0) {
		/* The link is gone, and with it soon the device. */
		q->child = NULL;
		child_send_query_page(c, id, false);
	}
	return NULL;
}

static const char *
on_pong(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	(void)body, (void)len;
	if (!c->fsm.pinged || id != 1)
		return "a pong without a ping";
	child_step(c, CHILD_PONG);
	return NULL;
}

static void
set_counter(struct child *c, const msgpack_object_str *text, uint64_t value)
{
	char name[sizeof(c->counters[0].name)];
	size_t i = 0;

	ipc_copy_text(name, sizeof(name), text);
	while (i < c->counter_count && strcmp(c->counters[i].name, name) != 0)
		i++;
	if (i == CHILD_MAX_COUNTERS)
		return;
	if (i == c->counter_count) {
		memcpy(c->counters[i].name, name, sizeof(name));
		c->counter_count++;
	}
	c->counters[i].value = value;
}

static const char *
on_stats(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	(void)id, (void)len;
	if (body->via.array.size > CHILD_MAX_COUNTERS)
		return "more counters than are kept";
	for (uint32_t i = 0; i < body->via.array.size; i++) {
		const msgpack_object *f = body->via.array.ptr[i].via.array.ptr;
		set_counter(c, &f[0].via.str, f[1].via.u64);
	}
	return NULL;
}

static const char *
on_trace_frame(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	const msgpack_object *f = body->via.array.ptr;
	struct timestamp when = ipc_timestamp(&f[1]);

	(void)id, (void)len;
	if (c->host->ops->on_trace && c->tracing)
		c->host->ops->on_trace(c->host->arg, c, (uint32_t)f[0].via.u64, &when,
		    f[2].via.bin.ptr, f[2].via.bin.size);
	return NULL;
}

static const char *
on_closed(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	(void)id, (void)len;
	ipc_copy_text(c->closing_words, sizeof(c->closing_words), &body->via.array.ptr->via.str);
	return NULL;
}

static const char *
on_link(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	(void)id, (void)len;
	ipc_copy_text(c->link, sizeof(c->link), &body->via.array.ptr->via.str);
	c->host->ops->on_state(c->host->arg, c, c->fsm.state);
	return NULL;
}

void
child_on_message(
    void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len)
{
	/* A handler returns what is wrong with the message, or NULL. */
	static const struct {
		enum ipc_type type;
		const char *(*handle)(
		    struct child *, uint32_t id, const msgpack_object *body, size_t len);
	} table[] = {
		{ IPC_PLAN, on_plan },
		{ IPC_CONFIG_ERROR, on_config_error },
		{ IPC_READY, on_ready },
		{ IPC_OPEN, on_open },
		{ IPC_CANCEL, on_cancel },
		{ IPC_QUERY, on_query },
		{ IPC_PONG, on_pong },
		{ IPC_STATS, on_stats },
		{ IPC_TRACE_FRAME, on_trace_frame },
		{ IPC_CLOSED, on_closed },
		{ IPC_LINK, on_link },
	};
	struct child *c = arg;
	size_t i = 0;

	fd_close(fd);
	while (i < sizeof(table) / sizeof(table[0]) && table[i].type != h->type)
		i++;
	const char *why = "a message that nobody hears";
	/* The faults of a configuration are as many as they are, once. */
	if (h->type != IPC_CONFIG_ERROR && child_is_flood(c, len))
		why = "a flood of messages";
	else if (i < sizeof(table) / sizeof(table[0]))
		why = table[i].handle(c, h->id, body, len);
	if (why)
		child_violate(c, why, c->channel.packet, len);
}
