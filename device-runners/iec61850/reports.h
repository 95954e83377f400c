/*
 * Reports of iec61850_client: puts segments together, counts what is missing, makes events of the
 * data that a report brings and remembers the EntryID that was reached. In the iec61850 runner.
 */
#ifndef DEVICE_RUNNERS_IEC61850_REPORTS_H
#define DEVICE_RUNNERS_IEC61850_REPORTS_H

#include "device-runners/iec61850/conf.h"

enum {
	REPORTS_SEGMENT_MS = 100000,	     /* between two segments of a report */
	REPORTS_MAX_STORE = 4 * 1024 * 1024, /* octets of the values of a report in segments */
};

struct reports;

/* Borrows conf. Never NULL. */
struct reports *reports_new(struct runner *r, const struct conf *conf);
void reports_free(struct reports *p);
/* A connection begins: what the one before left is dropped, but for EntryIDs. */
void reports_reset(struct reports *p);
/* False: it is no report of a report control block. */
bool reports_take(struct reports *p, const struct mms_report *report, struct monotime now);

/* The EntryID of the last report whose events were registered; false: none is known. */
bool reports_entry_id(
    const struct reports *p, const struct conf_rcb *rcb, const uint8_t **data, size_t *len);
/* Takes the EntryID that an earlier run registered, in hexadecimal digits. Other texts are ignored.
 */
void reports_seed(struct reports *p, const char *id, const char *hex);

#endif
