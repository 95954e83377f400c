#include "protocols/smpp/pdu_text.h"
#include "tests/fuzz/text.h"

static void
fuzz_line(struct textbuf *t, const uint8_t *data, size_t size)
{
	smpp_pdu_text(t, data, size);
}
