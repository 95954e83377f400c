/* First byte: framing, direction, whether an answer is expected; the rest arrives in pieces. */
#include "protocols/modbus/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct modbus_stream s;
	struct modbus_expect expect = { .transaction = 1, .unit = 1, .fc = 3 };
	struct modbus_frame f;
	struct modbus_pdu pdu;
	size_t room;

	if (size < 2)
		return 0;
	modbus_stream_init(&s, data[0] % 3, data[0] >> 2 & 1);
	size_t piece = 1 + data[1] % 64;
	for (size_t at = 2; at < size; at += piece) {
		uint8_t *p = modbus_stream_room(&s, &room);
		size_t n = size - at < piece ? size - at : piece;
		memcpy(p, data + at, n < room ? n : room);
		modbus_stream_commit(&s, n < room ? n : room);
		while (modbus_stream_next(&s, data[0] & 8 ? &expect : NULL, &f) == DEC_OK)
			modbus_pdu_decode(s.dir, f.pdu, f.len, &pdu);
	}
	while (modbus_stream_silence(&s, &f) == DEC_OK)
		modbus_pdu_decode(s.dir, f.pdu, f.len, &pdu);
	return 0;
}
