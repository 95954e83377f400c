/*
 * The configuration file as JSON Schema, in gatewayd when it is called with --schema: of the tables
 * that check it here, and of those of each runner, which its program prints.
 */
#ifndef SUPERVISOR_CONFIG_SCHEMA_H
#define SUPERVISOR_CONFIG_SCHEMA_H

#include "common/buffer.h"

/* Runs the runners in the folder libexec, one after the other, and waits. Appends the schema to b.
 * Returns 0, or -1 after a message on standard error. */
int config_schema_put(struct buffer *b, const char *libexec);

#endif
