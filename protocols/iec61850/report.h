/*
 * Reports (IEC 61850-7-2, clause 17; IEC 61850-8-1, clause 17): what an InformationReport of the
 * list RPT says, checked as a whole, in the iec61850 runner. Pure.
 */
#ifndef PROTOCOLS_IEC61850_REPORT_H
#define PROTOCOLS_IEC61850_REPORT_H

#include "protocols/mms/service.h"

enum {
	IEC61850_MAX_ENTRY_ID = 64, /* octets; the standard has 8 */
	IEC61850_OPTIONAL_BITS = 10,
	IEC61850_TRIGGER_BITS = 6,
};

/* Bits of OptFlds. */
enum iec61850_optional {
	IEC61850_OPT_SEQUENCE = 1 << 1,
	IEC61850_OPT_TIME = 1 << 2,
	IEC61850_OPT_REASON = 1 << 3,
	IEC61850_OPT_DATASET = 1 << 4,
	IEC61850_OPT_REFERENCE = 1 << 5,
	IEC61850_OPT_OVERFLOW = 1 << 6,
	IEC61850_OPT_ENTRY_ID = 1 << 7,
	IEC61850_OPT_REVISION = 1 << 8,
	IEC61850_OPT_SEGMENTED = 1 << 9,
};

/* Names of the bits of TrgOps and of reasons, from bit 1: "DATA_CHANGE" ... Reasons have one more.
 */
enum { IEC61850_REASONS = 6, IEC61850_TRIGGERS = 5, IEC61850_OPTIONS = 8 };
extern const char *const iec61850_reason_names[IEC61850_REASONS + 1];
extern const char *const iec61850_option_names[IEC61850_OPTIONS + 1];

struct iec61850_report {
	struct mms_str report_id;
	uint32_t optional;	 /* enum iec61850_optional: what the report has */
	uint64_t sequence;	 /* SqNum */
	bool overflow;		 /* BufOvfl */
	const uint8_t *entry_id; /* NULL: none */
	size_t entry_id_len;
	uint64_t revision, sub_sequence;
	bool more; /* another segment follows */
	const uint8_t *inclusion;
	size_t members; /* of the data set, included or not */
	struct mms_list references, values, reasons;
	size_t at; /* of the walk: the next member */
};

/* One member of the data set in a report. */
struct iec61850_member {
	size_t index;
	struct mms_value value;
	uint32_t reasons;	  /* bit n as in iec61850_reason_names, from bit 1; 0: not said */
	struct mms_str reference; /* p NULL: not said */
};

/* DEC_OK; DEC_BAD: it is no report. DEC_UNSUP: it is another report than of RPT. */
enum dec iec61850_report_decode(struct iec61850_report *r, const struct mms_report *mms);
/* The next member that is included; false at the end. */
bool iec61850_report_next(struct iec61850_report *r, struct iec61850_member *m);

#endif
