/* An ASDU of 103: what decodes, encodes to the same length and decodes again. */
#include <stdlib.h>

#include "protocols/iec60870/iec103_asdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct iec103_object objects[IEC103_MAX_OBJECTS];
	uint8_t out[IEC103_MAX];
	struct iec103_asdu a, walk;
	size_t n = 0;

	if (size > IEC103_MAX || iec103_decode(&a, data, size) != DEC_OK)
		return 0;
	walk = a;
	while (iec103_next(&walk, &objects[n]))
		n++;
	if (n != a.count)
		abort();
	if (n && (iec103_encode(out, &a, objects, n) != (int)size ||
		     iec103_decode(&walk, out, size) != DEC_OK))
		abort();
	return 0;
}
