/* Enabled devices start in turn: so many processes at once would hold up everybody who runs. */
#include "supervisor/engine/engine_private.h"

void
engine_enable(struct engine_device *d, bool enabled)
{
	struct engine_starts *starts = &d->engine->starts;

	if (!enabled || child_is_wanted(d->child)) {
		engine_unqueue(d);
		child_enable(d->child, enabled);
		return;
	}
	if (d->waits_to_start)
		return;
	d->waits_to_start = true;
	d->next_start = NULL;
	if (starts->last)
		starts->last->next_start = d;
	else
		starts->first = d;
	starts->last = d;
	if (!ev_is_active(&starts->timer)) {
		ev_timer_set(&starts->timer, 0., 0.);
		ev_timer_start(d->engine->loop, &starts->timer);
	}
}

void
engine_unqueue(struct engine_device *d)
{
	struct engine_starts *starts = &d->engine->starts;
	struct engine_device *before = NULL, *at = starts->first;

	if (!d->waits_to_start)
		return;
	while (at != d) {
		before = at;
		at = at->next_start;
	}
	*(before ? &before->next_start : &starts->first) = d->next_start;
	if (starts->last == d)
		starts->last = before;
	d->waits_to_start = false;
}

/* At least one; others as long as the turn is short. */
static void
on_start(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct engine *e = w->data;
	struct monotime began = monotime_now();
	struct engine_device *d;

	(void)revents;
	while ((d = e->starts.first)) {
		engine_unqueue(d);
		child_enable(d->child, true);
		if (monotime_diff_ms(monotime_now(), began) >= ENGINE_START_MS)
			break;
	}
	if (!e->starts.first)
		return;
	ev_timer_set(w, 0., 0.);
	ev_timer_start(loop, w);
}

/* A reload may have changed the devices meanwhile: what it added is disabled. */
static void
on_stop(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct engine *e = w->data;
	struct monotime began = monotime_now();

	(void)revents;
	while (e->starts.stopped < e->device_count) {
		engine_enable(e->devices[e->starts.stopped++], false);
		if (monotime_diff_ms(monotime_now(), began) >= ENGINE_START_MS)
			break;
	}
	if (e->starts.stopped < e->device_count) {
		ev_timer_set(w, 0., 0.);
		ev_timer_start(loop, w);
		return;
	}
	e->starts.stopping = false;
	engine_on_stopped(e);
}

void
engine_stop_all(struct engine *e)
{
	e->starts.stopping = true;
	e->starts.stopped = 0;
	while (e->starts.first)
		engine_unqueue(e->starts.first);
	on_stop(e->loop, &e->starts.stop_timer, 0);
}

void
engine_starts_init(struct engine *e)
{
	ev_timer_init(&e->starts.stop_timer, on_stop, 0., 0.);
	e->starts.stop_timer.data = e;
	ev_timer_init(&e->starts.timer, on_start, 0., 0.);
	e->starts.timer.data = e;
}

void
engine_starts_clear(struct engine *e)
{
	ev_timer_stop(e->loop, &e->starts.timer);
	ev_timer_stop(e->loop, &e->starts.stop_timer);
	e->starts.stopping = false;
	while (e->starts.first)
		engine_unqueue(e->starts.first);
}
