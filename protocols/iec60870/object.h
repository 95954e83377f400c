/*
 * Information objects of IEC 60870-5-101/104 (clause 7.2.6 and 7.3 of part
 * 101, clause 8 of part 104), in runner processes: what a type identification
 * carries, and one object's elements <-> struct iec_object. A type is one row
 * of a table. Pure.
 */
#ifndef PROTOCOLS_IEC60870_OBJECT_H
#define PROTOCOLS_IEC60870_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cursor.h"
#include "protocols/iec60870/time.h"

/* The use of a type. */
enum iec_class {
	IEC_CLASS_DATA,
	IEC_CLASS_COMMAND,
	IEC_CLASS_END_OF_INIT,
	IEC_CLASS_INTERROGATION,
	IEC_CLASS_COUNTER_INTERROGATION,
	IEC_CLASS_READ,
	IEC_CLASS_CLOCK_SYNC,
	IEC_CLASS_TEST,
	IEC_CLASS_RESET,
	IEC_CLASS_DELAY,
	IEC_CLASS_PARAMETER,
	IEC_CLASS_PARAMETER_ACTIVATION,
	IEC_CLASS_FILE,
	IEC_CLASSES, /* their number */
};

/* The kind of its value; the data types of the events have this order. */
enum iec_kind {
	IEC_SINGLE,
	IEC_DOUBLE,
	IEC_STEP_POSITION,
	IEC_BITSTRING,
	IEC_NORMALIZED,
	IEC_SCALED,
	IEC_FLOATING,
	IEC_BINARY_COUNTER,
	IEC_PROTECTION,
	IEC_PROTECTION_START,
	IEC_PROTECTION_COMMAND,
	IEC_STATUS,
	IEC_DATA_KINDS,
	IEC_REGULATING = IEC_DATA_KINDS, /* commands only */
	IEC_NO_VALUE,
	IEC_KINDS = IEC_NO_VALUE,
};

/* Which quality descriptor it has. */
enum iec_quality {
	IEC_QUALITY_NONE,
	IEC_QUALITY_INDICATION,
	IEC_QUALITY_MEASUREMENT,
	IEC_QUALITY_COUNTER,
	IEC_QUALITY_PROTECTION,
};

/* Bits of iec_object.quality, as on the wire. */
enum {
	IEC_Q_INVALID = 0x80,
	IEC_Q_NOT_TOPICAL = 0x40,
	IEC_Q_SUBSTITUTED = 0x20,
	IEC_Q_BLOCKED = 0x10,
	IEC_Q_TIME_INVALID = 0x08, /* protection: elapsed time invalid */
	IEC_Q_OVERFLOW = 0x01,
	IEC_Q_COUNTER_ADJUSTED = 0x40, /* of a counter */
	IEC_Q_COUNTER_OVERFLOW = 0x20, /* of a counter: carry */
	IEC_Q_COUNTER_SEQUENCE = 0x1f,
};

/* Causes of transmission, clause 7.2.3. Others of 0..63 are numbers. */
enum iec_cause {
	IEC_PERIODIC = 1,
	IEC_BACKGROUND_SCAN = 2,
	IEC_SPONTANEOUS = 3,
	IEC_INITIALIZED = 4,
	IEC_REQUEST = 5,
	IEC_ACTIVATION = 6,
	IEC_ACTIVATION_CONFIRMATION = 7,
	IEC_DEACTIVATION = 8,
	IEC_DEACTIVATION_CONFIRMATION = 9,
	IEC_ACTIVATION_TERMINATION = 10,
	IEC_REMOTE_COMMAND = 11,
	IEC_LOCAL_COMMAND = 12,
	IEC_FILE_TRANSFER = 13,
	IEC_INTERROGATED_STATION = 20, /* 21..36: groups 1..16 */
	IEC_INTERROGATED_COUNTER = 37, /* 38..41: counter groups 1..4 */
	IEC_UNKNOWN_TYPE = 44,
	IEC_UNKNOWN_CAUSE = 45,
	IEC_UNKNOWN_ASDU_ADDRESS = 46,
	IEC_UNKNOWN_IO_ADDRESS = 47,
	IEC_MAX_CAUSE = 63,
};

/* Type identifications that programs name; all are rows of the table. */
enum iec_type_id {
	IEC_M_SP_NA_1 = 1,
	IEC_M_IT_NA_1 = 15,
	IEC_M_ME_ND_1 = 21,
	IEC_M_EI_NA_1 = 70,
	IEC_C_IC_NA_1 = 100,
	IEC_C_CI_NA_1 = 101,
	IEC_C_RD_NA_1 = 102,
	IEC_C_CS_NA_1 = 103,
	IEC_C_TS_NA_1 = 104,
	IEC_C_RP_NA_1 = 105,
	IEC_C_CD_NA_1 = 106,
	IEC_C_TS_TA_1 = 107,
};

/* The companion standards that have a struct iec_type. */
enum { IEC_IN_101 = 1, IEC_IN_104 = 2 };

/* Fields of F_* objects (clause 7.3.6); a field that a type does not have is 0. */
struct iec_file {
	uint16_t name;
	uint8_t section;
	uint32_t length;   /* of the file or the section, 24 bits */
	uint8_t qualifier; /* FRQ, SRQ, SCQ, LSQ, AFQ or SOF, as on the wire */
	uint8_t checksum;
	uint8_t segment_len;
	const uint8_t *segment; /* borrowed */
};

/* One information object. What its type does not have is 0. */
struct iec_object {
	uint32_t address;
	int32_t
	    value;  /* single 0 1, double 0..3, step -64..63, normalized * 32767, scaled, counter,
		     * protection 1 off 2 on, regulating 1 2, bits of start and command events
		     * (bit 0 general, then l1 l2 l3 ie reverse); bitstring: first byte highest;
		     * status: states in the low, changes in the high 16 bits; test counter */
	float real; /* floating; NaN and infinities are values */
	bool transient;	      /* of a step position */
	bool select;	      /* of a command; M_EI: parameters changed (bit 8 of COI) */
	uint8_t quality;      /* IEC_Q_ */
	uint8_t qualifier;    /* QU 0..31 of a command, QL, QOI, QRP, QPM, QPA, COI; RQT of QCC */
	uint8_t freeze;	      /* FRZ 0..3 of QCC */
	uint16_t elapsed;     /* CP16Time2a in ms: elapsed, duration, operating time; delay */
	struct iec_time time; /* size IEC_TIME_NONE: without; of C_CS and F_DR the element's */
	struct iec_file file;
	const char *defect; /* decoded, but no value of the standard: why; else NULL */
};

struct iec_type {
	uint8_t id;
	uint8_t class;	  /* enum iec_class */
	uint8_t kind;	  /* enum iec_kind */
	uint8_t quality;  /* enum iec_quality */
	uint8_t size;	  /* bytes of one object without address and time; F_SG: the fixed part */
	uint8_t time;	  /* enum iec_time_size of the tag */
	uint8_t in;	  /* IEC_IN_ */
	const char *name; /* "M_SP_NA_1"; NULL: no such type */
	void (*get)(struct iec_object *o, struct cursor *c);
	uint8_t *(*put)(const struct iec_object *o, uint8_t *p); /* returns the end */
};

/* The row of a type identification, or NULL. */
const struct iec_type *iec_type_find(uint8_t id);
/* The type of a class and kind with a time tag of that size (IEC_TIME_NONE: without); NULL: there
 * is none, e.g. single commands with CP24. with_quality false asks for M_ME_ND_1. */
const struct iec_type *iec_type_choose(
    enum iec_class class, enum iec_kind kind, enum iec_time_size time, bool with_quality);

/* The type of the same data without a time tag, which is the type itself where it has none; NULL:
 * there is none (events of protection equipment). For data only. */
const struct iec_type *iec_type_untagged(const struct iec_type *type);

/* Reads one object's elements and, where time is set, its tag; the address is the caller's. */
void iec_object_decode(struct iec_object *o, const struct iec_type *type, struct cursor *c);
/* Bytes of the object with its tag, without its address; F_SG counts its segment. */
size_t iec_object_size(const struct iec_object *o, const struct iec_type *type);
/* Writes iec_object_size() bytes of a checked object and returns their end. */
uint8_t *iec_object_encode(const struct iec_object *o, const struct iec_type *type, uint8_t *p);
/* Whether every field is in the range of the type, so that encoding loses nothing: NULL, or what is
 * wrong. */
const char *iec_object_check(const struct iec_object *o, const struct iec_type *type);

/* The cause of the data that the qualifier of an interrogation asks for (clauses 7.2.6.22 QOI and
 * 7.2.6.23 QCC, RQT); 0 where it asks for nothing: it is not used, reserved, or by private
 * agreement.
 */
uint8_t iec_interrogation_cause(const struct iec_type *type, unsigned qualifier);

/* "SPONTANEOUS", "INTERROGATED_GROUP01"; NULL for causes without a name. */
const char *iec_cause_name(unsigned cause);

#endif
