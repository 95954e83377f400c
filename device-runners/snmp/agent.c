#include "device-runners/snmp/agent.h"

#include <stdlib.h>
#include <string.h>

#include "device-runners/snmp/agent_private.h"

static struct monotime
after(struct monotime t, int64_t ns)
{
	return (struct monotime){ t.ns + ns };
}

void
agent_init(struct agent *a, const struct agent_conf *conf, const struct agent_ops *ops, void *arg,
    uint64_t seed)
{
	*a = (struct agent){ .conf = conf,
		.ops = ops,
		.arg = arg,
		.last_id = (uint32_t)seed & INT32_MAX,
		.salt = (uint32_t)(seed >> 32) };
}

int32_t
agent_next_id(struct agent *a)
{
	a->last_id = a->last_id >= INT32_MAX ? 1 : a->last_id + 1;
	return (int32_t)a->last_id;
}

struct agent_request *
agent_find(struct agent *a, int32_t id)
{
	for (size_t i = 0; i < AGENT_MAX_REQUESTS; i++)
		for (size_t k = 0; a->requests[i].owner && id && k < AGENT_MAX_IDS; k++)
			if (a->requests[i].ids[k] == id)
				return &a->requests[i];
	return NULL;
}

void
agent_end(struct agent *a, struct agent_request *q, const struct agent_answer *answer)
{
	void *owner = q->owner;

	free(q->bindings);
	*q = (struct agent_request){ .owner = NULL };
	a->ops->on_done(a->arg, owner, answer);
}

void
agent_open(struct agent *a, struct monotime now)
{
	if (a->conf->version == SNMP_V3) {
		agent_discover(a, now);
		return;
	}
	a->state = AGENT_UP;
	a->ops->on_up(a->arg);
}

void
agent_close(struct agent *a)
{
	a->state = AGENT_DOWN;
	for (size_t i = 0; i < AGENT_MAX_REQUESTS; i++)
		if (a->requests[i].owner)
			agent_end(
			    a, &a->requests[i], &(struct agent_answer){ .result = AGENT_CLOSED });
}

static struct agent_request *
free_request(struct agent *a)
{
	for (size_t i = 0; i < AGENT_MAX_REQUESTS; i++)
		if (!a->requests[i].owner)
			return &a->requests[i];
	return NULL;
}

bool
agent_send(struct agent *a, struct agent_request *q, struct monotime now)
{
	static uint8_t out[SNMP_MAX_DATAGRAM];
	struct snmp_content content = { q->type, agent_next_id(a), q->bindings, q->len };
	const char *community = a->conf->community;
	size_t len;

	if (a->conf->version == SNMP_V3)
		len = agent_v3_encode(a, out, sizeof(out), &content, now);
	else
		len = snmp_community_encode(out, sizeof(out), a->conf->version,
		    (struct snmp_text){ (const uint8_t *)community, strlen(community) }, &content);
	if (len == 0)
		return false;
	q->ids[q->tries++ % AGENT_MAX_IDS] = content.request_id;
	q->pausing = false;
	q->deadline = after(now, a->conf->timeout_ns);
	a->counts.requests++;
	a->ops->send(a->arg, out, len);
	return true;
}

bool
agent_ask(struct agent *a, enum snmp_pdu_type type, const uint8_t *bindings, size_t len,
    void *owner, struct monotime now)
{
	struct agent_request *q = a->state == AGENT_UP ? free_request(a) : NULL;

	if (!q)
		return false;
	*q = (struct agent_request){
		.owner = owner, .type = type, .bindings = malloc(len ? len : 1), .len = len
	};
	if (q->bindings) {
		memcpy(q->bindings, bindings, len);
		if (agent_send(a, q, now))
			return true;
	}
	free(q->bindings);
	*q = (struct agent_request){ .owner = NULL };
	return false;
}

void
agent_receive(struct agent *a, const uint8_t *data, size_t len, struct monotime now)
{
	static struct snmp_pdu pdu;
	const char *community = a->conf->community;
	struct snmp_message m;

	if (a->state == AGENT_DOWN)
		return;
	if (snmp_message_decode(&m, &pdu, data, len) != DEC_OK) {
		a->counts.bad++;
		return;
	}
	if (m.version == a->conf->version && m.version == SNMP_V3) {
		agent_v3_receive(a, &m, &pdu, data, now);
		return;
	}
	struct agent_request *q = agent_find(a, pdu.request_id);
	if (m.version != a->conf->version || pdu.type != SNMP_RESPONSE || !q ||
	    !snmp_text_is(m.community, community, strlen(community))) {
		a->counts.strangers++;
		return;
	}
	agent_end(a, q, &(struct agent_answer){ .result = AGENT_ANSWER, .pdu = &pdu });
}

/* No answer came in time, to this try or, where there were enough, to the request. */
static void
on_deadline(struct agent *a, struct agent_request *q, struct monotime now)
{
	bool over = q->type == SNMP_SET || q->tries > a->conf->retries;

	if (!q->pausing && q->report) {
		agent_end(
		    a, q, &(struct agent_answer){ .result = AGENT_REPORT, .report = q->report });
		return;
	}
	if (!q->pausing) {
		a->counts.timeouts++;
		q->pausing = true;
		q->deadline = after(now, q->type == SNMP_SET ? 0 : a->conf->retry_delay_ns);
	}
	if (monotime_cmp(q->deadline, now) > 0)
		return;
	if (over || !agent_send(a, q, now))
		agent_end(a, q, &(struct agent_answer){ .result = AGENT_TIMEOUT });
}

void
agent_tick(struct agent *a, struct monotime now)
{
	if (a->state == AGENT_DISCOVERING && monotime_cmp(a->discovery_deadline, now) <= 0) {
		a->state = AGENT_DOWN;
		a->ops->on_unknown(a->arg);
		return;
	}
	for (size_t i = 0; i < AGENT_MAX_REQUESTS && a->state == AGENT_UP; i++)
		if (a->requests[i].owner && monotime_cmp(a->requests[i].deadline, now) <= 0)
			on_deadline(a, &a->requests[i], now);
}

struct monotime
agent_deadline(const struct agent *a)
{
	struct monotime first = { INT64_MAX };

	if (a->state == AGENT_DISCOVERING)
		return a->discovery_deadline;
	for (size_t i = 0; i < AGENT_MAX_REQUESTS && a->state == AGENT_UP; i++)
		if (a->requests[i].owner && a->requests[i].deadline.ns < first.ns)
			first = a->requests[i].deadline;
	return first;
}
