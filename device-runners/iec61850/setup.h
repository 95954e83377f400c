/*
 * Prepares a new association of iec61850_client, before reports come: makes and checks data sets,
 * then sets up each report control block (IEC 61850-7-2, clause 17), one request at a time. In the
 * iec61850 runner.
 */
#ifndef DEVICE_RUNNERS_IEC61850_SETUP_H
#define DEVICE_RUNNERS_IEC61850_SETUP_H

#include "device-runners/iec61850/conf.h"
#include "device-runners/iec61850/reports.h"
#include "device-runners/runtime/limit.h"

enum { SETUP_TAG = 1 }; /* of its calls */

enum setup_state {
	SETUP_IDLE,
	SETUP_DATASETS,
	SETUP_RCBS,
	SETUP_DONE,
	SETUP_FAILED, /* why */
};

struct setup {
	const struct conf *conf;
	const struct reports *reports;
	struct mms_client *mms;
	enum setup_state state;
	size_t index;		/* of the data set or the report control block */
	size_t step;		/* of its steps */
	bool asked;		/* a call is under way */
	bool done_with, absent; /* the data set is there as it should be; it is not there */
	bool resynchronize;	/* the EntryID was refused */
	char why[300];
	struct limit limit;
};

/* Borrows all. */
void setup_init(struct setup *s, const struct conf *conf, const struct reports *reports,
    struct mms_client *mms);
void setup_start(struct setup *s);
void setup_stop(struct setup *s);
/* Makes the next call, where it may. */
void setup_pump(struct setup *s, struct monotime now);
/* The result of a call with SETUP_TAG. */
void setup_result(struct setup *s, const struct mms_result *result);

#endif
