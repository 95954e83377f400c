/* The control socket's commands that go on: watch, trace, wait; and how the engine feeds them. */
#include <string.h>

#include "supervisor/control/control_client.h"

bool
control_streams(enum control_id command)
{
	return command == CONTROL_WATCH || command == CONTROL_TRACE || command == CONTROL_WAIT;
}

static bool
does(const struct control_client *c, enum control_id command)
{
	return c->request && c->command == command && !c->kill_pending;
}

/* Whether it watches, and events too. */
static bool
follows_events(const struct control_client *c)
{
	bool events = true;

	if (!does(c, CONTROL_WATCH))
		return false;
	json_bool(json_get(json_root(c->request), "events"), &events);
	return events;
}

static void
put_hex(struct json_writer *w, const char *key, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char text[256];

	/* Quoted piece by piece: hexadecimal digits need no escape. */
	json_put_raw(w, key, "\"", 1);
	for (size_t i = 0, n = 0; i < len; i++) {
		text[n++] = digits[p[i] >> 4];
		text[n++] = digits[p[i] & 15];
		if (n == sizeof(text) || i + 1 == len) {
			buffer_append(w->b, text, n);
			n = 0;
		}
	}
	buffer_u8(w->b, '"');
}

static void
put_payload(struct json_writer *w, const struct eventer_payload *p)
{
	if (p->kind == EVENTER_PAYLOAD_JSON) {
		json_put_strn(w, "payload_json", p->data.p, p->data.len);
	} else if (p->kind == EVENTER_PAYLOAD_BINARY) {
		json_put_strn(w, "payload_type", p->type.p, p->type.len);
		put_hex(w, "payload_hex", (const uint8_t *)p->data.p, p->data.len);
	}
}

static void
put_event(struct json_writer *w, const char *direction, const struct child *child,
    const struct timestamp *time, const struct eventer_event *e, bool payload)
{
	json_put_str(w, "kind", "event");
	control_put_time(w, "time", time);
	if (direction) {
		json_put_str(w, "direction", direction);
	} else {
		json_begin_array(w, "id");
		json_put_int(w, NULL, e->id.server);
		json_put_int(w, NULL, e->id.session);
		json_put_int(w, NULL, e->id.instance);
		json_end_array(w);
	}
	if (child)
		json_put_str(w, "device", child_conf(child)->label);
	json_begin_array(w, "type");
	for (size_t i = 0; i < e->type.count; i++)
		json_put_strn(w, NULL, e->type.segments[i].p, e->type.segments[i].len);
	json_end_array(w);
	if (e->source.set)
		control_put_time(w, "source_time", &e->source.t);
	if (payload)
		put_payload(w, &e->payload);
	else
		json_put_int(w, "payload_cut", (int64_t)e->payload.data.len);
}

static bool
put_event_row(struct control_client *c, const char *direction, const struct child *child,
    const struct timestamp *time, const struct eventer_event *e, bool payload)
{
	put_event(control_begin_row(c), direction, child, time, e, payload);
	return control_end_row(c);
}

void
control_put_event(struct control_client *c, const char *direction, const struct child *child,
    const struct timestamp *time, const struct eventer_event *e)
{
	if (put_event_row(c, direction, child, time, e, true))
		return;
	/* It may have a packet of its own. */
	control_flush(c);
	if (!put_event_row(c, direction, child, time, e, true))
		put_event_row(c, direction, child, time, e, false);
}

/* --- what the engine tells --- */

/* Clients that watch a device, or NULL: events that are nobody's. */
struct watchers {
	struct control_client *clients[CONTROL_MAX_CLIENTS];
	size_t count;
};

static void
find_watchers(struct watchers *w, const struct control *control, const struct child *child)
{
	w->count = 0;
	for (size_t i = 0; i < control->client_count; i++) {
		struct control_client *c = control->clients[i];
		if (!follows_events(c))
			continue;
		const struct json *names = json_get(json_root(c->request), "names");
		if (child ? control_wants(c, child) : !names || names->count == 0)
			w->clients[w->count++] = c;
	}
}

/* Written once, and copied to each of them. */
static void
show_event(struct control *control, const struct watchers *to, const char *direction,
    const struct child *child, const struct timestamp *time, const struct eventer_event *e)
{
	struct buffer *row = &control->row;
	struct json_writer w = { .b = row };

	buffer_reset(row);
	json_begin_object(&w, NULL);
	put_event(&w, direction, child, time, e, true);
	json_end_object(&w);
	for (size_t i = 0; i < to->count; i++) {
		struct control_client *c = to->clients[i];
		if (!c->kill_pending && (buffer_failed(row) || !control_put_row(c, row)))
			control_put_event(c, direction, child, time, e);
	}
}

static void
on_registered(void *arg, struct child *child, size_t count, const void *events, size_t len)
{
	struct timestamp now = timestamp_now();
	struct eventer_events_iter it = {
		.c = cursor_make(events, len), .left = count, .registered = true
	};
	struct eventer_event e;
	struct watchers to;

	find_watchers(&to, arg, child);
	while (to.count && eventer_events_next(&it, &e))
		show_event(arg, &to, "out", child, &now, &e);
}

static void
on_notified(void *arg, struct child *child, const struct eventer_event *e)
{
	struct watchers to;

	find_watchers(&to, arg, child);
	if (to.count)
		show_event(arg, &to, "in", child, &e->timestamp, e);
}

static void
put_state(struct control_client *c, const struct child *child, int before)
{
	struct timestamp now = timestamp_now();
	const struct process_obituary *o = process_obituary(child_process(child), 0);
	struct json_writer *w = control_begin_row(c);

	json_put_str(w, "kind", "state");
	control_put_time(w, "time", &now);
	json_put_str(w, "device", child_conf(child)->label);
	json_put_str(w, "state", child_state_name(child_state(child)));
	json_put_str(w, "before", before < 0 ? NULL : child_state_name((enum child_state)before));
	json_put_str(w, "link",
	    child_state(child) == CHILD_RUNNING && child_link(child)[0] ? child_link(child) : NULL);
	json_put_str(w, "last_exit", o ? o->cause : NULL);
	control_end_row(c);
}

static void
put_link(struct control_client *c)
{
	const struct eventlink *l = engine_link(c->control->engine);
	struct timestamp now = timestamp_now();
	struct json_writer *w = control_begin_row(c);

	json_put_str(w, "kind", "link");
	control_put_time(w, "time", &now);
	json_put_str(w, "state", eventlink_state_name(eventlink_state(l)));
	json_put_str(w, "server_status",
	    eventlink_state(l) == LINK_UP ? eventer_status_name(eventlink_status(l)) : NULL);
	control_end_row(c);
}

/* A word of its state; "connected": its link is; "healthy": so are all its remote ends. */
static bool
is_in(const struct child *child, const char *word)
{
	bool running = child_state(child) == CHILD_RUNNING;

	if (strcmp(word, "connected") == 0)
		return running && strcmp(child_link(child), word) == 0;
	if (strcmp(word, "healthy") == 0)
		return running && remotes_worst(child_remotes(child)) == IPC_REMOTE_UP;
	return strcmp(word, child_state_name(child_state(child))) == 0;
}

static bool
is_awaited(const struct json *states, const struct child *child)
{
	json_foreach (s, states)
		if (is_in(child, s->text))
			return true;
	return false;
}

/* A failed device leaves that state only by a command or 'enable' false. */
static bool
is_hopeless(const struct json *states, const struct child *child)
{
	if (child_state(child) != CHILD_FAILED)
		return false;
	json_foreach (s, states)
		if (strcmp(s->text, child_state_name(CHILD_DISABLED)) == 0)
			return false;
	return true;
}

static void
check_wait(struct control_client *c)
{
	const struct json *names = json_get(json_root(c->request), "names");
	const struct json *states = json_get(json_root(c->request), "states");

	json_foreach (name, names) {
		const struct engine_device *d = control_find_device(c, name->text);
		if (!d)
			return;
		if (is_awaited(states, d->child))
			continue;
		char why[IDLE_MAX_TEXT];
		if (is_hopeless(states, d->child))
			control_refuse(c, REASON_STATE, "%.200s failed: %s", name->text,
			    control_explain(c->control, d->child, why));
		return;
	}
	control_finish(c, CONTROL_DONE);
}

static void
on_state(void *arg, struct child *child, enum child_state before)
{
	struct control *control = arg;

	for (size_t i = 0; i < control->client_count; i++) {
		struct control_client *c = control->clients[i];
		if (does(c, CONTROL_WAIT) && control_wants(c, child))
			check_wait(c);
		else if ((does(c, CONTROL_WATCH) || does(c, CONTROL_TRACE)) &&
			 control_wants(c, child))
			put_state(c, child, (int)before);
	}
}

static void
on_health(void *arg, struct child *child)
{
	struct control *control = arg;

	for (size_t i = 0; i < control->client_count; i++) {
		struct control_client *c = control->clients[i];
		if (does(c, CONTROL_WAIT) && control_wants(c, child))
			check_wait(c);
	}
}

static void
on_link(void *arg)
{
	struct control *control = arg;

	for (size_t i = 0; i < control->client_count; i++)
		if (does(control->clients[i], CONTROL_WATCH))
			put_link(control->clients[i]);
}

static void
put_text(struct json_writer *w, const char *key, const msgpack_object *text)
{
	/* The pointer of an empty one is NULL. */
	json_put_strn(w, key, text->via.str.size ? text->via.str.ptr : "", text->via.str.size);
}

static bool
put_frame(struct control_client *c, const struct child *child, const msgpack_object *frame)
{
	enum { SECOND = 1000000000 };
	const msgpack_object_bin *bytes = &frame[IPC_FRAME_BYTES].via.bin;
	uint64_t ns = frame[IPC_FRAME_TIME].via.u64;
	struct timestamp when = { (int64_t)(ns / SECOND), (uint32_t)(ns % SECOND / 1000) };
	struct json_writer *w = control_begin_row(c);

	json_put_str(w, "kind", "frame");
	control_put_time(w, "time", &when);
	json_put_int(w, "nanosecond", (int64_t)(ns % SECOND));
	json_put_str(w, "device", child_conf(child)->label);
	json_put_str(w, "direction", frame[IPC_FRAME_DIRECTION].via.u64 == 0 ? "rx" : "tx");
	put_text(w, "protocol", &frame[IPC_FRAME_PROTOCOL]);
	json_put_bool(w, "serves", frame[IPC_FRAME_SERVES].via.boolean);
	put_text(w, "local", &frame[IPC_FRAME_LOCAL]);
	put_text(w, "remote", &frame[IPC_FRAME_REMOTE]);
	put_text(w, "text", &frame[IPC_FRAME_TEXT]);
	json_put_int(w, "bytes", (int64_t)bytes->size);
	put_hex(w, "hex", (const uint8_t *)bytes->ptr, bytes->size);
	return control_end_row(c);
}

static void
on_trace(void *arg, struct child *child, const msgpack_object *frame)
{
	struct control *control = arg;

	for (size_t i = 0; i < control->client_count; i++) {
		struct control_client *c = control->clients[i];
		if (!does(c, CONTROL_TRACE) || !control_wants(c, child))
			continue;
		if (put_frame(c, child, frame))
			continue;
		/* It may have a packet of its own. */
		control_flush(c);
		put_frame(c, child, frame);
	}
}

static bool
is_traced(const struct control *control, const struct child *child)
{
	for (size_t i = 0; i < control->client_count; i++) {
		const struct control_client *c = control->clients[i];
		if (does(c, CONTROL_TRACE) && control_wants(c, child))
			return true;
	}
	return false;
}

void
control_stream_update(struct control *control)
{
	struct engine *e = control->engine;
	bool watched = false;

	for (size_t i = 0; i < control->client_count; i++)
		watched |= follows_events(control->clients[i]);
	e->watch = (struct engine_watch){ .arg = control,
		.on_state = on_state,
		.on_health = on_health,
		.on_link = on_link,
		.on_registered = watched ? on_registered : NULL,
		.on_notified = watched ? on_notified : NULL,
		.on_trace = on_trace };
	control->retraced = 0;
	ev_timer_start(control->loop, &control->retrace);
}

/* In slices; from the start where clients or devices changed meanwhile. */
void
control_on_retrace(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct control *control = timer->data;
	const struct engine *e = control->engine;
	struct monotime began = monotime_now();

	(void)revents;
	while (control->retraced < e->device_count &&
	       (monotime_now().ns - began.ns) / 1000 < CONTROL_SLICE_US) {
		struct child *child = e->devices[control->retraced++]->child;
		bool traced = is_traced(control, child);
		if (traced != child_is_traced(child))
			child_set_trace(child, traced);
	}
	if (control->retraced >= e->device_count)
		return;
	ev_timer_set(timer, 0., 0.);
	ev_timer_start(loop, timer);
}

/* A removed device has no further state: clients that wait for it are told now. */
void
control_devices_changed(struct control *control)
{
	if (!control)
		return;
	control_stream_update(control);
	for (size_t i = 0; i < control->client_count; i++)
		if (does(control->clients[i], CONTROL_WAIT))
			check_wait(control->clients[i]);
}

/* --- the commands --- */

static void
show_state(struct control_client *c, struct child *child)
{
	put_state(c, child, -1);
}

static void
follow(struct control_client *c)
{
	control_stream_update(c->control);
	control_flush(c);
}

void
control_on_watch(struct control_client *c, const struct json *request)
{
	put_link(c);
	if (c->names)
		control_walk(c, request, show_state, follow);
	else
		follow(c);
}

void
control_on_trace(struct control_client *c, const struct json *request)
{
	control_walk(c, request, show_state, follow);
}

void
control_on_wait(struct control_client *c, const struct json *request)
{
	(void)request;
	check_wait(c);
}
