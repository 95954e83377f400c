/* First byte: the family. */
#include "protocols/icmp/icmp_text.h"
#include "tests/fuzz/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[FUZZ_TEXT];
	struct textbuf t = textbuf_make(line, sizeof(line));

	if (size < 1)
		return 0;
	icmp_text(&t, data[0] & 1 ? ICMP_V6 : ICMP_V4, data + 1, size - 1);
	fuzz_check_text(&t);
	return 0;
}
