/*
 * gatewayd --check: the exchange of INIT with each device's runner, by the code
 * that will use the configuration, and then the end.
 */
#ifndef SUPERVISOR_CHECK_H
#define SUPERVISOR_CHECK_H

#include <ev.h>

#include "supervisor/config.h"

/* Starts each device's runner in check-only mode and waits for all of them. Faults are reported
 * like the file's own; verbose: prints to stdout what each device does and may touch. Returns the
 * number of devices that are at fault, or -1 with errno. */
int check_devices(struct ev_loop *loop, const struct config *config, const char *libexec,
    const char *zone, bool verbose, config_report *report, void *arg);

#endif
