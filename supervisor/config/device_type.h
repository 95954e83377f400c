/* The device types that the configuration may name, in the supervisor. */
#ifndef SUPERVISOR_DEVICE_TYPE_H
#define SUPERVISOR_DEVICE_TYPE_H

#include <stddef.h>

#include "common/json.h"

struct device_type {
	const char *module; /* hat-gateway's Python module */
	const char *type;   /* segment of its event types */
	const char
	    *family; /* its runner, below libexec; NULL: known, but no runner is built for it */
	const char *tls_key;	/* the key of its configuration that asks for TLS, */
	const char *tls_family; /* and the runner that can load it; or NULL */
};

/* By the module's name, or by the type's, which may stand for it. NULL where neither is known. */
const struct device_type *device_type_find(const char *module);
/* The runner of a device with this configuration, below libexec; or NULL. */
const char *device_type_family(const struct device_type *t, const struct json *conf);
/* The types in the table's order; NULL behind the last. */
const struct device_type *device_type_at(size_t index);
/* The module that a misspelt name may stand for, or NULL. */
const char *device_type_nearest(const char *module);
/* The modules that have a runner, with commas between them. */
void device_type_list(char *text, size_t size);

#endif
