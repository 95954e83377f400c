#include "device-runners/modbus/sched.h"

void
sched_init(struct sched *s, struct remote *const *remotes, size_t count)
{
	*s = (struct sched){ .remotes = remotes, .count = count };
}

/* Until when the answer to an earlier request may still be taken for this one's. By itself, so that
 * its buffer is not cleared for each request. */
static __attribute__((noinline)) struct monotime
held_until(const struct client *c, uint8_t unit, const struct modbus_pdu *req)
{
	uint8_t pdu[MODBUS_MAX_PDU];
	size_t len = modbus_pdu_encode(MODBUS_REQUEST, req, pdu);

	return client_hold(c, unit, req->fc, client_identity(unit, pdu, len));
}

/* When a request may go out, with regard to answers that may still be under way. */
static struct monotime
held(const struct client *c, const struct remote *r, const struct modbus_pdu *req,
    struct monotime at)
{
	uint8_t unit = remote_conf(r)->unit;

	if (!client_owes(c, unit) || at.ns == INT64_MAX)
		return at;
	struct monotime hold = held_until(c, unit, req);
	return monotime_cmp(hold, at) > 0 ? hold : at;
}

static struct monotime
poll_at(const struct client *c, struct remote *r, struct monotime now)
{
	struct monotime at = remote_poll_at(r);

	if (!client_owes(c, remote_conf(r)->unit) || at.ns == INT64_MAX)
		return at;
	struct modbus_pdu req = remote_peek(r, now);
	return held(c, r, &req, at);
}

static struct monotime
write_at(const struct client *c, struct remote *r)
{
	struct monotime at = remote_write_at(r);

	return at.ns == INT64_MAX ? at : held(c, r, remote_write(r), at);
}

struct search {
	const struct client *client;
	unsigned wanted; /* by all remote devices together, as remote_wants() says */
	struct monotime now, wake;
};

/* The first from `turn` on that wants it and is ready, in its round; else NULL and the wake-up is
 * brought forward. */
static struct remote *
search_all(struct sched *s, struct search *q, unsigned what, size_t *turn)
{
	bool write = what & (REMOTE_WRITE | REMOTE_SUSPECT_WRITE);
	size_t at = *turn;

	for (size_t i = 0; i < s->count; i++) {
		struct remote *r = s->remotes[at];
		at = at + 1 < s->count ? at + 1 : 0;
		if (!(remote_wants(r) & what))
			continue;
		struct monotime ready =
		    write ? write_at(q->client, r) : poll_at(q->client, r, q->now);
		if (monotime_cmp(ready, q->now) <= 0) {
			*turn = at;
			return r;
		}
		if (monotime_cmp(ready, q->wake) < 0)
			q->wake = ready;
	}
	return NULL;
}

/* The same, where any of them wants it: mostly none does. */
static inline struct remote *
search(struct sched *s, struct search *q, unsigned what, size_t *turn)
{
	return q->wanted & what ? search_all(s, q, what, turn) : NULL;
}

static size_t
count_healthy(const struct sched *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += remote_is_healthy(s->remotes[i]);
	return n;
}

/* Picks a write, or a poll, of a device whose last request was not answered. */
static struct sched_pick
pick_suspect(struct sched *s, struct search *q, bool polls)
{
	struct sched_pick p = { .write = true };

	p.remote = search(s, q, REMOTE_SUSPECT_WRITE, &s->turn_suspect);
	if (!p.remote && polls) {
		p.write = false;
		p.remote = search(s, q, REMOTE_SUSPECT_POLL, &s->turn_suspect);
	}
	if (p.remote)
		s->round = count_healthy(s);
	return p;
}

static struct sched_pick
pick_in_turn(struct sched *s, struct search *q, bool polls)
{
	struct sched_pick p = { 0 };

	if (polls && s->round > 0 && (p.remote = search(s, q, REMOTE_POLL, &s->turn_poll))) {
		s->round--;
		return p;
	}
	p = pick_suspect(s, q, polls);
	if (p.remote || !polls)
		return p;
	return (struct sched_pick){ .remote = search(s, q, REMOTE_POLL, &s->turn_poll) };
}

struct sched_pick
sched_next(struct sched *s, const struct client *c, bool polls, struct monotime now)
{
	struct search q = { .client = c, .now = now, .wake = { INT64_MAX } };
	struct sched_pick p = { .write = true };

	for (size_t i = 0; i < s->count; i++)
		q.wanted |= remote_wants(s->remotes[i]);
	if (s->writes < SCHED_WRITES_IN_A_ROW &&
	    (p.remote = search(s, &q, REMOTE_WRITE, &s->turn_write))) {
		s->writes++;
		return p;
	}
	p = pick_in_turn(s, &q, polls);
	if (!p.remote && s->writes >= SCHED_WRITES_IN_A_ROW) {
		p.write = true;
		p.remote = search(s, &q, REMOTE_WRITE, &s->turn_write);
	} else {
		s->writes = 0;
	}
	p.wake = q.wake;
	return p;
}
