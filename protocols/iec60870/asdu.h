/*
 * ASDUs of IEC 60870-5-101/104 (clause 7 of part 101), in runner processes.
 * Decoding borrows the bytes and allocates nothing: asdu_decode() checks the
 * header and that the length is exactly what it announces, asdu_next() gives
 * one object after another. Encoding fills one ASDU of bounded size.
 */
#ifndef PROTOCOLS_IEC60870_ASDU_H
#define PROTOCOLS_IEC60870_ASDU_H

#include "protocols/iec60870/object.h"

enum {
	ASDU_MAX = 252,	    /* bytes of the longest ASDU, of part 101 */
	ASDU_MAX_104 = 249, /* the same in an APDU of part 104 */
	ASDU_MAX_OBJECTS = 127,
};

/* Bytes of the fields that part 101 leaves to agreement. */
struct asdu_sizes {
	uint8_t cause;	/* 1, or 2 with the originator address */
	uint8_t common; /* 1 or 2 */
	uint8_t object; /* 1..3 */
};

/* As part 104 fixes them: 2, 2, 3. */
extern const struct asdu_sizes asdu_sizes_104;

/* The highest value: 0xff or 0xffff, also the broadcast address; 0xff, 0xffff or 0xffffff. */
uint16_t asdu_max_common(const struct asdu_sizes *s);
uint32_t asdu_max_object(const struct asdu_sizes *s);

struct asdu_head {
	const struct iec_type *type; /* never NULL after DEC_OK */
	uint8_t type_id;
	uint8_t cause;	    /* 0..63 */
	bool negative;	    /* P/N: negative confirmation */
	bool test;	    /* T */
	uint8_t originator; /* 0 where cause has one byte */
	uint16_t common;    /* address */
	bool sequence;	    /* SQ: addresses follow one another */
	uint8_t count;	    /* objects */
};

struct asdu {
	struct asdu_head head;
	struct asdu_sizes sizes;
	struct cursor rest;  /* borrowed; what asdu_next() has not read */
	uint8_t left;	     /* objects to come */
	uint32_t next;	     /* SQ: address of the next object */
	struct iec_time tag; /* SQ: the one time tag of all objects ... */
	bool tag_each;	     /* ... unless each has its own */
};

/* A sequence (SQ = 1) of a type with a time tag, which the standard does not know, comes in two
 * layouts: a tag in each element, or one behind the last. The length tells which.
 * DEC_OK: header and length are right. DEC_UNSUP: unknown type; head is filled but for type, so
 * that it can be mirrored. DEC_MORE: shorter, DEC_BAD: longer than it says. */
enum dec asdu_decode(struct asdu *a, const struct asdu_sizes *sizes, const void *data, size_t len);
/* The next object; false after the last. Look at o->defect. */
bool asdu_next(struct asdu *a, struct iec_object *o);

/* Encoding. One ASDU of at most max bytes, in the writer itself. */
struct asdu_writer {
	struct asdu_sizes sizes;
	struct asdu_head head; /* count follows what was added */
	size_t max, len;
	uint32_t next; /* SQ: the address that must follow */
	uint8_t data[ASDU_MAX];
};

/* head->type says the type; head->sequence asks for SQ = 1 (types without time tag); count is
 * ignored. max <= ASDU_MAX. */
void asdu_begin(struct asdu_writer *w, const struct asdu_sizes *sizes, const struct asdu_head *head,
    size_t max);
/* Adds one object. False when it does not fit into this ASDU (a new one is needed), or can not be
 * encoded at all (address or a field out of range; then an empty ASDU refuses it too). */
bool asdu_add(struct asdu_writer *w, const struct iec_object *o);
/* The bytes, w->len of them; an ASDU without objects is valid but says nothing. */
const uint8_t *asdu_end(struct asdu_writer *w);

/* An ASDU of one object in w, of at most max bytes. Returns its w->len bytes; NULL when the object
 * does not fit or cannot be encoded. */
const uint8_t *asdu_of_one(struct asdu_writer *w, const struct asdu_sizes *sizes,
    const struct asdu_head *head, const struct iec_object *o, size_t max);

/* Answers a request with its own bytes (copied), from a common address, with that cause and P/N
 * bit: clause 7.2.3. data must hold at least the header of sizes. Returns the bytes written, 0 when
 * it is shorter than a header or does not fit max. */
size_t asdu_mirror(uint8_t *out, size_t max, const struct asdu_sizes *sizes, const void *data,
    size_t len, uint16_t common, unsigned cause, bool negative);

/* Objects packed into as many ASDUs as they need; each has objects of one type. */
struct asdu_batch {
	struct asdu_writer writer; /* head.count 0: nothing is in it */
	struct asdu_sizes sizes;
	struct asdu_head head; /* cause, test, originator, common of all */
	size_t max;	       /* bytes of an ASDU */
	void (*send)(void *arg, const void *asdu, size_t len);
	void *arg;
};

/* Adds an object; one that cannot be encoded is left out. */
void asdu_batch_add(struct asdu_batch *b, const struct iec_type *type, const struct iec_object *o);
/* Sends what is left; to be called at the end. */
void asdu_batch_flush(struct asdu_batch *b);

#endif
