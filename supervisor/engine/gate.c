#include "supervisor/engine/gate.h"

void
gate_enter(struct gate *g, struct gate_party *p, enum gate_ring ring)
{
	if (p->in[ring].waits)
		return;
	p->in[ring].waits = true;
	p->in[ring].before = g->rings[ring].last;
	p->in[ring].after = NULL;
	if (g->rings[ring].last)
		g->rings[ring].last->in[ring].after = p;
	else
		g->rings[ring].first = p;
	g->rings[ring].last = p;
	g->rings[ring].count++;
	if (ring == GATE_QUERIES)
		g->rest.ns = 0;
}

void
gate_leave(struct gate *g, struct gate_party *p, enum gate_ring ring)
{
	struct gate_party *before = p->in[ring].before, *after = p->in[ring].after;

	if (!p->in[ring].waits)
		return;
	if (before)
		before->in[ring].after = after;
	else
		g->rings[ring].first = after;
	if (after)
		after->in[ring].before = before;
	else
		g->rings[ring].last = before;
	p->in[ring].waits = false;
	g->rings[ring].count--;
	if (ring == GATE_QUERIES)
		g->rest.ns = 0;
}

void
gate_forget(struct gate *g, struct gate_party *p)
{
	for (int ring = 0; ring < GATE_RING_COUNT; ring++)
		gate_leave(g, p, (enum gate_ring)ring);
}

static bool
is_before(struct monotime a, struct monotime b)
{
	return a.ns && (b.ns == 0 || monotime_cmp(a, b) < 0);
}

/* The first that has rested. One whose queries are costly waits until none is under way, and those
 * behind it wait as well: otherwise its turn might never come. */
static struct gate_party *
next_query(struct gate *g, struct monotime now)
{
	struct monotime wakes = { 0 };

	if (g->asked == GATE_MAX_ASKED || (g->rest.ns && monotime_cmp(now, g->rest) < 0))
		return NULL;
	for (struct gate_party *p = g->rings[GATE_QUERIES].first; p;
	     p = p->in[GATE_QUERIES].after) {
		if (p->asking)
			continue;
		if (monotime_cmp(now, p->rests_until) < 0) {
			if (is_before(p->rests_until, wakes))
				wakes = p->rests_until;
			continue;
		}
		return p->took_ms >= GATE_COSTLY_MS && g->asked ? NULL : p;
	}
	g->rest = wakes;
	return NULL;
}

struct gate_party *
gate_next(struct gate *g, size_t unsent, struct monotime now, enum gate_ring *ring)
{
	struct gate_party *p = NULL;

	*ring = GATE_OWN;
	if (unsent < GATE_OWN_ROOM)
		p = g->rings[GATE_OWN].first;
	for (int i = 0; !p && unsent < GATE_ROOM && i < 2; i++) {
		*ring = g->turn == GATE_QUERIES ? GATE_QUERIES : GATE_EVENTS;
		g->turn = *ring == GATE_EVENTS ? GATE_QUERIES : GATE_EVENTS;
		p = *ring == GATE_EVENTS ? g->rings[GATE_EVENTS].first : next_query(g, now);
	}
	if (p)
		gate_leave(g, p, *ring);
	return p;
}

bool
gate_wants_room(const struct gate *g, size_t unsent)
{
	return (unsent >= GATE_OWN_ROOM && g->rings[GATE_OWN].first) ||
	       (unsent >= GATE_ROOM &&
		   (g->rings[GATE_EVENTS].first || g->rings[GATE_QUERIES].first));
}

bool
gate_waits(const struct gate *g)
{
	return g->rings[GATE_OWN].first || g->rings[GATE_EVENTS].first;
}

struct monotime
gate_wakes(const struct gate *g)
{
	return g->rings[GATE_QUERIES].first ? g->rest : (struct monotime){ 0 };
}

void
gate_asked(struct gate *g, struct gate_party *p)
{
	p->asking = true;
	g->asked++;
}

void
gate_answered(struct gate *g, struct gate_party *p, struct monotime since, struct monotime now)
{
	int64_t took = monotime_diff_ms(now, since);

	g->asked--;
	g->rest.ns = 0;
	if (!p)
		return;
	p->asking = false;
	p->took_ms = took;
	p->rests_until = monotime_add_ms(now, took < GATE_MAX_REST_MS ? took : GATE_MAX_REST_MS);
}

void
gate_reset(struct gate *g)
{
	g->asked = 0;
	g->rest.ns = 0;
}
