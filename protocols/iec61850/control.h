/*
 * Control objects (IEC 61850-7-2, clause 20; IEC 61850-8-1, clause 20): Oper, SBOw and Cancel as
 * they are written, LastApplError and CommandTermination as they are reported, and errors by name,
 * in the iec61850 runner. Pure.
 */
#ifndef PROTOCOLS_IEC61850_CONTROL_H
#define PROTOCOLS_IEC61850_CONTROL_H

#include "protocols/iec61850/type.h"
#include "protocols/mms/service.h"

enum {
	IEC61850_MAX_IDENT = 64, /* octets of orIdent */
	IEC61850_CHECK_SYNCHRO = 1 << 0,
	IEC61850_CHECK_INTERLOCK = 1 << 1,
};

struct iec61850_control {
	const struct json *value;	  /* of ctlVal */
	const struct iec61850_type *type; /* of it */
	bool operate_time;		  /* operTm stands in it, as zero */
	uint8_t category;		  /* orCat: enum iec61850_category */
	const char *ident;		  /* orIdent; IEC61850_MAX_IDENT octets at most are sent */
	uint8_t number;			  /* ctlNum */
	struct mms_utc_time time;
	bool test;
	uint8_t checks; /* IEC61850_CHECK_* */
};

/* Names of categories from 1, of checks from bit 0. */
extern const char *const iec61850_category_names[];
extern const char *const iec61850_check_names[];

/* Writes Oper or SBOw, or Cancel, which has no Check. False where the value is none of its type. */
bool iec61850_control_put(struct ber_writer *w, const struct iec61850_control *c, bool cancel);

/* LastApplError. */
struct iec61850_application_error {
	struct mms_str object; /* "LD/LN$CO$name", without its attribute */
	int64_t error, cause;
	uint64_t number; /* ctlNum */
};

/* The content of a report about a control, which is none of RPT. */
struct iec61850_termination {
	bool has_error;
	struct iec61850_application_error error;
	bool terminated;	/* CommandTermination: Oper was reported */
	struct mms_name object; /* of it, the attribute included */
	uint64_t number;	/* its ctlNum */
};
enum dec iec61850_termination_decode(
    struct iec61850_termination *t, const struct mms_report *report);
/* Whether it is about that object: domain and item without the attribute. */
bool iec61850_error_is_of(const struct iec61850_application_error *e, const char *domain,
    const char *item, uint8_t number);

/* AddCause and Error of LastApplError; "UNKNOWN" for what has no name. */
const char *iec61850_cause_name(int64_t cause);
const char *iec61850_test_error_name(int64_t error);
/* The service error of a DataAccessError. */
const char *iec61850_service_error_name(int64_t access_error);

#endif
