#include "device-runners/runtime/reconnect.h"

void
reconnect_init(struct reconnect *r, int64_t delay_ns, int64_t lived_ns)
{
	int64_t least = RECONNECT_MIN_MS * INT64_C(1000000);

	delay_ns = delay_ns > least ? delay_ns : least;
	*r = (struct reconnect){ .delay_ns = delay_ns, .lived_ns = lived_ns ? lived_ns : delay_ns };
}

void
reconnect_connected(struct reconnect *r, struct monotime now)
{
	r->since = now;
}

int64_t
reconnect_failed(struct reconnect *r)
{
	return r->delay_ns;
}

int64_t
reconnect_lost(struct reconnect *r, bool answered, struct monotime now)
{
	if (answered && now.ns - r->since.ns >= r->lived_ns)
		r->spent = false;
	if (r->spent)
		return r->delay_ns;
	r->spent = true;
	return 0;
}
