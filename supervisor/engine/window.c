#include "supervisor/engine/window.h"

void
window_open(struct window *w, uint64_t put)
{
	*w = (struct window){ .size = WINDOW_MIN, .taken = put, .marked = put };
}

bool
window_has_room(struct window *w, uint64_t put)
{
	bool room = put - w->taken < w->size;

	w->was_full |= !room;
	return room;
}

bool
window_wants_mark(const struct window *w, uint64_t put)
{
	return !w->asked && put - w->taken >= w->size / 2;
}

void
window_marked(struct window *w, uint64_t put, struct monotime now)
{
	w->asked = true;
	w->was_full = false;
	w->marked = put;
	w->since = now;
}

void
window_answered(struct window *w, struct monotime now)
{
	int64_t took = (now.ns - w->since.ns) / 1000 + 1;

	w->asked = false;
	w->taken = w->marked;
	if (w->usual_us == 0)
		w->usual_us = took;
	else if (w->size == WINDOW_MIN || took < w->usual_us)
		w->usual_us += (took - w->usual_us) / 8;
	if (took > 2 * w->usual_us + WINDOW_DELAY_US)
		w->size = w->size / 2 > WINDOW_MIN ? w->size / 2 : WINDOW_MIN;
	else if (w->was_full && took < w->usual_us + w->usual_us / 4 + WINDOW_DELAY_US / 2)
		w->size = w->size * 2 < WINDOW_MAX ? w->size * 2 : WINDOW_MAX;
}
