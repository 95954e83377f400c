/* Two texts, a NUL between them: one that is like a JSON text is JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *known = (const char *)data, *nul = size ? memchr(known, '\0', size) : NULL;

	if (!nul || !json_valid(known, (size_t)(nul - known)))
		return 0;
	const char *text = nul + 1;
	size_t len = size - (size_t)(text - known);
	if (json_valid_like(text, len, known, (size_t)(nul - known)) && !json_valid(text, len))
		abort();
	return 0;
}
