#include "protocols/snmp/text.h"
#include "tests/fuzz/text.h"

static void
fuzz_line(struct textbuf *t, const uint8_t *data, size_t size)
{
	snmp_message_text(t, data, size);
}
