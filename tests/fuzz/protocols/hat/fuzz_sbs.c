/* Every primitive in turn, as the first byte of each step says; what was read encodes and reads
 * again. */
#include <stdlib.h>

#include "protocols/hat/sbs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_make(data, size);
	uint8_t bytes[SBS_MAX_INT];

	while (cursor_ok(&c) && cursor_left(&c)) {
		switch (cursor_u8(&c) % 6) {
		case 0: {
			int64_t v = sbs_get_int(&c);
			struct cursor again =
			    cursor_make(bytes, (size_t)(sbs_write_int(bytes, v) - bytes));
			if (sbs_get_int(&again) != v || !cursor_done(&again))
				abort();
			break;
		}
		case 1:
			if (sbs_get_count(&c, 3) > cursor_left(&c) / 3)
				abort();
			break;
		case 2:
			sbs_get_bool(&c);
			break;
		case 3:
			sbs_get_str(&c);
			break;
		case 4:
			sbs_get_float(&c);
			break;
		case 5:
			if (sbs_get_choice(&c, 4) > 3)
				abort();
			break;
		}
	}
	return 0;
}
