/* First byte: direction and framing. */
#include "protocols/modbus/text.h"
#include "tests/fuzz/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[FUZZ_TEXT];
	struct textbuf t = textbuf_make(line, sizeof(line));

	if (size < 1)
		return 0;
	modbus_frame_text(
	    &t, (enum modbus_framing)(data[0] / 2 % 3), data[0] & 1, data + 1, size - 1);
	fuzz_check_text(&t);
	return 0;
}
