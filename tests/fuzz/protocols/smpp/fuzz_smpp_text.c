#include "protocols/smpp/pdu_text.h"
#include "tests/fuzz/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char line[FUZZ_TEXT];
	struct textbuf t = textbuf_make(line, sizeof(line));

	smpp_pdu_text(&t, data, size);
	fuzz_check_text(&t);
	return 0;
}
