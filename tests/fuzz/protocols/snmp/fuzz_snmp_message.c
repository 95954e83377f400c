/* One datagram, decoded as a message of any version; what is well formed is written again and must
 * say the same. */
#include "protocols/snmp/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[SNMP_MAX_DATAGRAM];
	static struct snmp_pdu pdu, again;
	struct snmp_message m, n;

	if (snmp_message_decode(&m, &pdu, data, size) != DEC_OK || m.encrypted.data)
		return 0;
	for (size_t i = 0; i < pdu.count; i++)
		usm_report_of(&pdu.bindings[i]);
	snmp_error_name(pdu.error_status);
	if (pdu.type == SNMP_TRAP_V1)
		return 0;
	struct snmp_content content = { pdu.type, pdu.request_id, pdu.list.data, pdu.list.len };
	m.flags &= SNMP_REPORTABLE;
	size_t len =
	    m.version == SNMP_V3
		? snmp_v3_encode(out, sizeof(out), &m, &content, USM_NO_AUTH, USM_NO_PRIV, NULL)
		: snmp_community_encode(out, sizeof(out), m.version, m.community, &content);
	if (len == 0)
		return 0;
	if (snmp_message_decode(&n, &again, out, len) != DEC_OK || n.size != len ||
	    again.count != pdu.count || again.request_id != pdu.request_id ||
	    !snmp_text_is(n.user, m.user.data, m.user.len))
		__builtin_trap();
	return 0;
}
