#include "supervisor/engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "supervisor/engine/engine_private.h"
#include "supervisor/log/log_sink.h"

enum {
	PREFIX_MAX_SEGMENTS = 4,
};

static const struct sbs_str enable_suffix[] = { { "system", 6 }, { "enable", 6 } };
static const struct sbs_str running_suffix[] = { { "gateway", 7 }, { "running", 7 } };

/* --- the end --- */

static bool
all_ended(const struct engine *e)
{
	for (size_t i = 0; i < e->device_count; i++)
		if (child_is_alive(e->devices[i]->child))
			return false;
	for (const struct engine_device *d = e->removed; d; d = d->next_removed)
		if (child_is_alive(d->child))
			return false;
	return true;
}

static void
notify_link(struct engine *e)
{
	if (e->watch.on_link)
		e->watch.on_link(e->watch.arg);
}

/* All devices have ended: the engine and the link end too. */
static void
leave(struct engine *e)
{
	void (*cb)(void *) = e->on_left;

	ev_timer_stop(e->loop, &e->leave_limit);
	e->leaving = false;
	e->active = false;
	engine_starts_clear(e);
	engine_out_drop(e);
	eventlink_off(&e->link);
	engine_close_second(e);
	notify_link(e);
	cb(e->on_left_arg);
}

static void
leave_if_done(struct engine *e)
{
	if (!e->leaving || e->starts.stopping || !all_ended(e))
		return;
	if (eventlink_state(&e->link) == LINK_UP) {
		if (!engine_out_is_empty(e) || eventlink_unsent(&e->link))
			return;
		eventlink_end(&e->link);
		ev_timer_stop(e->loop, &e->leave_limit);
		ev_timer_set(&e->leave_limit, ENGINE_END_MS / 1e3, 0.);
		ev_timer_start(e->loop, &e->leave_limit);
	}
	if (!eventlink_is_ending(&e->link))
		leave(e);
}

static void
on_leave_limit(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct engine *e = w->data;

	(void)loop, (void)revents;
	if (eventlink_is_ending(&e->link))
		log_warning("the Event Server did not close in time: unread events may be lost");
	else
		log_warning("devices did not stop in time: unsent events are lost");
	for (size_t i = 0; i < e->device_count; i++)
		if (child_is_alive(e->devices[i]->child))
			child_kill(e->devices[i]->child);
	for (const struct engine_device *d = e->removed; d; d = d->next_removed)
		child_kill(d->child);
	leave(e);
}

/* Before the loop waits: everything of this turn leaves in one write. */
static void
on_before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct engine *e = w->data;

	(void)loop, (void)revents;
	engine_pump(e);
	eventlink_flush(&e->link);
	if (e->removed || e->retired)
		engine_reap(e);
	leave_if_done(e);
}

/* --- what children ask --- */

static void
on_pending(void *arg, struct child *c)
{
	struct engine *e = arg;

	/* The link suffices: a device's last events and its 'running' false outlive the
	 * engine. */
	if (eventlink_state(&e->link) == LINK_UP)
		engine_on_pending(e, child_owner(c));
	else
		child_drop_pending(c);
}

static void
on_running(void *arg, struct child *c, bool running)
{
	struct timestamp now = timestamp_now();

	(void)arg;
	child_register(c, running_suffix, 2, &now, running ? "true" : "false");
}

static void
on_query(void *arg, struct child *c)
{
	engine_on_query(arg, child_owner(c));
}

static void
forget_query(void *arg, struct child *c, struct child_query *query)
{
	(void)c;
	engine_forget_query(arg, query);
}

static void
on_state(void *arg, struct child *c, enum child_state before)
{
	struct engine *e = arg;

	if (e->watch.on_state)
		e->watch.on_state(e->watch.arg, c, before);
}

static void
on_health(void *arg, struct child *c)
{
	struct engine *e = arg;

	if (e->watch.on_health)
		e->watch.on_health(e->watch.arg, c);
}

static void
on_config_fault(void *arg, struct child *c, enum schema_severity severity, const char *path,
    const char *message)
{
	struct engine *e = arg;

	if (e->watch.on_config_fault) {
		e->watch.on_config_fault(e->watch.arg, c, severity, path, message);
		return;
	}
	log_write(severity == SCHEMA_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING,
	    child_conf(c)->label, "config_fault", "configuration: %s: %s", path, message);
}

static void
on_trace(void *arg, struct child *c, const msgpack_object *frame)
{
	struct engine *e = arg;

	if (e->watch.on_trace)
		e->watch.on_trace(e->watch.arg, c, frame);
}

static const struct child_ops child_ops = {
	.on_pending = on_pending,
	.on_running = on_running,
	.on_query = on_query,
	.forget_query = forget_query,
	.on_state = on_state,
	.on_health = on_health,
	.on_config_fault = on_config_fault,
	.on_trace = on_trace,
};

/* --- the way in --- */

static int
compare_devices(const void *a, const void *b)
{
	const struct engine_device *const *x = a, *const *y = b;

	return sbs_str_cmp(child_prefix((*x)->child)->bytes, child_prefix((*y)->child)->bytes);
}

/* The device whose prefix the event's type begins with: a binary search over encoded prefixes. */
static struct engine_device *
route(const struct engine *e, const struct eventer_event *event)
{
	size_t low = 0, high = e->device_count;
	size_t skip = sbs_int_size((int64_t)event->type.count);
	struct sbs_str type = { event->type.raw.p + skip, event->type.raw.len - skip };

	while (low < high) {
		size_t mid = (low + high) / 2;
		struct engine_device *d = e->sorted[mid];
		struct sbs_str prefix = child_prefix(d->child)->bytes;
		if (child_owns_event(d->child, event))
			return d;
		if (sbs_str_cmp(type, prefix) < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

static bool
has_suffix(const struct child *c, const struct eventer_event *event, const struct sbs_str *suffix,
    size_t count)
{
	size_t skip = child_prefix(c)->count;

	if (event->type.cut || event->type.count != skip + count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (!sbs_str_eq(event->type.segments[skip + i], suffix[i]))
			return false;
	return true;
}

/* JSON true and nothing else. */
static bool
is_json_true(const struct eventer_payload *p)
{
	char err[64];

	if (p->kind != EVENTER_PAYLOAD_JSON)
		return false;
	struct json_doc *doc = json_parse(p->data.p, p->data.len, 1, err, sizeof(err));
	bool result = doc && json_is_true(json_root(doc));
	json_free(doc);
	return result;
}

static void
on_enable(struct engine_device *d, const struct eventer_event *event)
{
	d->enable_known = true;
	engine_enable(d, is_json_true(&event->payload));
}

void
engine_disable(struct engine_device *d)
{
	/* An answer that is under way says what was before. */
	d->enable_known = true;
	engine_enable(d, false);
}

static void
put_event(
    struct engine_device **touched, struct engine_device *d, const struct eventer_event *event)
{
	child_put_event(d->child, event);
	if (d->touched)
		return;
	d->touched = true;
	d->next_touched = *touched;
	*touched = d;
}

void
engine_route_events(struct engine *e, struct eventer_events_iter *events, bool added)
{
	struct engine_device *touched = NULL;
	struct eventer_event event;

	while (e->active && !e->leaving && eventer_events_next(events, &event)) {
		struct engine_device *d = route(e, &event);
		/* The other link delivers it too. */
		if (d ? d->added != added : added)
			continue;
		if (e->watch.on_notified)
			e->watch.on_notified(e->watch.arg, d ? d->child : NULL, &event);
		if (!d)
			e->unrouted++;
		else if (has_suffix(d->child, &event, enable_suffix, 2))
			on_enable(d, &event);
		else
			put_event(&touched, d, &event);
	}
	for (; touched; touched = touched->next_touched) {
		touched->touched = false;
		child_flush_events(touched->child);
	}
}

static void
on_events(void *arg, struct eventer_events_iter *events)
{
	engine_route_events(arg, events, false);
}

/* --- the engine's life --- */

/* Devices of which no event has ever said whether they are enabled. */
static void
enable_by_configuration(struct engine *e)
{
	for (size_t i = 0; i < e->device_count; i++) {
		struct engine_device *d = e->devices[i];
		if (!d->begun || d->enable_answered)
			continue;
		d->enable_answered = true;
		if (!d->enable_known && child_conf(d->child)->enabled)
			engine_enable(d, true);
	}
}

static void
on_enables(void *arg, struct eventer_events_iter *events, const char *error)
{
	struct engine *e = arg;
	struct eventer_event event;

	bool more = events && eventer_events_more(events);

	snprintf(e->starts.unknown, sizeof(e->starts.unknown), "%s", error ? error : "");
	if (error && e->active && !more)
		log_error(
		    "cannot learn from the Event Server which devices are enabled: %s", error);
	while (events && e->active && !e->leaving && eventer_events_next(events, &event)) {
		struct engine_device *d = route(e, &event);
		/* An event notified since the query is newer. */
		if (!d || !d->begun || !has_suffix(d->child, &event, enable_suffix, 2))
			continue;
		d->enable_answered = true;
		if (!d->enable_known)
			engine_enable(d, is_json_true(&event.payload));
	}
	if (!error && !more && e->active && !e->leaving)
		enable_by_configuration(e);
}

static void
put_enable_type(struct buffer *b, const struct eventer_prefix *p)
{
	sbs_put_int(b, (int64_t)p->count + 2);
	buffer_append(b, p->bytes.p, p->bytes.len);
	eventer_put_segments(b, enable_suffix, 2);
}

/* Adds the event 'running' false of a device. A child that is still ending registers it itself when
 * it has ended. */
static void
put_not_running(struct engine *e, struct child *c, struct buffer *b)
{
	const struct eventer_payload no = { .kind = EVENTER_PAYLOAD_JSON,
		.data = sbs_str("false") };
	const struct timestamp now = timestamp_now();
	size_t start = b->len;

	eventer_put_register_event(b, child_prefix(c), running_suffix, 2, &now, &no);
	if (buffer_failed(b))
		return;
	child_count_registered(c);
	if (e->watch.on_registered)
		e->watch.on_registered(e->watch.arg, c, 1, buffer_data(b) + start, b->len - start);
}

void
engine_begin(struct engine *e)
{
	size_t count = 0;
	struct buffer b, running;

	buffer_init(&b, ENGINE_MAX_SUBSCRIPTIONS);
	buffer_init(&running, ENGINE_MAX_SUBSCRIPTIONS);
	for (size_t i = 0; i < e->device_count; i++) {
		struct engine_device *d = e->devices[i];
		if (d->begun || (d->added && eventlink_state(&e->second.link) != LINK_UP))
			continue;
		d->begun = true;
		d->enable_known = d->enable_answered = false;
		put_not_running(e, d->child, &running);
		put_enable_type(&b, child_prefix(d->child));
		count++;
	}
	if (count == 0)
		return;
	/* The query is taken even where the first fails. */
	int registered = engine_register(e, count, &running, NULL, NULL);
	if (engine_query_own(e, count, &b, on_enables, e) < 0 || registered < 0)
		log_error("cannot query the last 'enable' events: %s", strerror(errno));
}

static void
create(struct engine *e)
{
	e->active = true;
	e->starts.unknown[0] = '\0';
	log_write(LOG_LEVEL_INFO, NULL, "engine", "engine created, %zu device%s", e->device_count,
	    LOG_PLURAL(e->device_count));
	for (size_t i = 0; i < e->device_count; i++)
		e->devices[i]->begun = false;
	engine_begin(e);
	engine_open_second(e);
}

static void
destroy(struct engine *e)
{
	if (!e->active)
		return;
	e->active = false;
	log_write(LOG_LEVEL_INFO, NULL, "engine", "engine destroyed: devices stop");
	engine_close_second(e);
	engine_stop_all(e);
}

static void
follow_status(struct engine *e)
{
	bool wanted =
	    eventlink_state(&e->link) == LINK_UP && !e->leaving &&
	    (!e->config->require_operational || eventlink_status(&e->link) == EVENTER_OPERATIONAL);

	if (wanted && !e->active && !e->starts.stopping)
		create(e);
	else if (!wanted && e->active && !e->leaving)
		destroy(e);
}

void
engine_on_stopped(struct engine *e)
{
	follow_status(e);
}

static void
on_up(void *arg)
{
	engine_out_open(arg);
	follow_status(arg);
	notify_link(arg);
}

static void
on_down(void *arg, const char *why)
{
	struct engine *e = arg;

	(void)why;
	engine_out_drop(e);
	destroy(e);
	for (size_t i = 0; i < e->device_count; i++)
		e->devices[i]->added = false;
	notify_link(e);
}

static void
on_status(void *arg, enum eventer_status status)
{
	(void)status;
	follow_status(arg);
	notify_link(arg);
}

static void
on_room(void *arg)
{
	engine_pump(arg);
}

static const struct eventlink_handler eventlink_handler = { on_up, on_down, on_status, on_events,
	on_room };

/* The segments of a device's prefix; returns how many. */
static size_t
device_prefix(const struct config *config, const struct config_device *d,
    struct sbs_str segments[PREFIX_MAX_SEGMENTS])
{
	size_t n = 0;

	segments[n++] = sbs_str("gateway");
	if (config->name_in_types)
		segments[n++] = sbs_str(config->name);
	segments[n++] = sbs_str(d->type);
	segments[n++] = sbs_str(d->name);
	return n;
}

int
engine_put_subscriptions(const struct config *config, struct buffer *b, struct eventer_types *types)
{
	struct sbs_str any[] = { sbs_str("gateway"), sbs_str(config->name), sbs_str("?"),
		sbs_str("?"), sbs_str("system"), sbs_str("*") };

	buffer_init(b, ENGINE_MAX_SUBSCRIPTIONS);
	types->count = config->name_in_types ? 1 : config->device_count;
	if (config->name_in_types)
		eventer_put_type(b, any, 6);
	for (size_t i = 0; !config->name_in_types && i < config->device_count; i++) {
		struct sbs_str s[PREFIX_MAX_SEGMENTS + 2];
		size_t n = device_prefix(config, &config->devices[i], s);
		s[n++] = sbs_str("system");
		s[n++] = sbs_str("*");
		eventer_put_type(b, s, n);
	}
	types->bytes = (struct sbs_str){ (const char *)buffer_data(b), b->len };
	return buffer_failed(b) ? -1 : 0;
}

struct engine_device *
engine_device_new(struct engine *e, const struct config *config, const struct config_device *conf)
{
	struct engine_device *d = calloc(1, sizeof(*d));
	struct sbs_str segments[PREFIX_MAX_SEGMENTS];
	size_t n = device_prefix(config, conf, segments);

	if (!d)
		return NULL;
	d->engine = e;
	d->party = (struct gate_party){ .owner = d, .is_device = true };
	d->child = child_new(&e->host, conf, segments, n, log_sink_device_level(conf->label), d);
	if (!d->child) {
		free(d);
		return NULL;
	}
	return d;
}

void
engine_device_free(struct engine_device *d)
{
	if (!d)
		return;
	engine_unqueue(d);
	child_free(d->child);
	engine_out_forget(d->engine, d);
	free(d);
}

void
engine_sort(struct engine *e)
{
	device_index_clear(&e->by_name);
	memcpy(e->sorted, e->devices, e->device_count * sizeof(e->sorted[0]));
	qsort(e->sorted, e->device_count, sizeof(e->sorted[0]), compare_devices);
}

static int
add_devices(struct engine *e)
{
	const struct config *config = e->config;

	e->devices = calloc(config->device_count + 1, sizeof(*e->devices));
	e->sorted = calloc(config->device_count + 1, sizeof(*e->sorted));
	if (!e->devices || !e->sorted)
		return -1;
	for (size_t i = 0; i < config->device_count; i++) {
		e->devices[i] = engine_device_new(e, config, &config->devices[i]);
		if (!e->devices[i])
			return -1;
		e->device_count++;
	}
	engine_sort(e);
	return 0;
}

int
engine_init(struct engine *e, struct ev_loop *loop, struct broker *broker, struct cgroup *cgroup,
    const struct config *config, const char *libexec, const char *zone)
{
	*e = (struct engine){ .loop = loop, .config = config };
	e->host = (struct child_host){ .loop = loop,
		.broker = broker,
		.libexec = libexec,
		.zone = zone,
		.cgroup = cgroup,
		.ops = &child_ops,
		.arg = e };
	eventlink_init(&e->link, loop, broker, &eventlink_handler, e);
	engine_init_second(e);
	engine_out_init(e);
	engine_starts_init(e);
	if (engine_put_subscriptions(config, &e->subscriptions, &e->target.subscriptions) < 0 ||
	    asprintf(&e->client_name, "gateway/%s", config->name) < 0 ||
	    asprintf(&e->second.name, "gateway/%s/added", config->name) < 0 || add_devices(e) < 0) {
		engine_clear(e);
		return -1;
	}
	ev_timer_init(&e->leave_limit, on_leave_limit, 0., 0.);
	e->leave_limit.data = e;
	ev_prepare_init(&e->before_wait, on_before_wait);
	e->before_wait.data = e;
	ev_prepare_start(loop, &e->before_wait);
	turns_start(&e->turns, loop);
	return 0;
}

void
engine_clear(struct engine *e)
{
	ev_prepare_stop(e->loop, &e->before_wait);
	turns_stop(&e->turns, e->loop);
	ev_timer_stop(e->loop, &e->leave_limit);
	e->active = false;
	engine_starts_clear(e);
	engine_out_drop(e);
	for (size_t i = 0; i < e->device_count; i++)
		engine_device_free(e->devices[i]);
	engine_clear_removed(e);
	eventlink_off(&e->link);
	engine_close_second(e);
	buffer_clear(&e->subscriptions);
	buffer_clear(&e->second.subscription);
	free(e->devices);
	free(e->sorted);
	device_index_clear(&e->by_name);
	free(e->client_name);
	free(e->second.name);
	*e = (struct engine){ .loop = e->loop };
}

void
engine_connect(struct engine *e, const struct eventlink_target *server)
{
	struct eventer_types subscriptions = e->target.subscriptions;

	for (size_t i = 0; i < e->device_count; i++)
		e->devices[i]->added = false;
	e->target = *server;
	e->target.subscriptions = subscriptions;
	e->target.client_name = e->client_name;
	eventlink_on(&e->link, &e->target);
	notify_link(e);
}

void
engine_disconnect(struct engine *e, void (*on_left)(void *arg), void *arg)
{
	uint32_t longest = 0;

	e->on_left = on_left;
	e->on_left_arg = arg;
	if (e->leaving)
		return;
	e->leaving = true;
	for (size_t i = 0; i < e->device_count; i++) {
		struct child *c = e->devices[i]->child;
		if (child_conf(c)->limits.stop_ms > longest)
			longest = child_conf(c)->limits.stop_ms;
	}
	engine_stop_all(e);
	ev_timer_set(&e->leave_limit, (longest + ENGINE_LEAVE_SLACK_MS) / 1e3, 0.);
	ev_timer_start(e->loop, &e->leave_limit);
}

struct engine_device *
engine_find(struct engine *e, const char *name)
{
	if (!e->by_name.slots && device_index_build(&e->by_name, e->devices, e->device_count) < 0)
		return NULL;
	return device_index_find(&e->by_name, name);
}

bool
engine_is_leaving(const struct engine *e)
{
	return e->leaving;
}

const struct eventlink *
engine_link(const struct engine *e)
{
	return &e->link;
}

bool
engine_hangs(struct engine *e, uint32_t connections)
{
	return eventlink_hangs(&e->link, connections);
}

size_t
engine_device_count(const struct engine *e)
{
	return e->device_count;
}

struct child *
engine_device_child(const struct engine *e, size_t i)
{
	return e->devices[i]->child;
}
