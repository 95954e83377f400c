/* A file of SCL as a configuration: what is written has as many keys as there are, and bounds. */
#include <stdlib.h>

#include "gatewayctl/scl/scl.h"
#include "gatewayctl/scl/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer out, notes;
	char why[SCL_WHY];

	buffer_init(&out, SCL_MAX_OUTPUT);
	buffer_init(&notes, 1 << 16);
	int result = scl_convert((const char *)data, size, NULL, &out, &notes, why);
	if (result == 0 && !memmem(buffer_data(&out), out.len, "  changes:", 10))
		abort();
	if (result < 0 && memchr(why, '\0', sizeof(why)) == why)
		abort();
	buffer_clear(&out);
	buffer_clear(&notes);
	return 0;
}
