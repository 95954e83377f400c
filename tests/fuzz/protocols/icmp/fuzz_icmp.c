/* First octet: the family. The rest: what came on the socket. */
#include "protocols/icmp/icmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[ICMP_ECHO];
	struct icmp_echo echo;

	if (size == 0)
		return 0;
	enum icmp_family family = data[0] & 1 ? ICMP_V6 : ICMP_V4;
	if (icmp_reply_decode(&echo, family, data + 1, size - 1) == DEC_OK)
		icmp_request_encode(out, family, 1, &echo);
	return 0;
}
