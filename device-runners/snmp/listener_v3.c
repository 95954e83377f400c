/* Version 3: RFC 3414, 3.2, and RFC 3412, 7.1. */
#include <string.h>

#include "device-runners/snmp/listener_private.h"

/* The sender of a message, and the keys that it is checked with. */
struct sender {
	size_t index;
	const struct usm_user *user;
	bool ours; /* our engine is authoritative */
	struct listener_peer *peer, fresh;
	const struct usm_keys *keys;
};

/* --- Engines that have sent traps: their keys and their time --- */

/* FNV-1a of user and engine; never 0. */
static uint32_t
hash_of(size_t user, struct snmp_text engine)
{
	uint32_t h = UINT32_C(2166136261) ^ (uint32_t)user;

	for (size_t i = 0; i < engine.len; i++)
		h = (h ^ engine.data[i]) * UINT32_C(16777619);
	return h ? h : 1;
}

/* The engine as this user's messages show it, or a new one in *fresh, which is not kept yet. */
static struct listener_peer *
peer_find(struct listener *l, size_t user, struct snmp_text engine, struct listener_peer *fresh)
{
	uint32_t hash = hash_of(user, engine);

	for (size_t i = 0; i < LISTENER_MAX_ENGINES; i++) {
		struct listener_peer *p = &l->peers[i];
		if (p->hash == hash && p->user == user &&
		    snmp_text_is(engine, p->engine.id, p->engine.len))
			return p;
	}
	*fresh = (struct listener_peer){ .hash = hash, .user = user };
	memcpy(fresh->engine.id, engine.data, engine.len);
	fresh->engine.len = engine.len;
	usm_keys_make(&fresh->keys, &l->conf->users[user], engine.data, engine.len);
	return fresh;
}

/* Keeps one that has proved itself, in place of the one that was not heard for longest. Returns
 * where it is kept. */
static struct listener_peer *
peer_keep(struct listener *l, const struct listener_peer *fresh)
{
	struct listener_peer *oldest = l->peers;

	for (size_t i = 0; i < LISTENER_MAX_ENGINES && oldest->hash; i++)
		if (!l->peers[i].hash || monotime_cmp(l->peers[i].used, oldest->used) < 0)
			oldest = &l->peers[i];
	*oldest = *fresh;
	return oldest;
}

static int64_t
time_of(const struct listener_peer *p, struct monotime now)
{
	return p->time + monotime_diff_ms(now, p->at) / 1000;
}

/* RFC 3414, 3.2.7 b, of an authentic message. */
static bool
peer_in_time(struct listener_peer *p, const struct snmp_message *m, bool fresh, struct monotime now)
{
	if (fresh || m->boots > p->boots || (m->boots == p->boots && m->time > p->latest)) {
		p->boots = m->boots;
		p->time = p->latest = m->time;
		p->at = now;
	}
	return m->boots != USM_LAST_BOOTS && m->boots == p->boots &&
	       m->time >= time_of(p, now) - USM_WINDOW_S;
}

/* --- Messages --- */

static struct snmp_text
own_engine(const struct listener *l)
{
	return (struct snmp_text){ l->conf->engine.id, l->conf->engine.len };
}

static int32_t
own_time(const struct listener *l, struct monotime now)
{
	int64_t t = monotime_diff_ms(now, l->start) / 1000;

	return t > INT32_MAX ? INT32_MAX : (int32_t)t;
}

static void
next_salt(struct listener *l, uint8_t salt[USM_SALT])
{
	l->salt++;
	for (size_t i = 0; i < 4; i++) {
		salt[i] = (uint8_t)(l->conf->boots >> 8 * (3 - i));
		salt[4 + i] = (uint8_t)(l->salt >> 8 * (3 - i));
	}
}

static bool
may_report(struct listener *l, struct monotime now)
{
	if (l->reported.since.ns == 0 || monotime_diff_ms(now, l->reported.since) >= 1000) {
		l->reported.since = now;
		l->reported.count = 0;
	}
	if (l->reported.count == LISTENER_REPORTS) {
		l->counts.reports_left_out++;
		return false;
	}
	l->reported.count++;
	l->counts.reports++;
	return true;
}

/* RFC 3414, 3.2, as far as the sender wants to know: only one about time is authenticated. */
static void
report(struct listener *l, const struct snmp_message *m, const struct snmp_pdu *pdu,
    enum usm_report what, uint64_t count, const struct sender *s, struct monotime now)
{
	uint8_t out[512], binding[64];
	struct ber_writer w;
	bool authentic = what == USM_REPORT_TIME_WINDOW;

	if (!(m->flags & SNMP_REPORTABLE) || !may_report(l, now))
		return;
	ber_writer_init(&w, binding, sizeof(binding));
	usm_report_put(&w, what, (uint32_t)count);
	struct snmp_content content = { SNMP_REPORT, m->encrypted.data ? 0 : pdu->request_id,
		binding, ber_writer_done(&w) };
	struct snmp_message r = { .version = SNMP_V3,
		.id = m->id,
		.max_size = SNMP_MAX_DATAGRAM,
		.flags = authentic ? SNMP_AUTH : 0,
		.engine = own_engine(l),
		.boots = (int32_t)l->conf->boots,
		.time = own_time(l, now),
		.user = m->user,
		.context_engine = own_engine(l) };
	size_t len = snmp_v3_encode(out, sizeof(out), &r, &content,
	    authentic ? s->user->auth : USM_NO_AUTH, USM_NO_PRIV, authentic ? s->keys : NULL);
	if (len)
		l->ops->reply(l->arg, out, len);
}

static uint8_t
level_of(const struct usm_user *u)
{
	return (uint8_t)((u->auth ? SNMP_AUTH : 0) | (u->priv ? SNMP_PRIV : 0));
}

static const struct usm_user *
find_user(const struct listener *l, struct snmp_text name, size_t *index)
{
	for (size_t i = 0; i < l->conf->user_count; i++)
		if (snmp_text_is(name, l->conf->users[i].name, strlen(l->conf->users[i].name))) {
			*index = i;
			return &l->conf->users[i];
		}
	return NULL;
}

static void
find_keys(struct listener *l, const struct snmp_message *m, struct sender *s)
{
	s->ours = snmp_text_is(m->engine, l->conf->engine.id, l->conf->engine.len);
	if (s->ours) {
		s->keys = &l->own[s->index];
	} else if (s->user->auth) {
		s->peer = peer_find(l, s->index, m->engine, &s->fresh);
		s->keys = &s->peer->keys;
	}
}

/* Whether a message that carries its digest is of now. */
static bool
in_time(struct listener *l, const struct snmp_message *m, struct sender *s, struct monotime now)
{
	if (s->ours) { /* RFC 3414, 3.2.7 a */
		int64_t apart = (int64_t)m->time - own_time(l, now);
		return m->boots == (int32_t)l->conf->boots && apart >= -USM_WINDOW_S &&
		       apart <= USM_WINDOW_S;
	}
	bool fresh = s->peer == &s->fresh;
	if (fresh) {
		s->peer = peer_keep(l, &s->fresh);
		s->keys = &s->peer->keys;
	}
	s->peer->used = now;
	return peer_in_time(s->peer, m, fresh, now) || !l->conf->time_window;
}

static bool
is_known(const struct listener *l, struct snmp_text engine)
{
	for (size_t i = 0; i < l->conf->known_count; i++)
		if (snmp_text_is(engine, l->conf->known[i].id, l->conf->known[i].len))
			return true;
	return false;
}

/* The inform as its sender will know it, from the engine that it named. */
static void
answer_inform(struct listener *l, const struct snmp_message *m, const struct snmp_pdu *pdu,
    const struct sender *s, struct monotime now)
{
	static uint8_t out[SNMP_MAX_DATAGRAM];
	uint8_t salt[USM_SALT];
	struct snmp_content content = { SNMP_RESPONSE, pdu->request_id, pdu->list.data,
		pdu->list.len };
	struct snmp_message r = *m;

	next_salt(l, salt);
	r.max_size = SNMP_MAX_DATAGRAM;
	r.flags &= SNMP_LEVEL;
	r.salt = (struct snmp_text){ salt, sizeof(salt) };
	if (s->ours) {
		r.boots = (int32_t)l->conf->boots;
		r.time = own_time(l, now);
	}
	size_t len =
	    snmp_v3_encode(out, sizeof(out), &r, &content, s->user->auth, s->user->priv, s->keys);
	if (len)
		l->ops->reply(l->arg, out, len);
}

/* The fault in a message, its counter, and the report to its sender. */
struct verdict {
	enum usm_report report; /* USM_REPORT_NONE: nothing is wrong */
	uint64_t *count;
	const char *why;
};

static struct verdict
check_sender(struct listener *l, struct snmp_message *m, const uint8_t *data, struct sender *s)
{
	struct listener_counts *c = &l->counts;

	if (m->engine.len == 0)
		return (struct verdict){ USM_REPORT_ENGINE, &c->unknown_engines,
			"a question for our engine" };
	s->user = find_user(l, m->user, &s->index);
	if (!s->user)
		return (struct verdict){ USM_REPORT_USER, &c->unknown_users, "an unknown user" };
	if ((m->flags & SNMP_LEVEL) != level_of(s->user))
		return (struct verdict){ USM_REPORT_SECURITY_LEVEL, &c->wrong_levels,
			"not at the security level of its user" };
	find_keys(l, m, s);
	if (m->flags & SNMP_AUTH && !snmp_message_verify(m, data, s->user->auth, s->keys))
		return (struct verdict){ USM_REPORT_DIGEST, &c->wrong_digests, "a wrong digest" };
	return (struct verdict){ USM_REPORT_NONE, NULL, NULL };
}

static struct verdict
check_content(struct listener *l, struct snmp_message *m, struct snmp_pdu *pdu, struct sender *s,
    struct monotime now)
{
	static uint8_t scratch[SNMP_MAX_DATAGRAM];
	struct listener_counts *c = &l->counts;

	if (m->flags & SNMP_AUTH && !in_time(l, m, s, now))
		return (struct verdict){ s->ours ? USM_REPORT_TIME_WINDOW : USM_REPORT_NONE,
			&c->not_in_time, "not in the time window of its engine" };
	if (m->encrypted.data &&
	    (m->encrypted.len > sizeof(scratch) ||
		snmp_message_decrypt(m, pdu, s->user->priv, s->keys, scratch) != DEC_OK))
		return (struct verdict){ USM_REPORT_DECRYPTION, &c->undecryptable,
			"encrypted with another key" };
	if (pdu->type == SNMP_INFORM && !s->ours && !is_known(l, m->engine))
		return (struct verdict){ USM_REPORT_ENGINE, &c->unknown_engines,
			"an inform for another engine" };
	return (struct verdict){ USM_REPORT_NONE, NULL, NULL };
}

const char *
listener_v3_receive(struct listener *l, struct snmp_message *m, struct snmp_pdu *pdu,
    const uint8_t *data, struct monotime now)
{
	struct sender s = { .user = NULL };
	struct verdict v = check_sender(l, m, data, &s);

	if (!v.why)
		v = check_content(l, m, pdu, &s, now);
	if (v.why) {
		++*v.count;
		if (v.report)
			report(l, m, pdu, v.report, *v.count, &s, now);
		return m->engine.len == 0 && m->flags & SNMP_REPORTABLE ? NULL : v.why;
	}
	const char *why = listener_hear(l, m, pdu);
	if (!why && pdu->type == SNMP_INFORM)
		answer_inform(l, m, pdu, &s, now);
	return why;
}
