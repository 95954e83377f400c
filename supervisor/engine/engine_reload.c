/* A reload of the engine, and the second link that it may need. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "supervisor/engine/engine_private.h"
#include "supervisor/log/log_sink.h"

struct engine_retired {
	struct engine_retired *next;
	struct config *config;
};

/* --- the second link --- */

static void
stop_added(struct engine *e)
{
	for (size_t i = 0; i < e->device_count; i++) {
		if (!e->devices[i]->added || !e->devices[i]->begun)
			continue;
		e->devices[i]->begun = false;
		engine_enable(e->devices[i], false);
	}
}

static void
on_up(void *arg)
{
	struct engine *e = arg;

	if (e->active && !e->leaving)
		engine_begin(e);
}

/* As when the first link is lost: a device that 'enable' false cannot reach does not run. */
static void
on_down(void *arg, const char *why)
{
	(void)why;
	stop_added(arg);
}

static void
ignore_status(void *arg, enum eventer_status status)
{
	(void)arg, (void)status;
}

static void
on_events(void *arg, struct eventer_events_iter *events)
{
	engine_route_events(arg, events, true);
}

static void
ignore_room(void *arg)
{
	(void)arg;
}

static const struct eventlink_handler second_handler = { on_up, on_down, ignore_status, on_events,
	ignore_room };

void
engine_init_second(struct engine *e)
{
	eventlink_init(&e->second.link, e->loop, e->host.broker, &second_handler, e);
}

static bool
has_added(const struct engine *e)
{
	for (size_t i = 0; i < e->device_count; i++)
		if (e->devices[i]->added)
			return true;
	return false;
}

/* One pattern matches every device: later reloads need no third link. */
static int
subscribe_to_all(struct engine *e, struct eventer_types *types)
{
	struct sbs_str any[] = { sbs_str("gateway"), sbs_str("?"), sbs_str("?"), sbs_str("system"),
		sbs_str("*") };

	buffer_clear(&e->second.subscription);
	buffer_init(&e->second.subscription, ENGINE_MAX_SUBSCRIPTIONS);
	eventer_put_type(&e->second.subscription, any, 5);
	*types = (struct eventer_types){ 1, { (const char *)buffer_data(&e->second.subscription),
						e->second.subscription.len } };
	return buffer_failed(&e->second.subscription) ? -1 : 0;
}

void
engine_open_second(struct engine *e)
{
	struct eventlink_target target = e->target;

	if (eventlink_state(&e->second.link) != LINK_OFF || !has_added(e))
		return;
	if (subscribe_to_all(e, &target.subscriptions) < 0) {
		log_error("cannot start the added devices: out of memory");
		return;
	}
	target.client_name = e->second.name;
	log_write(LOG_LEVEL_INFO, NULL, "second_link",
	    "added devices use a second connection to the Event Server until the first one "
	    "reconnects");
	eventlink_on(&e->second.link, &target);
}

void
engine_close_second(struct engine *e)
{
	eventlink_off(&e->second.link);
}

/* --- removed devices --- */

static void
free_retired(struct engine *e)
{
	while (e->retired) {
		struct engine_retired *r = e->retired;
		e->retired = r->next;
		config_free(r->config);
		free(r);
	}
}

void
engine_reap(struct engine *e)
{
	struct engine_device **at = &e->removed;
	struct monotime began = monotime_now();

	/* The others are freed in later turns. */
	while (*at && monotime_diff_ms(monotime_now(), began) < ENGINE_START_MS) {
		struct engine_device *d = *at;
		if (child_state(d->child) != CHILD_DISABLED || child_is_alive(d->child) ||
		    d->party.in[GATE_EVENTS].waits) {
			at = &d->next_removed;
			continue;
		}
		*at = d->next_removed;
		engine_device_free(d);
	}
	if (!e->removed)
		free_retired(e);
}

void
engine_clear_removed(struct engine *e)
{
	while (e->removed) {
		struct engine_device *d = e->removed;
		e->removed = d->next_removed;
		engine_device_free(d);
	}
	free_retired(e);
}

static void
remove_device(struct engine *e, struct engine_device *d)
{
	d->next_removed = e->removed;
	e->removed = d;
	log_sink_set_device_level(child_conf(d->child)->label, -1);
	engine_enable(d, false);
}

/* The device of this type and name, if it was removed before and still ends. */
static struct engine_device **
find_removed(struct engine *e, const struct config_device *conf)
{
	struct engine_device **at = &e->removed;

	while (*at && (strcmp(child_conf((*at)->child)->type, conf->type) != 0 ||
			  strcmp(child_conf((*at)->child)->name, conf->name) != 0))
		at = &(*at)->next_removed;
	return at;
}

/* --- reload --- */

struct plan {
	struct engine_device **devices, **sorted;
	struct engine_retired *retired;
	struct buffer subscriptions;
	struct eventer_types types;
};

static struct engine_device *
of_before(const struct engine *e, const struct config_device *before)
{
	return e->devices[before - e->config->devices];
}

static void
clear_plan(
    struct engine *e, struct plan *p, const struct config_diff *diff, const struct config *after)
{
	for (size_t i = 0; p->devices && i < diff->count; i++) {
		const struct config_diff_row *row = &diff->rows[i];
		if (row->change == CONFIG_ADDED && !*find_removed(e, row->after))
			engine_device_free(p->devices[row->after - after->devices]);
	}
	free(p->devices);
	free(p->sorted);
	free(p->retired);
	buffer_clear(&p->subscriptions);
}

/* Does everything that may fail. */
static int
make_plan(
    struct engine *e, struct plan *p, const struct config_diff *diff, const struct config *after)
{
	p->devices = calloc(after->device_count + 1, sizeof(struct engine_device *));
	p->sorted = calloc(after->device_count + 1, sizeof(struct engine_device *));
	p->retired = calloc(1, sizeof(*p->retired));
	int r = engine_put_subscriptions(after, &p->subscriptions, &p->types);

	if (!p->devices || !p->sorted || !p->retired || r < 0)
		return -1;
	for (size_t i = 0; i < diff->count; i++) {
		const struct config_diff_row *row = &diff->rows[i];
		if (row->change == CONFIG_REMOVED)
			continue;
		struct engine_device *d = row->change != CONFIG_ADDED
					      ? of_before(e, row->before)
					      : *find_removed(e, row->after);
		if (!d)
			d = engine_device_new(e, after, row->after);
		if (!d)
			return -1;
		p->devices[row->after - after->devices] = d;
	}
	return 0;
}

static void
add_device(struct engine *e, struct engine_device *d, const struct config_device *conf)
{
	struct engine_device **at = find_removed(e, conf);

	if (*at == d) {
		*at = d->next_removed;
		child_reconfigure(d->child, conf);
	}
	d->begun = false;
	d->added = eventlink_state(&e->link) == LINK_UP && !e->config->name_in_types;
}

/* "enabled" is what counts where no event has said so or otherwise. */
static void
follow_enabled(const struct config_diff_row *row, struct engine_device *d)
{
	if (row->before->enabled != row->after->enabled && d->enable_answered && !d->enable_known)
		engine_enable(d, row->after->enabled);
}

static void
apply_row(struct engine *e, const struct config_diff_row *row, struct engine_device *d)
{
	switch (row->change) {
	case CONFIG_REMOVED:
		remove_device(e, of_before(e, row->before));
		return;
	case CONFIG_CHANGED:
		child_reconfigure(d->child, row->after);
		follow_enabled(row, d);
		break;
	case CONFIG_ADDED:
		add_device(e, d, row->after);
		break;
	case CONFIG_TUNED:
		child_move(d->child, row->after);
		child_tune(d->child, row->after);
		follow_enabled(row, d);
		break;
	case CONFIG_SAME:
	case CONFIG_CHANGES:
		child_move(d->child, row->after);
	}
}

static void
apply_target(struct engine *e, struct plan *p, const struct eventlink_target *server)
{
	struct eventlink_target second = *server;

	buffer_clear(&e->subscriptions);
	e->subscriptions = p->subscriptions;
	e->target = *server;
	e->target.subscriptions = p->types;
	e->target.client_name = e->client_name;
	eventlink_retarget(&e->link, &e->target);
	second.client_name = e->second.name;
	second.subscriptions = eventlink_stats(&e->second.link).target->subscriptions;
	eventlink_retarget(&e->second.link, &second);
}

int
engine_reload(struct engine *e, const struct config_diff *diff, const struct config *after,
    struct config *before, const struct eventlink_target *server)
{
	struct plan p = { 0 };

	if (make_plan(e, &p, diff, after) < 0) {
		clear_plan(e, &p, diff, after);
		errno = ENOMEM;
		return -1;
	}
	for (size_t i = 0; i < diff->count; i++)
		apply_row(e, &diff->rows[i],
		    diff->rows[i].after ? p.devices[diff->rows[i].after - after->devices] : NULL);
	free(e->devices);
	free(e->sorted);
	e->devices = p.devices;
	e->sorted = p.sorted;
	e->device_count = after->device_count;
	e->config = after;
	engine_sort(e);
	e->starts.stopped = 0;
	*p.retired = (struct engine_retired){ e->retired, before };
	e->retired = p.retired;
	apply_target(e, &p, server);
	/* No device uses it, and its subscriptions are those of the old configuration. */
	if (!e->leaving && (eventlink_state(&e->link) == LINK_CONNECTING ||
			       (eventlink_state(&e->link) == LINK_UP && !e->active))) {
		eventlink_off(&e->link);
		engine_connect(e, &e->target);
	}
	if (e->active && !e->leaving) {
		engine_begin(e);
		engine_open_second(e);
	}
	return 0;
}
