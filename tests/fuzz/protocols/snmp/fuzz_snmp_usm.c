/* First octet: the algorithms. The rest: one datagram, verified and decrypted by their keys, which
 * no input has the digest of; then decrypted all the same. */
#include "protocols/snmp/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t scratch[SNMP_MAX_DATAGRAM];
	static struct snmp_pdu pdu;
	static const struct usm_keys keys = { .auth = { 1 }, .priv = { 2 } };
	struct snmp_message m;

	if (size < 1 || size > sizeof(scratch))
		return 0;
	enum usm_auth auth = data[0] % (USM_SHA512 + 1);
	enum usm_priv priv = data[0] / 16 % (USM_AES256 + 1);
	if (snmp_message_decode(&m, &pdu, data + 1, size - 1) != DEC_OK || m.version != SNMP_V3)
		return 0;
	snmp_message_verify(&m, data + 1, auth, &keys);
	if (m.encrypted.data)
		snmp_message_decrypt(&m, &pdu, priv, &keys, scratch);
	snmp_scoped_decode(&m, &pdu, data + 1, size - 1);
	return 0;
}
