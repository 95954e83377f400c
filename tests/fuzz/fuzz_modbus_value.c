/* Bytes 0, 1: bits of the value; 2: type, 3: skip. The rest is an answer's data and a decimal text.
 */
#include <stdlib.h>

#include "protocols/modbus/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t value[MODBUS_MAX_VALUE], back[MODBUS_MAX_VALUE], regs[2 * MODBUS_MAX_WRITE_REGS];
	char text[MODBUS_MAX_VALUE_TEXT];
	struct modbus_write w;
	struct modbus_pdu pdu;

	if (size < 4)
		return 0;
	size_t bits = 1 + (data[0] << 8 | data[1]) % MODBUS_MAX_VALUE_BITS;
	modbus_value_get(data[2] % MODBUS_TYPES, data + 4, size - 4, data[3], bits, value);
	size_t n = modbus_value_format(value, bits, text);
	if (modbus_value_parse(text, n, bits, back) < 0 ||
	    memcmp(value, back, modbus_value_size(bits)) != 0)
		abort();
	modbus_write_init(
	    &w, data[2] & 1 ? MODBUS_COIL : MODBUS_HOLDING_REGISTER, 0, data[3], bits, value);
	while (modbus_write_next(&w, &pdu, regs))
		if (modbus_request_check(&pdu))
			abort();
	modbus_value_parse((const char *)data + 4, size - 4, bits, back);
	return 0;
}
