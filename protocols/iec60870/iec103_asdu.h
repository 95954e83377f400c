/*
 * ASDUs of IEC 60870-5-103 (clause 7.2 and 7.3), in the iec60870 runner: bytes <-> struct, by a
 * table of types. Decoding borrows the bytes and allocates nothing. Pure.
 */
#ifndef PROTOCOLS_IEC60870_IEC103_ASDU_H
#define PROTOCOLS_IEC60870_IEC103_ASDU_H

#include "common/cursor.h"
#include "protocols/iec60870/time.h"

enum {
	IEC103_MAX = 253, /* bytes of an ASDU in a frame with one byte of address */
	IEC103_MAX_OBJECTS = 127,
	IEC103_MAX_GENERIC = 63, /* entries of generic data */
	IEC103_BROADCAST = 255,	 /* common address of all */
	IEC103_GENERIC = 254,	 /* function type of generic functions */
	IEC103_GLOBAL = 255,	 /* function type of the whole device */
};

enum iec103_type_id {
	IEC103_TIME_TAGGED = 1,
	IEC103_TIME_TAGGED_RELATIVE = 2,
	IEC103_MEASURANDS_1 = 3,
	IEC103_MEASURAND_RELATIVE = 4, /* short-circuit location */
	IEC103_IDENTIFICATION = 5,
	IEC103_TIME_SYNC = 6,
	IEC103_INTERROGATION = 7,
	IEC103_INTERROGATION_END = 8,
	IEC103_MEASURANDS_2 = 9,
	IEC103_GENERIC_DATA = 10,
	IEC103_GENERIC_IDENTIFICATION = 11,
	IEC103_COMMAND = 20,
	IEC103_GENERIC_COMMAND = 21,
	IEC103_RECORDED_DISTURBANCES = 23,
	IEC103_DISTURBANCE_ORDER = 24,
	IEC103_DISTURBANCE_ACK = 25,
	IEC103_DISTURBANCE_READY = 26,
	IEC103_CHANNEL_READY = 27,
	IEC103_TAGS_READY = 28,
	IEC103_TAGS = 29,
	IEC103_DISTURBANCE_VALUES = 30,
	IEC103_END_OF_TRANSMISSION = 31,
};

/* Causes of transmission, clause 7.2.3. */
enum iec103_cause {
	IEC103_SPONTANEOUS = 1,
	IEC103_CYCLIC = 2,
	IEC103_TEST_MODE = 7,
	IEC103_CAUSE_TIME_SYNC = 8,
	IEC103_CAUSE_INTERROGATION = 9,
	IEC103_CAUSE_INTERROGATION_END = 10,
	IEC103_LOCAL_OPERATION = 11,
	IEC103_REMOTE_OPERATION = 12,
	IEC103_COMMAND_ACK = 20, /* also the cause of a command */
	IEC103_COMMAND_NACK = 21,
};

/* Double-point information and commands. */
enum iec103_double { IEC103_TRANSIENT, IEC103_OFF, IEC103_ON, IEC103_ERROR };

/* Fields of type 5. */
struct iec103_identity {
	uint8_t compatibility; /* COL */
	uint8_t text[8], software[4];
};

/* Fields of types 23 to 31. */
struct iec103_disturbance {
	bool with_tov;		  /* types 26, 27, 30: two octets before FAN, 0 and TOV; else one */
	uint8_t status;		  /* SOF: bits 0 TP, 1 TM, 2 TEST, 3 OTEV */
	uint8_t order, order_for; /* TOO, TOV */
	uint8_t channel;	  /* ACC */
	uint8_t channels;	  /* NOC */
	uint16_t faults;	  /* NOF */
	uint16_t interval;	  /* INT in us */
};

/* One information object, or one element of it. What its type does not have is 0. */
struct iec103_object {
	uint8_t function, information;
	uint8_t value;		/* enum iec103_double */
	uint8_t number;		/* SIN, SCN or RII */
	uint16_t relative;	/* RET in ms */
	uint16_t fault;		/* FAN */
	struct iec_time time;	/* CP32, or CP56 of types 6 and 23 */
	int16_t measurand;	/* -4096 .. 4095, of 4096 */
	bool overflow, invalid; /* of the measurand */
	float real[3];		/* SCL; or RPV, RSV, RFA */
	struct iec103_identity identity;
	struct iec103_disturbance disturbance;
	uint16_t elements;    /* NOE, or NFE, or TAP: the first element */
	uint8_t count;	      /* entries in rest: of NGD, NDE, NOG; NOT; NDV */
	bool counter, more;   /* of NGD and NDE */
	uint8_t group, entry; /* GIN of type 11 */
	const uint8_t *rest;  /* the entries themselves, borrowed */
	size_t rest_len;
};

struct iec103_type {
	uint8_t id;
	const char *name;  /* NULL: no such type */
	bool may_have_tov; /* devices send it with TOV, as the standard says, and without */
	void (*get)(struct iec103_object *o, struct cursor *c);
	uint8_t *(*put)(const struct iec103_object *o, uint8_t *p); /* returns the end */
};

struct iec103_asdu {
	const struct iec103_type *type; /* never NULL after DEC_OK */
	uint8_t type_id, cause, common;
	bool elements;	    /* one object of several elements (bit 8 of the qualifier is 0) */
	uint8_t count;	    /* objects, or elements */
	struct cursor rest; /* borrowed; what iec103_next() has not read */
	uint8_t at;	    /* objects read */
	bool with_tov;	    /* of its objects */
	uint8_t function, information; /* of the elements */
};

/* NULL: unknown. */
const struct iec103_type *iec103_type_find(uint8_t id);

/* DEC_OK: header and length are right and every field has a value of the standard. DEC_UNSUP:
 * unknown type, the header is filled. DEC_MORE: shorter than a header. DEC_BAD: shorter or longer
 * than it says, or a field is not valid. */
enum dec iec103_decode(struct iec103_asdu *a, const void *data, size_t len);
/* The next object or element; false after the last. */
bool iec103_next(struct iec103_asdu *a, struct iec103_object *o);

/* Writes an ASDU of n objects (a->elements: of one object with n elements, addressed by the first).
 * Uses type_id, cause, common, elements of a. Returns the bytes, or -1 with EINVAL or EMSGSIZE. */
int iec103_encode(uint8_t out[IEC103_MAX], const struct iec103_asdu *a,
    const struct iec103_object objects[], size_t n);

/* One entry of generic data (types 10 and 11): as many values of size bytes as number says. */
struct iec103_generic {
	uint8_t group, entry; /* GIN; of type 11 the object's */
	uint8_t description;  /* KOD */
	uint8_t data_type, size, number;
	bool more;
	const uint8_t *values; /* borrowed */
	size_t value_len;      /* bytes of one value */
};

/* Takes the next entry off c, with a GIN of its own (type 10) or without. */
bool iec103_generic_next(struct cursor *c, bool with_gin, struct iec103_generic *g);

/* "SPONTANEOUS", ...: the causes of the events; NULL for others. */
const char *iec103_cause_name(uint8_t cause);
/* "TRANSIENT", "OFF", "ON", "ERROR"; NULL-terminated. */
extern const char *const iec103_double_names[];
/* "m1_i_l2", ...: the data type of the n-th measurand of type 3 or 9, NULL beyond. */
const char *iec103_measurand_name(uint8_t type_id, unsigned n);

#endif
