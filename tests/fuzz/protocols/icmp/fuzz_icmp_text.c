/* First byte: the family. */
#include "protocols/icmp/icmp_text.h"
#include "tests/fuzz/text.h"

static void
fuzz_line(struct textbuf *t, const uint8_t *data, size_t size)
{
	icmp_text(t, data[0] & 1 ? ICMP_V6 : ICMP_V4, data + 1, size - 1);
}
