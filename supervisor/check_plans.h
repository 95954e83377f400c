/*
 * Compares the plans of a configuration's devices in gatewayd --check: two that cannot have
 * the same address or the same tty at once, and hosts that can be none. Pure.
 */
#ifndef SUPERVISOR_CHECK_PLANS_H
#define SUPERVISOR_CHECK_PLANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/message.h"

/* One row of a device's plan; target is whose it is. */
struct planned {
	size_t device;
	enum ipc_resource kind;
	const char *target;
	uint16_t port;
};

/* Whether two devices cannot both have it: one tty, one address to listen at (0.0.0.0 and :: are
 * every address). */
bool check_plans_conflict(const struct planned *a, const struct planned *b);
/* Whether text may be an address or a name (RFC 1123; with '_', as some networks have it). */
bool check_plans_is_host(const char *text);

#endif
