#include "device-runners/snmp/listener.h"

#include <stdlib.h>

#include "device-runners/snmp/listener_private.h"

enum { TRAP_BINDINGS = 2 }; /* sysUpTime.0 and snmpTrapOID.0 (RFC 3416, 4.2.6) */

int
listener_init(struct listener *l, const struct listener_conf *conf, const struct listener_ops *ops,
    void *arg, struct monotime now, uint32_t seed)
{
	*l = (struct listener){ .conf = conf, .ops = ops, .arg = arg, .start = now, .salt = seed };
	l->own = calloc(conf->user_count + 1, sizeof(*l->own));
	l->peers = calloc(LISTENER_MAX_ENGINES, sizeof(*l->peers));
	if (!l->own || !l->peers) {
		listener_clear(l);
		return -1;
	}
	for (size_t i = 0; i < conf->user_count; i++)
		usm_keys_make(&l->own[i], &conf->users[i], conf->engine.id, conf->engine.len);
	return 0;
}

void
listener_clear(struct listener *l)
{
	free(l->own);
	free(l->peers);
	l->own = NULL;
	l->peers = NULL;
}

static bool
is_trap(const struct snmp_pdu *pdu)
{
	return pdu->count >= TRAP_BINDINGS && pdu->bindings[0].value.tag == SNMP_TIME_TICKS &&
	       pdu->bindings[1].value.tag == BER_OBJECT_ID;
}

const char *
listener_hear(struct listener *l, const struct snmp_message *m, const struct snmp_pdu *pdu)
{
	size_t first = pdu->type == SNMP_TRAP ? TRAP_BINDINGS : 0;
	bool fits = m->version == SNMP_V1 ? pdu->type == SNMP_TRAP_V1
					  : pdu->type == SNMP_TRAP || pdu->type == SNMP_INFORM;

	if (!fits || (pdu->type == SNMP_TRAP && !is_trap(pdu))) {
		l->counts.bad++;
		return fits ? "a trap without its time and name" : "neither a trap nor an inform";
	}
	struct listener_heard heard = { .version = m->version,
		.community = m->community,
		.context_engine = m->context_engine,
		.context_name = m->context_name,
		.bindings = pdu->bindings + first,
		.count = pdu->count - first };
	if (pdu->type == SNMP_INFORM)
		l->counts.informs++;
	else
		l->counts.traps++;
	l->ops->on_heard(l->arg, &heard);
	return NULL;
}

static void
answer_inform(struct listener *l, const struct snmp_message *m, const struct snmp_pdu *pdu)
{
	static uint8_t out[SNMP_MAX_DATAGRAM];
	struct snmp_content content = { SNMP_RESPONSE, pdu->request_id, pdu->list.data,
		pdu->list.len };
	size_t len = snmp_community_encode(out, sizeof(out), m->version, m->community, &content);

	if (len)
		l->ops->reply(l->arg, out, len);
}

const char *
listener_receive(struct listener *l, const uint8_t *data, size_t len, struct monotime now)
{
	static struct snmp_pdu pdu;
	struct snmp_message m;

	if (snmp_message_decode(&m, &pdu, data, len) != DEC_OK) {
		l->counts.bad++;
		return "no SNMP message";
	}
	if (m.version == SNMP_V3)
		return listener_v3_receive(l, &m, &pdu, data, now);
	const char *why = listener_hear(l, &m, &pdu);
	if (!why && pdu.type == SNMP_INFORM)
		answer_inform(l, &m, &pdu);
	return why;
}
