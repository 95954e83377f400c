/*
 * The exchange of INIT with devices' runners, by the code that will use the
 * configuration, and then their end: gatewayd --check, and each reload.
 */
#ifndef SUPERVISOR_CHECK_H
#define SUPERVISOR_CHECK_H

#include <ev.h>

#include "supervisor/config/config.h"

struct broker;
struct check;

/* All borrowed until the end. */
struct check_options {
	const struct config *config;
	const char *libexec, *zone;
	struct broker *broker; /* for the files of the devices */
	bool verbose;	       /* prints to stdout what each device does and may touch */
	bool together; /* the devices are all there will be: what two cannot both have is a fault */
	/* Faults are reported like the file's own. */
	config_report *report;
	/* Which devices; NULL: each. */
	bool (*wants)(void *arg, const struct config_device *d);
	void *arg; /* of both */
};

/* The number of devices that are at fault. check_free() may be called in it. */
typedef void check_done(void *arg, int faulty);

/* Starts the devices' runners in check-only mode; done comes from the loop, once. Returns a check
 * for check_free(), or NULL with errno. */
struct check *check_start(
    struct ev_loop *loop, const struct check_options *options, check_done *done, void *arg);
/* Kills what is left of it. */
void check_free(struct check *k);

/* The same, and waits: runs the loop. Returns the number of devices that are at fault, or -1 with
 * errno. */
int check_devices(struct ev_loop *loop, const struct check_options *options);

#endif
