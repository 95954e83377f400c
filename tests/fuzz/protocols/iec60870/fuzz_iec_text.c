/* First byte: the protocol, and the sizes that stations agree on. */
#include "protocols/iec60870/text.h"
#include "tests/fuzz/text.h"

static void
fuzz_line(struct textbuf *t, const uint8_t *data, size_t size)
{
	const struct asdu_sizes sizes = { (uint8_t)(1 + (data[0] >> 3 & 1)),
		(uint8_t)(1 + (data[0] >> 4 & 1)), (uint8_t)(1 + (data[0] >> 5) % 3) };
	const struct ft12_params params = { (data[0] >> 1 & 3) % 3, data[0] & 1 };

	switch (data[0] >> 6) {
	case 0:
		iec104_frame_text(t, data + 1, size - 1);
		break;
	case 1:
		iec103_asdu_text(t, data + 1, size - 1);
		break;
	case 2:
		iec_asdu_text(t, &sizes, data + 1, size - 1);
		break;
	default:
		ft12_frame_text(t, &params, data[0] & 8 ? &sizes : NULL, data + 1, size - 1);
	}
}
