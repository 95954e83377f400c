/* Version 3: RFC 3412, 7.2; RFC 3414, 3.1, 3.2 and 4, the side that is not authoritative. */
#include <string.h>

#include "device-runners/snmp/agent_private.h"

enum { MAX_SIZE = SNMP_MAX_DATAGRAM };

static struct snmp_text
text_of(const void *data, size_t len)
{
	return (struct snmp_text){ data, len };
}

static uint8_t
level(const struct agent *a)
{
	const struct usm_user *u = &a->conf->user;

	return (uint8_t)((u->auth ? SNMP_AUTH : 0) | (u->priv ? SNMP_PRIV : 0));
}

/* The time of the agent's clock now, as far as is known. */
static int32_t
engine_time(const struct agent_engine *e, struct monotime now)
{
	int64_t t = e->time + monotime_diff_ms(now, e->at) / 1000;

	return t > INT32_MAX ? INT32_MAX : (int32_t)t;
}

static void
set_time(struct agent_engine *e, int32_t boots, int32_t time, struct monotime now)
{
	e->boots = boots;
	e->time = e->latest = time;
	e->at = now;
}

/* RFC 3414, 4: a request without a user, which every engine answers with its name. */
void
agent_discover(struct agent *a, struct monotime now)
{
	uint8_t out[128];
	struct snmp_message m = { .version = SNMP_V3,
		.id = agent_next_id(a),
		.max_size = MAX_SIZE,
		.flags = SNMP_REPORTABLE };
	struct snmp_content content = { .type = SNMP_GET, .request_id = m.id };

	a->engine = (struct agent_engine){ .len = 0 };
	a->state = AGENT_DISCOVERING;
	a->discovery_id = m.id;
	a->discovery_deadline = (struct monotime){ now.ns + a->conf->timeout_ns };
	a->ops->send(a->arg, out,
	    snmp_v3_encode(out, sizeof(out), &m, &content, USM_NO_AUTH, USM_NO_PRIV, NULL));
}

static void
next_salt(struct agent *a, uint8_t salt[USM_SALT])
{
	a->salt++;
	for (size_t i = 0; i < 4; i++) {
		salt[i] = (uint8_t)(a->conf->boots >> 8 * (3 - i));
		salt[4 + i] = (uint8_t)(a->salt >> 8 * (3 - i));
	}
}

static struct snmp_text
context_engine(const struct agent *a)
{
	if (a->conf->own_context)
		return text_of(a->conf->context_engine, a->conf->context_engine_len);
	return text_of(a->engine.id, a->engine.len);
}

static struct snmp_text
context_name(const struct agent *a)
{
	const char *name = a->conf->own_context ? a->conf->context_name : NULL;

	return text_of(name, name ? strlen(name) : 0);
}

size_t
agent_v3_encode(struct agent *a, uint8_t *out, size_t size, const struct snmp_content *content,
    struct monotime now)
{
	const struct usm_user *u = &a->conf->user;
	uint8_t salt[USM_SALT];
	struct snmp_message m = { .version = SNMP_V3,
		.id = content->request_id,
		.max_size = MAX_SIZE,
		.flags = level(a) | SNMP_REPORTABLE,
		.engine = text_of(a->engine.id, a->engine.len),
		.boots = u->auth ? a->engine.boots : 0,
		.time = u->auth ? engine_time(&a->engine, now) : 0,
		.user = text_of(u->name, strlen(u->name)),
		.salt = text_of(salt, sizeof(salt)),
		.context_engine = context_engine(a),
		.context_name = context_name(a) };

	next_salt(a, salt);
	return snmp_v3_encode(out, size, &m, content, u->auth, u->priv, &a->engine.keys);
}

/* The engine names itself. Its time is not proved, but good enough for the first request: where it
 * is wrong, the agent says so in a report that is. */
static void
on_discovered(
    struct agent *a, const struct snmp_message *m, const struct snmp_pdu *pdu, struct monotime now)
{
	struct agent_engine *e = &a->engine;

	if (m->id != a->discovery_id || m->engine.len == 0 || m->encrypted.data ||
	    (pdu->type != SNMP_REPORT && pdu->type != SNMP_RESPONSE)) {
		a->counts.strangers++;
		return;
	}
	memcpy(e->id, m->engine.data, m->engine.len);
	e->len = m->engine.len;
	usm_keys_make(&e->keys, &a->conf->user, e->id, e->len);
	set_time(e, m->boots, m->time, now);
	a->state = AGENT_UP;
	a->ops->on_up(a->arg);
}

/* RFC 3414, 3.2.7 b, of an authentic message. */
static bool
in_time(struct agent_engine *e, const struct snmp_message *m, struct monotime now)
{
	if (!e->proved || m->boots > e->boots || (m->boots == e->boots && m->time > e->latest))
		set_time(e, m->boots, m->time, now);
	e->proved = true;
	return m->boots != USM_LAST_BOOTS && m->boots == e->boots &&
	       m->time >= engine_time(e, now) - USM_WINDOW_S;
}

/* An authentic report about time shows the agent's clock, also one that was set back by a restart:
 * it answers an identifier that nobody could have known before. */
static void
on_time_report(
    struct agent *a, struct agent_request *q, const struct snmp_message *m, struct monotime now)
{
	set_time(&a->engine, m->boots, m->time, now);
	a->engine.proved = true;
	if (!q->repeated) {
		q->repeated = true;
		q->tries--;
		if (agent_send(a, q, now))
			return;
	}
	agent_end(a, q,
	    &(struct agent_answer){ .result = AGENT_REPORT, .report = USM_REPORT_TIME_WINDOW });
}

/* RFC 3412, 7.2.11: an agent that can not take a request says so as well as it can. What is below
 * the level of the request could come from anybody: it counts only if nothing better comes. */
static void
on_report(struct agent *a, struct agent_request *q, const struct snmp_message *m,
    const struct snmp_pdu *pdu, struct monotime now)
{
	enum usm_report report = pdu->count ? usm_report_of(&pdu->bindings[0]) : USM_REPORT_NONE;

	a->counts.reports++;
	if (report == USM_REPORT_NONE)
		return;
	if (report == USM_REPORT_TIME_WINDOW && m->flags & SNMP_AUTH)
		on_time_report(a, q, m, now);
	else if ((m->flags & SNMP_LEVEL) == level(a))
		agent_end(a, q, &(struct agent_answer){ .result = AGENT_REPORT, .report = report });
	else if (report != USM_REPORT_TIME_WINDOW)
		q->report = report;
}

/* Whether what m says of itself is proved, and its PDU readable. */
static bool
open_message(struct agent *a, struct snmp_message *m, struct snmp_pdu *pdu, const uint8_t *data)
{
	static uint8_t scratch[SNMP_MAX_DATAGRAM];
	const struct usm_user *u = &a->conf->user;
	const struct usm_keys *k = &a->engine.keys;

	if (!(m->flags & SNMP_AUTH))
		return true;
	if (!snmp_text_is(m->user, u->name, strlen(u->name)) ||
	    !snmp_text_is(m->engine, a->engine.id, a->engine.len) ||
	    !snmp_message_verify(m, data, u->auth, k)) {
		a->counts.wrong_digests++;
		return false;
	}
	if (m->encrypted.data && (m->encrypted.len > sizeof(scratch) ||
				     snmp_message_decrypt(m, pdu, u->priv, k, scratch) != DEC_OK)) {
		a->counts.bad++;
		return false;
	}
	return true;
}

bool
agent_peek(const struct agent *a, const uint8_t *data, size_t len, struct snmp_pdu *pdu)
{
	static uint8_t scratch[SNMP_MAX_DATAGRAM];
	struct snmp_message m;

	return a->engine.len > 0 && snmp_message_decode(&m, pdu, data, len) == DEC_OK &&
	       m.encrypted.data && m.encrypted.len <= sizeof(scratch) &&
	       snmp_message_decrypt(&m, pdu, a->conf->user.priv, &a->engine.keys, scratch) ==
		   DEC_OK;
}

static bool
is_answer(const struct agent *a, const struct agent_request *q, const struct snmp_message *m,
    const struct snmp_pdu *pdu)
{
	struct snmp_text engine = context_engine(a), name = context_name(a);

	return pdu->type == SNMP_RESPONSE && (m->flags & SNMP_LEVEL) == level(a) &&
	       agent_find((struct agent *)a, pdu->request_id) == q &&
	       snmp_text_is(m->engine, a->engine.id, a->engine.len) &&
	       snmp_text_is(m->user, a->conf->user.name, strlen(a->conf->user.name)) &&
	       snmp_text_is(m->context_engine, engine.data, engine.len) &&
	       snmp_text_is(m->context_name, name.data, name.len);
}

void
agent_v3_receive(struct agent *a, struct snmp_message *m, struct snmp_pdu *pdu, const uint8_t *data,
    struct monotime now)
{
	if (a->state == AGENT_DISCOVERING) {
		on_discovered(a, m, pdu, now);
		return;
	}
	struct agent_request *q = agent_find(a, m->id);
	if (!q) {
		a->counts.strangers++;
		return;
	}
	if (!open_message(a, m, pdu, data))
		return;
	if (pdu->type == SNMP_REPORT) {
		on_report(a, q, m, pdu, now);
		return;
	}
	if (!is_answer(a, q, m, pdu)) {
		a->counts.strangers++;
		return;
	}
	if (m->flags & SNMP_AUTH && !in_time(&a->engine, m, now)) {
		a->counts.not_in_time++;
		return;
	}
	agent_end(a, q, &(struct agent_answer){ .result = AGENT_ANSWER, .pdu = pdu });
}
