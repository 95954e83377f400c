#include "device-runners/icmp/probe.h"

static struct monotime
after(struct monotime t, int64_t ns)
{
	return (struct monotime){ t.ns + ns };
}

/* At the end of a pause, to a fortieth of it. Hosts whose pauses end together are asked in one
 * turn: a wake-up costs as much as several requests. */
static struct monotime
after_pause(struct monotime t, int64_t ns)
{
	int64_t slot = ns / 20 < PROBE_SLOT_NS ? ns / 20 : PROBE_SLOT_NS, at = t.ns + ns;

	return (struct monotime){ slot ? (at + slot / 2) / slot * slot : at };
}

void
probe_init(struct probe *p, const struct probe_conf *conf, struct monotime first)
{
	*p = (struct probe){ .conf = *conf, .state = PROBE_IDLE, .deadline = first };
}

static enum probe_task
next_try(struct probe *p, struct monotime now)
{
	p->tries++;
	/* The time-out holds the look-up of the name as well. */
	p->deadline = after(now, p->conf.timeout_ns);
	p->state = p->has_socket ? PROBE_WAITING : PROBE_OPENING;
	return p->has_socket ? PROBE_SEND : PROBE_OPEN;
}

static enum probe_task
end_series(struct probe *p, bool available, struct monotime now)
{
	p->available = available;
	p->tries = 0;
	p->state = PROBE_IDLE;
	p->deadline = after_pause(now, p->conf.delay_ns);
	if (available)
		return PROBE_NOTHING;
	p->has_socket = false;
	return PROBE_CLOSE;
}

void
probe_failed(struct probe *p, struct monotime now)
{
	p->state = PROBE_PAUSING;
	p->deadline = after_pause(now, p->conf.retry_delay_ns);
}

bool
probe_opens_next(const struct probe *p)
{
	return !p->has_socket && (p->state == PROBE_IDLE ||
				     (p->state == PROBE_PAUSING && p->tries <= p->conf.retries));
}

enum probe_task
probe_tick(struct probe *p, struct monotime now)
{
	if (monotime_cmp(p->deadline, now) > 0)
		return PROBE_NOTHING;
	switch (p->state) {
	case PROBE_IDLE:
		return next_try(p, now);
	case PROBE_PAUSING:
		return p->tries > p->conf.retries ? end_series(p, false, now) : next_try(p, now);
	case PROBE_OPENING:
		probe_failed(p, now);
		return PROBE_CLOSE;
	default:
		probe_failed(p, now);
		return PROBE_NOTHING;
	}
}

enum probe_task
probe_opened(struct probe *p)
{
	p->has_socket = true;
	if (p->state != PROBE_OPENING)
		return PROBE_NOTHING;
	p->state = PROBE_WAITING;
	return PROBE_SEND;
}

const struct icmp_echo *
probe_send(struct probe *p, const uint8_t data[ICMP_DATA], struct monotime now)
{
	p->echo.sequence++;
	memcpy(p->echo.data, data, ICMP_DATA);
	p->sent_at = now;
	p->times.sent++;
	return &p->echo;
}

static void
take_time(struct probe_times *t, int64_t ns)
{
	t->last_ns = ns;
	if (t->received == 0 || ns < t->least_ns)
		t->least_ns = ns;
	if (ns > t->most_ns)
		t->most_ns = ns;
	t->sum_ns += ns;
	t->received++;
}

bool
probe_received(struct probe *p, const struct icmp_echo *reply, struct monotime now)
{
	if (p->state != PROBE_WAITING || reply->sequence != p->echo.sequence ||
	    memcmp(reply->data, p->echo.data, ICMP_DATA) != 0)
		return false;
	take_time(&p->times, now.ns - p->sent_at.ns);
	end_series(p, true, now);
	return true;
}
