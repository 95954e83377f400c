#include "device-runners/modbus/sched.h"

void
sched_init(struct sched *s, struct remote *const *remotes, size_t count)
{
	*s = (struct sched){ .remotes = remotes, .count = count };
}

/* When a request may go out, with regard to answers that may still be under way. */
static struct monotime
held(const struct client *c, const struct remote *r, const struct modbus_pdu *req,
    struct monotime at)
{
	uint8_t pdu[MODBUS_MAX_PDU], unit = remote_conf(r)->unit;

	if (!client_owes(c, unit) || at.ns == INT64_MAX)
		return at;
	size_t len = modbus_pdu_encode(MODBUS_REQUEST, req, pdu);
	struct monotime hold = client_hold(c, unit, req->fc, client_identity(unit, pdu, len));
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
	bool write, suspect;
	struct monotime now, wake;
};

/* The first from `turn` on that is ready, in its round; else NULL and the wake-up is brought
 * forward. */
static struct remote *
search(struct sched *s, struct search *q, size_t *turn)
{
	size_t at = *turn;

	for (size_t i = 0; i < s->count; i++) {
		struct remote *r = s->remotes[at];
		at = at + 1 < s->count ? at + 1 : 0;
		if (!remote_wants(r, q->suspect, q->write))
			continue;
		struct monotime ready =
		    q->write ? write_at(q->client, r) : poll_at(q->client, r, q->now);
		if (monotime_cmp(ready, q->now) <= 0) {
			*turn = at;
			return r;
		}
		if (monotime_cmp(ready, q->wake) < 0)
			q->wake = ready;
	}
	return NULL;
}

static size_t
count_healthy(const struct sched *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += remote_is_healthy(s->remotes[i]);
	return n;
}

static struct remote *
search_polls(struct sched *s, struct search *q, size_t *turn)
{
	q->write = false;
	return search(s, q, turn);
}

/* Picks a write, or a poll, of a device whose last request was not answered. */
static struct sched_pick
pick_suspect(struct sched *s, struct search *q, bool polls)
{
	struct sched_pick p = { .write = true };

	q->suspect = q->write = true;
	p.remote = search(s, q, &s->turn_suspect);
	if (!p.remote && polls) {
		p.write = false;
		p.remote = search_polls(s, q, &s->turn_suspect);
	}
	q->suspect = false;
	if (p.remote)
		s->round = count_healthy(s);
	return p;
}

static struct sched_pick
pick_in_turn(struct sched *s, struct search *q, bool polls)
{
	struct sched_pick p = { 0 };

	if (polls && s->round > 0 && (p.remote = search_polls(s, q, &s->turn_poll))) {
		s->round--;
		return p;
	}
	p = pick_suspect(s, q, polls);
	if (p.remote || !polls)
		return p;
	return (struct sched_pick){ .remote = search_polls(s, q, &s->turn_poll) };
}

struct sched_pick
sched_next(struct sched *s, const struct client *c, bool polls, struct monotime now)
{
	struct search q = { c, true, false, now, { INT64_MAX } };
	struct sched_pick p = { .write = true };

	if (s->writes < SCHED_WRITES_IN_A_ROW && (p.remote = search(s, &q, &s->turn_write))) {
		s->writes++;
		return p;
	}
	p = pick_in_turn(s, &q, polls);
	if (!p.remote && s->writes >= SCHED_WRITES_IN_A_ROW) {
		q.write = p.write = true;
		p.remote = search(s, &q, &s->turn_write);
	} else {
		s->writes = 0;
	}
	p.wake = q.wake;
	return p;
}
