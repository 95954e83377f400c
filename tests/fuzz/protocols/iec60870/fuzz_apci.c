/* First octet: role and state. The rest: what a peer sends, in frames; every fourth a time-out. */
#include <stdlib.h>

#include "protocols/iec60870/apci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct apci_params p = { size && data[0] & 1, 3, 2, 1000, 500, 2000 };
	struct monotime now = { 1 };
	struct buffer out;
	struct apci a;
	struct apdu apdu;
	size_t used;

	if (size == 0 || apci_init(&a, &p, now) < 0)
		return 0;
	buffer_init(&out, 1 << 20);
	if (p.controlling)
		apci_start(&a, now, &out);
	for (data++, size--; apci_decode(&apdu, data, size, &used) == DEC_OK;
	     data += used, size -= used) {
		now = monotime_add_ms(now, apdu.receive % 4 ? 10 : 600);
		if (apci_receive(&a, &apdu, now, &out) == APCI_BROKEN)
			break;
		if (apci_window(&a))
			apci_send(&a, "asdu", 4, now, &out);
		apci_settle(&a, &out);
		if (apci_timeout(&a, now, &out) == APCI_BROKEN)
			break;
		if (a.sent - a.acked > p.k || a.told > a.received || a.received - a.told >= p.w)
			__builtin_trap();
	}
	apci_clear(&a);
	buffer_clear(&out);
	return 0;
}
