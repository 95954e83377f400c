/*
 * Answers that cost something for each device: they are given in slices, of one
 * client a turn, so that no turn of the loop is long, however many devices and
 * clients there are.
 */
#include "supervisor/control/control_client.h"

/* The next device of the walk; NULL: it is over. A device that a reload has removed since is
 * left out. */
static struct child *
next_device(struct control_client *c)
{
	struct engine *e = c->control->engine;

	while (c->walk.name) {
		const struct engine_device *d = engine_find(e, c->walk.name->text);
		c->walk.name = c->walk.name->next;
		if (d)
			return d->child;
	}
	if (c->walk.named || c->walk.next >= engine_device_count(e))
		return NULL;
	return engine_device_child(e, c->walk.next++);
}

/* Whether it is over. */
static bool
walk_slice(struct control_client *c)
{
	struct monotime began = monotime_now();
	struct child *child;

	do {
		child = next_device(c);
		if (child)
			c->walk.each(c, child);
	} while (child && (monotime_now().ns - began.ns) / 1000 < CONTROL_SLICE_US);
	return !child;
}

static struct control_client *
next_walker(struct control *control)
{
	for (size_t i = 0; i < control->client_count; i++) {
		size_t at = (control->walked + 1 + i) % control->client_count;
		if (control->clients[at]->walk.each) {
			control->walked = at;
			return control->clients[at];
		}
	}
	return NULL;
}

void
control_on_walk(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct control *control = timer->data;
	struct control_client *c = next_walker(control);

	(void)revents;
	if (!c)
		return;
	ev_timer_set(timer, 0., 0.);
	ev_timer_start(loop, timer);
	if (!walk_slice(c))
		return;
	c->walk.each = NULL;
	if (c->walk.done)
		c->walk.done(c);
	else
		control_finish(c, c->walk.code);
}

bool
control_walk(struct control_client *c, const struct json *request, control_each *each,
    void (*done)(struct control_client *c))
{
	const struct json *names = json_get(request, "names");
	bool named = names && names->count;

	for (const struct json *n = named ? names->child : NULL; n; n = n->next)
		if (!control_find_device(c, n->text))
			return false;
	c->walk = (struct control_walk){
		.each = each, .done = done, .named = named, .name = named ? names->child : NULL
	};
	if (!ev_is_active(&c->control->walk))
		ev_timer_start(c->control->loop, &c->control->walk);
	return true;
}
