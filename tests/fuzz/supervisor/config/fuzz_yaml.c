/* A configuration of any bytes: refused with a fault, or loaded, and then its devices are JSON. */
#include <stdint.h>
#include <stdlib.h>

#include "supervisor/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_fault(void *arg, enum schema_severity severity, const char *file, uint32_t line, uint32_t column,
    const char *path, const char *message)
{
	(void)file, (void)line, (void)column;
	if (severity == SCHEMA_ERROR && (path[0] || message[0]))
		++*(int *)arg;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int errors = 0;
	struct config *c = config_load_text((const char *)data, size, "fuzz", on_fault, &errors);
	struct buffer b;
	int faulty = 0;

	for (size_t i = 0; c && i < c->device_count; i++)
		faulty += c->devices[i].fault != NULL;
	/* An error costs the file or a device. */
	if (c ? (errors > 0) != (faulty > 0) : errors == 0)
		abort();
	buffer_init(&b, 1 << 20);
	for (size_t i = 0; c && i < c->device_count; i++) {
		buffer_reset(&b);
		config_device_json(&c->devices[i], &b);
		if (!buffer_failed(&b) && !json_valid((const char *)buffer_data(&b), b.len))
			abort();
		if (!config_device_equal(&c->devices[i], &c->devices[i]))
			abort();
	}
	buffer_clear(&b);
	config_free(c);
	return 0;
}
