/* Configurations loaded from texts, and the faults that were reported of them. */
#ifndef LOADING_H
#define LOADING_H

#include <string.h>

#include "common/buffer.h"
#include "supervisor/config/config.h"
#include "tests/unit/suite.h"

#define MASTER "hat.gateway.devices.modbus.master"
#define HEAD "name: g\ndevices: []\n" /* two lines */

/* Every fault as "LINE:COLUMN PATH: MESSAGE\n", warnings with "warning " before. */
static struct buffer faults;

static inline void
on_fault(void *arg, enum schema_severity severity, const char *file, uint32_t line, uint32_t column,
    const char *path, const char *message)
{
	(void)arg, (void)file;
	buffer_printf(&faults, "%s%u:%u %s: %s\n", severity == SCHEMA_WARNING ? "warning " : "",
	    line, column, path, message);
}

static inline void
setup(void)
{
	buffer_init(&faults, 1 << 20);
}

static inline void
teardown(void)
{
	buffer_clear(&faults);
}

static inline const char *
reported(void)
{
	buffer_u8(&faults, 0);
	buffer_truncate(&faults, faults.len - 1);
	return faults.len ? (const char *)buffer_data(&faults) : "";
}

static inline struct config *
load(const char *text)
{
	buffer_reset(&faults);
	return config_load_text(text, strlen(text), "test.yaml", on_fault, NULL);
}

static inline struct config *
load_good(const char *text)
{
	struct config *c = load(text);

	ck_assert_msg(c != NULL, "%s\n%s", text, reported());
	ck_assert_str_eq(reported(), "");
	return c;
}

#endif
