/*
 * Commands and changes of iec61850_client: what system events ask for waits in a queue, one request
 * at a time goes to the server, and each ends in an event. In the iec61850 runner.
 */
#ifndef DEVICE_RUNNERS_IEC61850_REQUESTS_H
#define DEVICE_RUNNERS_IEC61850_REQUESTS_H

#include "device-runners/iec61850/conf.h"
#include "protocols/iec61850/control.h"

enum {
	REQUESTS_TAG = 2,    /* of its calls */
	REQUESTS_MAX = 1000, /* that wait */
	REQUESTS_TERMINATIONS = 256,
	REQUESTS_TERMINATION_MS = 100000, /* from the answer to the termination */
	REQUESTS_IDENT_WARNING = 32,	  /* octets of orIdent that some servers do not bear */
};

struct requests;

/* Borrows conf and mms. Never NULL. */
struct requests *requests_new(struct runner *r, const struct conf *conf, struct mms_client *mms);
void requests_free(struct requests *q);
/* An event of system/command or system/change. */
void requests_event(struct requests *q, const struct runner_event *event);
/* Sends the next one, where it may. */
void requests_pump(struct requests *q, struct monotime now);
/* The result of a call with REQUESTS_TAG. */
void requests_result(struct requests *q, const struct mms_result *result, struct monotime now);
/* Takes a report about a control; false: it is about none. */
bool requests_report(struct requests *q, const struct mms_report *report);
/* The connection is lost, or the device stops: all fail. */
void requests_lost(struct requests *q);
/* Milliseconds until requests_tick() is due; -1: it is not. */
int64_t requests_due(const struct requests *q, struct monotime now);
void requests_tick(struct requests *q, struct monotime now);

#endif
