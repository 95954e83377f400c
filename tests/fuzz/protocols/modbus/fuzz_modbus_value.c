/* Bytes 0, 1: bits of the value; 2: type, 3: skip. The rest is an answer's data and a decimal text.
 */
#include <stdlib.h>

#include "protocols/modbus/typed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t value[MODBUS_MAX_VALUE] = { 0 }, back[MODBUS_MAX_VALUE],
		regs[2 * MODBUS_MAX_WRITE_REGS];
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
	struct modbus_typed t = { .kind = MODBUS_KIND_INT16 + data[2] % (MODBUS_KINDS - 1),
		.swap_octets = data[3] & 1,
		.swap_registers = data[3] & 2,
		.scaled = data[3] & 4,
		.scale = 0.1 };
	if (t.kind == MODBUS_KIND_STRING) {
		modbus_typed_get_text(&t, value, bits, text);
	} else if ((n = modbus_typed_format(&t, value, text)) > 0 && !t.scaled &&
		   (modbus_typed_parse(&t, text, n, back) < 0 ||
		       memcmp(value, back, modbus_kind_bits(t.kind) / 8) != 0)) {
		abort();
	}
	if (t.kind != MODBUS_KIND_STRING)
		modbus_typed_parse(&t, (const char *)data + 4, size - 4, back);
	return 0;
}
