/* A frame as a line. */
#include "protocols/mms/text.h"
#include "tests/fuzz/text.h"

static void
fuzz_line(struct textbuf *t, const uint8_t *data, size_t size)
{
	mms_frame_text(t, data, size);
}
