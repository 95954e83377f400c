/* First byte: direction. What decodes encodes back to the same bytes. */
#include <stdlib.h>

#include "protocols/modbus/pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct modbus_pdu pdu;
	uint8_t out[MODBUS_MAX_PDU];
	size_t need;

	if (size < 1)
		return 0;
	enum modbus_direction dir = data[0] & 1;
	if (modbus_pdu_decode(dir, data + 1, size - 1, &pdu) != DEC_OK)
		return 0;
	if (modbus_pdu_size(dir, data + 1, size - 1, &need) != DEC_OK || need != size - 1)
		abort();
	if (dir == MODBUS_REQUEST && modbus_request_check(&pdu))
		return 0;
	size_t n = modbus_pdu_encode(dir, &pdu, out);
	if (n && (n != size - 1 || memcmp(out, data + 1, n) != 0))
		abort();
	return 0;
}
