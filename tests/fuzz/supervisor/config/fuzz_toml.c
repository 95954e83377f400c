/* TOML of any bytes: one fault, or a tree that is JSON. */
#include <stdint.h>
#include <stdlib.h>

#include "supervisor/config/toml_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_fault(void *arg, enum schema_severity severity, uint32_t line, uint32_t column, const char *path,
    const char *message)
{
	(void)line, (void)column, (void)path;
	if (severity == SCHEMA_ERROR && message[0])
		++*(int *)arg;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int faults = 0;
	struct json_doc *doc = toml_tree_parse((const char *)data, size, 10000, on_fault, &faults);
	struct buffer b;

	if (faults != (doc ? 0 : 1))
		abort();
	buffer_init(&b, 1 << 20);
	if (doc) {
		struct json_writer w = { .b = &b };
		json_put_tree(&w, NULL, json_root(doc));
		if (!buffer_failed(&b) && !json_valid((const char *)buffer_data(&b), b.len))
			abort();
	}
	buffer_clear(&b);
	json_free(doc);
	return 0;
}
