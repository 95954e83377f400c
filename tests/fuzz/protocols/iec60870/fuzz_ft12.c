/* The receiver, fed in pieces: byte 0 is address size, direction and the size of the pieces. */
#include <stdlib.h>

#include "protocols/iec60870/ft12.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ft12_rx rx;
	struct ft12_frame f, g;
	uint8_t out[FT12_MAX_FRAME];
	size_t used = 0;

	if (!size)
		return 0;
	ft12_rx_init(&rx, (struct ft12_params){ data[0] % 3, data[0] & 4 });
	for (size_t at = 1, step = 1 + (data[0] >> 3); at < size; at += step) {
		ft12_rx_put(&rx, data + at, step < size - at ? step : size - at);
		for (enum dec dec; (dec = ft12_rx_next(&rx, &f)) != DEC_MORE;) {
			int n = ft12_encode(&rx.params, &f, out);
			if (n < 1 || ft12_decode(&rx.params, out, (size_t)n, &g, &used) != dec ||
			    g.len != f.len || used != (size_t)n)
				abort();
		}
		if (ft12_rx_partial(&rx) && data[at] == 0)
			ft12_rx_gap(&rx);
	}
	return 0;
}
