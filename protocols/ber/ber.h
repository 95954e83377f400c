/*
 * BER (ITU-T X.690 clause 8) as SNMP, ACSE and MMS use it, in runner processes: definite lengths
 * only, strings in one piece.
 *
 * The reader walks borrowed bytes. It never reads past the innermost element that was entered, and
 * its error is sticky: read freely, check ber_ok() once, and ber_more() each turn of a loop. A
 * function that fails returns 0, false or NULL. The writer fills memory of the caller; its error is
 * sticky too.
 *
 * Written is what DER would write: shortest lengths, shortest integers. Read is also what is
 * longer than it has to be, as devices send it.
 */
#ifndef PROTOCOLS_BER_BER_H
#define PROTOCOLS_BER_BER_H

#include "common/cursor.h"
#include "protocols/ber/oid.h"

/* A tag is one number: class, constructed bit, tag number. */
#define BER_CLASS_APPLICATION (UINT32_C(1) << 30)
#define BER_CLASS_CONTEXT (UINT32_C(2) << 30)
#define BER_CLASS_PRIVATE (UINT32_C(3) << 30)
#define BER_CONSTRUCTED (UINT32_C(1) << 29)
#define BER_APPLICATION(n) (BER_CLASS_APPLICATION | (n))
#define BER_CONTEXT(n) (BER_CLASS_CONTEXT | (n))
#define BER_APPLICATION_C(n) (BER_CLASS_APPLICATION | BER_CONSTRUCTED | (n))
#define BER_CONTEXT_C(n) (BER_CLASS_CONTEXT | BER_CONSTRUCTED | (n))
#define BER_BOOLEAN UINT32_C(1)
#define BER_INTEGER UINT32_C(2)
#define BER_BIT_STRING UINT32_C(3)
#define BER_OCTET_STRING UINT32_C(4)
#define BER_NULL UINT32_C(5)
#define BER_OBJECT_ID UINT32_C(6)
#define BER_EXTERNAL (BER_CONSTRUCTED | 8)
#define BER_SEQUENCE (BER_CONSTRUCTED | 16)
#define BER_SET (BER_CONSTRUCTED | 17)

enum {
	BER_MAX_DEPTH = 32,	     /* elements that stand in one another, in both directions */
	BER_MAX_NUMBER = 0x0fffffff, /* tag number: four octets of seven bits */
	BER_MAX_LENGTH_OCTETS = 8,   /* of a length in long form, useless zeros included */
};

/* --- Reading --- */

struct ber_element {
	uint32_t tag;
	const uint8_t *data; /* content, borrowed */
	size_t len;
};

struct ber_reader {
	struct cursor c; /* ends where the innermost element that was entered ends */
	unsigned depth, max_depth;
	const uint8_t *ends[BER_MAX_DEPTH]; /* of the elements around it */
};

/* Borrows data for the life of the reader. max_depth: elements entered at once, at most
 * BER_MAX_DEPTH. */
void ber_reader_init(struct ber_reader *r, const void *data, size_t len, unsigned max_depth);

static inline bool
ber_ok(const struct ber_reader *r)
{
	return cursor_ok(&r->c);
}

/* Whether another element follows in the innermost one; false after an error. */
static inline bool
ber_more(const struct ber_reader *r)
{
	return cursor_ok(&r->c) && cursor_left(&r->c) > 0;
}

/* Refuses what is read: for what the caller finds wrong. */
void ber_fail(struct ber_reader *r);

/* Whether an element of that tag follows. Moves nothing, is no error where it does not: for
 * OPTIONAL and CHOICE. */
bool ber_is(const struct ber_reader *r, uint32_t tag);
/* The tag that follows in *tag; false at the end of the innermost element and where it is none. */
bool ber_peek(const struct ber_reader *r, uint32_t *tag);

/* The next element, whatever it is. */
bool ber_next(struct ber_reader *r, struct ber_element *e);
/* The next element must have that tag. Reads go on inside of it, until ber_leave(). It may be a
 * primitive one, as an OCTET STRING that holds an encoded value. */
bool ber_enter(struct ber_reader *r, uint32_t tag);
/* Goes on behind the element that was entered last. All of its content must have been read, */
void ber_leave(struct ber_reader *r);
/* or the rest of it is passed over: an extension that is not known. */
void ber_leave_rest(struct ber_reader *r);

/* The next element must have that tag. */
const uint8_t *ber_bytes(struct ber_reader *r, uint32_t tag, size_t *len);
/* INTEGER and its kind, two's complement; useless leading octets are taken, no content is 0. A
 * value that does not fit is an error. */
int64_t ber_int(struct ber_reader *r, uint32_t tag);
/* The same taken as unsigned: devices leave out the 00 before a first octet of 0x80 and above.
 * octets: 1 to 8, what the value may fill. */
uint64_t ber_uint(struct ber_reader *r, uint32_t tag, size_t octets);
bool ber_bool(struct ber_reader *r, uint32_t tag);
void ber_null(struct ber_reader *r, uint32_t tag);
void ber_oid(struct ber_reader *r, uint32_t tag, struct ber_oid *oid);
/* BIT STRING: bit 0 is the top bit of the first octet. bits: how many there are. */
const uint8_t *ber_bits(struct ber_reader *r, uint32_t tag, size_t *bits);

/* The same of an element that ber_next() gave. False where it does not hold such a value. */
bool ber_element_int(const struct ber_element *e, int64_t *v);
bool ber_element_uint(const struct ber_element *e, size_t octets, uint64_t *v);
bool ber_element_bits(const struct ber_element *e, const uint8_t **data, size_t *bits);

/* --- Writing --- */

struct ber_writer {
	uint8_t *data; /* the caller's */
	size_t len, size;
	bool failed; /* sticky: no room, or wrongly nested */
	unsigned depth;
	size_t begins[BER_MAX_DEPTH]; /* first content octets of the elements that are open */
	size_t hole;		      /* of ber_put_hole() */
};

/* Borrows data, size bytes of room, for the life of the writer. */
void ber_writer_init(struct ber_writer *w, void *data, size_t size);
/* Bytes that were written; 0 where something failed or an element is still open. */
size_t ber_writer_done(const struct ber_writer *w);

/* An element whose content is what is written until the ber_end() that belongs to it. */
void ber_begin(struct ber_writer *w, uint32_t tag);
void ber_end(struct ber_writer *w);

void ber_put_bytes(struct ber_writer *w, uint32_t tag, const void *data, size_t len);
void ber_put_int(struct ber_writer *w, uint32_t tag, int64_t v);
void ber_put_uint(struct ber_writer *w, uint32_t tag, uint64_t v);
void ber_put_bool(struct ber_writer *w, uint32_t tag, bool v);
void ber_put_null(struct ber_writer *w, uint32_t tag);
void ber_put_oid(struct ber_writer *w, uint32_t tag, const struct ber_oid *oid);
/* data holds (bits + 7) / 8 octets; those behind the last bit are written as 0. */
void ber_put_bits(struct ber_writer *w, uint32_t tag, const uint8_t *data, size_t bits);
/* Elements that are encoded already. */
void ber_put_raw(struct ber_writer *w, const void *data, size_t len);
/* len zeros, to be filled in when the whole is known. w->hole is the place of their first from then
 * on, also when ber_end() moves it; one in a writer. */
void ber_put_hole(struct ber_writer *w, uint32_t tag, size_t len);

#endif
