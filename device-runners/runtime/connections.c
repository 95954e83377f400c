#include "device-runners/runtime/connections.h"

static const char *const event_type[] = { "gateway", "connections" };

static void
register_list(struct connections *c)
{
	struct json_writer *w = runner_payload(c->runner);

	json_begin_array(w, NULL);
	c->listed = c->list(c->arg, w);
	json_end_array(w);
	runner_register_payload(c->runner, event_type, 2, NULL);
}

static void
on_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)revents;
	register_list(w->data);
}

void
connections_init(struct connections *c, struct runner *r,
    size_t (*list)(void *arg, struct json_writer *w), void *arg)
{
	*c = (struct connections){ .runner = r, .list = list, .arg = arg };
	ev_timer_init(&c->late, on_late, 0., 0.);
	c->late.data = c;
}

void
connections_changed(struct connections *c)
{
	struct monotime now = monotime_now();

	if (!c->runner || ev_is_active(&c->late))
		return;
	if (c->since.ns == 0 || monotime_diff_ms(now, c->since) >= 1000) {
		c->since = now;
		c->events = 0;
	}
	if (c->events++ < CONNECTIONS_A_SECOND) {
		register_list(c);
		return;
	}
	ev_timer_set(&c->late, CONNECTIONS_LATE_MS / 1000., 0.);
	ev_timer_start(runner_loop(c->runner), &c->late);
}

void
connections_stop(struct connections *c)
{
	if (!c->runner)
		return;
	ev_timer_stop(runner_loop(c->runner), &c->late);
	if (c->listed)
		runner_register(c->runner, event_type, 2, NULL, "[]", 2);
	c->runner = NULL;
}
