#include "supervisor/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/fdutil.h"
#include "common/log.h"
#include "ipc/event.h"

struct chunk {
	uint32_t count, len;
	uint64_t cost;
};

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
	if (actions & CHILD_DO_SPAWN && child_spawn(c) < 0)
		child_step(c, CHILD_SPAWN_ERROR);
	if (actions & CHILD_DO_STOP)
		send_stop(c);
	if (actions & CHILD_DO_KILL)
		child_kill(c);
	if (actions & CHILD_DO_PING)
		channel_send_empty(&c->channel, IPC_PING, 1);
	if (actions & CHILD_DO_RUNNING_TRUE)
		c->host->ops->on_running(c->host->arg, c, true);
}

void
child_step(struct child *c, enum child_event event)
{
	enum child_state before = c->fsm.state;
	unsigned actions = child_fsm_step(&c->fsm, event, monotime_now(), (uint32_t)random());
	enum child_state after = c->fsm.state;

	if (before != after)
		log_write(after == CHILD_FAILED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, c->conf->name,
		    after == CHILD_FAILED ? "failed" : "state", "%s -> %s", child_state_name(before), child_state_name(after));
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
	c->prefix = (struct eventer_prefix){ count,
		{ (const char *)buffer_data(&prefix), prefix.len } };
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

const struct child_obituary *
child_obituary(const struct child *c, size_t index)
{
	if (index >= c->deaths || index >= CHILD_MAX_OBITUARIES)
		return NULL;
	return &c->obituaries[(c->deaths - 1 - index) % CHILD_MAX_OBITUARIES];
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

/* --- events to the runner ---------------------------------------------------------------------- */

static void
pack_event(msgpack_packer *p, const struct eventer_event *e, size_t prefix_count)
{
	msgpack_pack_array(p, 4);
	msgpack_pack_array(p, e->type.count - prefix_count);
	for (size_t i = prefix_count; i < e->type.count; i++)
		ipc_pack_text(p, e->type.segments[i].p, e->type.segments[i].len);
	ipc_pack_timestamp(p, &e->timestamp);
	ipc_pack_timestamp(p, e->source.set ? &e->source.t : NULL);
	if (e->payload.kind == EVENTER_PAYLOAD_JSON) {
		ipc_pack_text(p, e->payload.data.p, e->payload.data.len);
	} else if (e->payload.kind == EVENTER_PAYLOAD_BINARY) {
		msgpack_pack_array(p, 2);
		ipc_pack_text(p, e->payload.type.p, e->payload.type.len);
		msgpack_pack_bin(p, e->payload.data.len);
		msgpack_pack_bin_body(p, e->payload.data.p, e->payload.data.len);
	} else {
		msgpack_pack_nil(p);
	}
}

/* What the contract's limits do not let through to a runner. */
static const char *
event_refused(const struct eventer_event *e, size_t prefix_count)
{
	if (e->type.cut || e->type.count <= prefix_count ||
	    e->type.count - prefix_count > IPC_MAX_SEGMENTS)
		return "too many segments in its type";
	for (size_t i = prefix_count; i < e->type.count; i++)
		if (e->type.segments[i].len > IPC_MAX_TEXT)
			return "a segment of its type is too long";
	if (e->payload.type.len > IPC_MAX_TEXT || e->rest.len + e->type.raw.len > IPC_MAX_EVENT - 64)
		return "too long";
	return NULL;
}

static bool
append_event(struct child *c, const struct eventer_event *e)
{
	const char *why = event_refused(e, c->prefix.count);

	if (why) {
		c->dropped++;
		log_write(LOG_LEVEL_WARNING, c->conf->name, "event_dropped",
		    "an event for it was dropped: %s", why);
		return false;
	}
	pack_event(&c->events_packer, e, c->prefix.count);
	c->events_count++;
	return true;
}

bool
child_owns_event(const struct child *c, const struct eventer_event *e)
{
	size_t skip = sbs_int_size((int64_t)e->type.count);

	return e->type.count > c->prefix.count &&
	    e->type.raw.len > skip + c->prefix.bytes.len &&
	    memcmp(e->type.raw.p + skip, c->prefix.bytes.p, c->prefix.bytes.len) == 0;
}

void
child_put_event(struct child *c, const struct eventer_event *e)
{
	if (!c->pid || c->gone || !(c->channel.phase & PHASE_RUN)) {
		c->dropped++;
		return;
	}
	if (c->events.len + e->rest.len + e->type.raw.len + 64 > CHILD_EVENTS_MESSAGE)
		child_flush_events(c);
	if (append_event(c, e))
		c->delivered++;
}

static void
send_or_kill(struct child *c)
{
	if (channel_send(&c->channel, -1) == 0 || errno == EPIPE)
		return;
	snprintf(c->violation, sizeof(c->violation), "%s",
	    errno == ENOBUFS ? "does not read its socket" : strerror(errno));
	child_step(c, CHILD_VIOLATION);
}

void
child_flush_events(struct child *c)
{
	if (c->events_count == 0)
		return;
	msgpack_pack_array(channel_begin(&c->channel, IPC_EVENTS, 0), c->events_count);
	buffer_append(&c->channel.out, buffer_data(&c->events), c->events.len);
	buffer_reset(&c->events);
	c->events_count = 0;
	send_or_kill(c);
}

static void
send_query_page(struct child *c, uint32_t id, bool more)
{
	msgpack_packer *p = channel_begin(&c->channel, IPC_QUERY_RESULT, id);

	msgpack_pack_array(p, 2);
	if (more)
		msgpack_pack_true(p);
	else
		msgpack_pack_false(p);
	msgpack_pack_array(p, c->events_count);
	buffer_append(&c->channel.out, buffer_data(&c->events), c->events.len);
	buffer_reset(&c->events);
	c->events_count = 0;
	send_or_kill(c);
}

void
child_answer_query(struct child_query *q, struct eventer_events_iter *events)
{
	struct child *c = q->child;
	struct eventer_event e;

	q->child = NULL;
	if (!c || !c->pid)
		return;
	child_flush_events(c);
	while (eventer_events_next(events, &e)) {
		if (!child_owns_event(c, &e))
			continue;
		if (c->events.len + e.rest.len + e.type.raw.len + 64 > CHILD_EVENTS_MESSAGE)
			send_query_page(c, q->id, true);
		append_event(c, &e);
	}
	send_query_page(c, q->id, false);
}

/* --- events from the runner -------------------------------------------------------------------- */

/* Room for a chunk's head; its bytes follow, then end_chunk(). */
static size_t
begin_chunk(struct child *c)
{
	struct chunk head = { 0 };

	buffer_append(&c->pending, &head, sizeof(head));
	return c->pending.len;
}

/* Out of room or memory: as it was. */
static void
undo_chunk(struct child *c, size_t before)
{
	c->pending.failed = false;
	buffer_truncate(&c->pending, before);
}

static void
end_chunk(struct child *c, size_t start, uint32_t count, uint64_t cost)
{
	struct chunk head = { count, (uint32_t)(c->pending.len - start), cost };

	memcpy(buffer_data(&c->pending) + start - sizeof(head), &head, sizeof(head));
	c->registered += count;
	c->outstanding += cost;
	if (start == sizeof(head))
		c->host->ops->on_pending(c->host->arg, c);
}

void
child_register(struct child *c, const struct sbs_str *segments, size_t count,
    const struct timestamp *source, const char *json)
{
	struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_JSON, .data = sbs_str(json) };
	size_t before = c->pending.len, start = begin_chunk(c);

	eventer_put_register_event(&c->pending, &c->prefix, segments, count, source, &payload);
	if (buffer_failed(&c->pending)) {
		undo_chunk(c, before);
		c->dropped++;
		log_write(LOG_LEVEL_ERROR, c->conf->name, "event_dropped",
		    "an event of ours was dropped: %zu bytes wait for the Event Server", c->pending.len);
		return;
	}
	end_chunk(c, start, 1, 0);
}

bool
child_peek(struct child *c, uint32_t *count, const void **events, size_t *len)
{
	struct chunk head;

	if (c->pending.len == 0)
		return false;
	memcpy(&head, buffer_data(&c->pending), sizeof(head));
	*count = head.count;
	*events = buffer_data(&c->pending) + sizeof(head);
	*len = head.len;
	return true;
}

/* Credit goes back in quarters of the window, so that it costs no message an event. */
static void
return_credit(struct child *c, uint64_t cost)
{
	c->outstanding -= cost;
	c->to_return += cost;
	/* A runner may wait for the credit of one whole message. */
	bool wanted = c->to_return >= c->conf->limits.credit / 4 ||
	    (c->pending.len == 0 && c->credit < IPC_MAX_MESSAGE);
	if (!wanted || !c->pid || c->gone || !(c->channel.phase & PHASE_LATER))
		return;
	c->credit += (int64_t)c->to_return;
	msgpack_packer *p = channel_begin(&c->channel, IPC_CREDIT, 0);
	msgpack_pack_array(p, 1);
	msgpack_pack_uint32(p, (uint32_t)c->to_return);
	c->to_return = 0;
	send_or_kill(c);
}

void
child_took(struct child *c)
{
	struct chunk head;

	memcpy(&head, buffer_data(&c->pending), sizeof(head));
	buffer_consume(&c->pending, sizeof(head) + head.len);
	return_credit(c, head.cost);
}

void
child_drop_pending(struct child *c)
{
	struct chunk head;

	while (c->pending.len) {
		memcpy(&head, buffer_data(&c->pending), sizeof(head));
		c->dropped += head.count;
		buffer_consume(&c->pending, sizeof(head) + head.len);
		return_credit(c, head.cost);
	}
}

/* One event of a checked REGISTER; what is wrong with it, or NULL. */
static const char *
take_event(struct child *c, struct cursor *in)
{
	struct ipc_event e;
	struct sbs_str segments[IPC_MAX_SEGMENTS];
	struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_NONE };
	const char *why = ipc_event_read(&e, in);

	if (why)
		return why;
	for (size_t i = 0; i < e.count; i++)
		segments[i] = (struct sbs_str){ e.segments[i].p, e.segments[i].len };
	if (!sbs_str_eq(segments[0], sbs_str("gateway")))
		return "an event that is not of source 'gateway'";
	if (e.payload == IPC_PAYLOAD_JSON) {
		payload.kind = EVENTER_PAYLOAD_JSON;
		if (!json_valid(e.data.p, e.data.len))
			return "a payload that is not JSON";
	} else if (e.payload == IPC_PAYLOAD_BINARY) {
		payload.kind = EVENTER_PAYLOAD_BINARY;
		payload.type = (struct sbs_str){ e.payload_type.p, e.payload_type.len };
	}
	if (e.payload != IPC_PAYLOAD_NONE)
		payload.data = (struct sbs_str){ e.data.p, e.data.len };
	eventer_put_register_event(
	    &c->pending, &c->prefix, segments, e.count, e.has_source ? &e.source : NULL, &payload);
	return NULL;
}

static const char *
take_events(struct child *c, const void *body, size_t len)
{
	struct cursor in = cursor_make(body, len);
	uint32_t count = ipc_events_begin(&in);
	/* The same sum as the runner's: the count is not part of it. */
	uint64_t cost = cursor_left(&in) + (uint64_t)count * IPC_EVENT_COST;
	const char *why = NULL;

	c->credit -= (int64_t)cost;
	if (c->credit < 0)
		return "registered more than its credit";
	size_t before = c->pending.len, start = begin_chunk(c);
	for (uint32_t i = 0; i < count && !why; i++)
		why = take_event(c, &in);
	if (!why && buffer_failed(&c->pending))
		why = "events that outgrow their credit";
	if (why || count == 0) {
		undo_chunk(c, before);
		return why;
	}
	c->events_since_spawn += count;
	end_chunk(c, start, count, cost);
	return NULL;
}

void
child_on_register(void *arg, const void *body, size_t len)
{
	const char *why = take_events(arg, body, len);

	if (why)
		child_violate(arg, why, body, len);
}

/* --- what it asks for -------------------------------------------------------------------------- */

static const char *
on_plan(struct child *c, uint32_t id, const msgpack_object *body, size_t len)
{
	const msgpack_object_array *list = &body->via.array;

	(void)id, (void)len;
	if (list->size > IPC_MAX_PLAN)
		return "a plan of too many resources";
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
	if (c->faults++ >= CONFIG_MAX_FAULTS)
		return NULL;
	ipc_copy_text(path, sizeof(path), &f[1].via.str);
	ipc_copy_text(message, sizeof(message), &f[2].via.str);
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
	o->request = broker_open(
	    c->host->broker, plan->kind, plan->target, plan->port, on_opened, o);
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
			sbs_put_str(b, (struct sbs_str){ type->ptr[k].via.str.ptr,
					   type->ptr[k].via.str.size });
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
		send_query_page(c, id, false);
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
child_on_message(void *arg, const struct ipc_header *h, const msgpack_object *body, int fd,
    size_t len)
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
	if (child_is_flood(c, h, body, len)) {
		child_violate(c, "a flood of messages", c->channel.packet, len);
		return;
	}
	while (table[i].type != h->type)
		i++;
	const char *why = table[i].handle(c, h->id, body, len);
	if (why)
		child_violate(c, why, c->channel.packet, len);
}
