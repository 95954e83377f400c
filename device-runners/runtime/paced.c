#include "device-runners/runtime/paced.h"

static void
on_late(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct paced *p = w->data;

	(void)loop, (void)revents;
	p->tell(p->arg);
}

void
paced_init(struct paced *p, struct ev_loop *loop, void (*tell)(void *arg), void *arg)
{
	*p = (struct paced){ .loop = loop, .tell = tell, .arg = arg };
	ev_timer_init(&p->late, on_late, 0., 0.);
	p->late.data = p;
}

void
paced_changed(struct paced *p)
{
	struct monotime now = monotime_now();

	if (p->since.ns == 0 || monotime_diff_ms(now, p->since) >= 1000) {
		p->since = now;
		p->told = 0;
	}
	if (ev_is_active(&p->late))
		return;
	if (p->told++ < PACED_A_SECOND) {
		p->tell(p->arg);
		return;
	}
	ev_timer_set(&p->late, PACED_LATE_MS / 1000., 0.);
	ev_timer_start(p->loop, &p->late);
}

void
paced_stop(struct paced *p)
{
	if (p->loop)
		ev_timer_stop(p->loop, &p->late);
}
