/* First byte: direction and framing. */
#include "protocols/modbus/text.h"
#include "tests/fuzz/text.h"

static void
fuzz_line(struct textbuf *t, const uint8_t *data, size_t size)
{
	modbus_frame_text(
	    t, (enum modbus_framing)(data[0] / 2 % 3), data[0] & 1, data + 1, size - 1);
}
