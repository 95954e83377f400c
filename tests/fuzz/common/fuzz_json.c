/* Parser and validator agree, and what was parsed is written as JSON again. */
#include <stdint.h>
#include <stdlib.h>

#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[128];
	struct json_doc *doc = json_parse((const char *)data, size, 1 << 20, err, sizeof(err));
	struct buffer b;
	struct json_writer w = { .b = &b };

	if (json_valid((const char *)data, size) != (doc != NULL))
		abort();
	if (!doc)
		return 0;
	buffer_init(&b, 8 * size + 64);
	json_put_tree(&w, NULL, json_root(doc));
	if (buffer_failed(&b) || !json_valid((const char *)buffer_data(&b), b.len))
		abort();
	buffer_clear(&b);
	json_free(doc);
	return 0;
}
