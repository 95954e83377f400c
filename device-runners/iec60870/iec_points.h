/*
 * The data of a slave of 101 or 104: the last state of each configured data point, and circular
 * buffers of changes that no master has yet. In the iec60870 runner; no sockets, no loop.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC_POINTS_H
#define DEVICE_RUNNERS_IEC60870_IEC_POINTS_H

#include "common/schema/schema.h"
#include "device-runners/iec60870/iec_json.h"
#include "device-runners/runtime/runner.h"

#define POINTS_MAX_CHANGES 10000000 /* of one buffer; memory is taken as they come */
enum {
	POINTS_MAX_ASDU = 40,	   /* an ASDU of one data object, with every size at its largest */
	POINTS_MAX_DATA = 1000000, /* of one device */
	POINTS_MAX_BUFFERS = 1024, /* of one device: each master reads each of them */
};

/* The keys of both slaves, for a row each of their schemas. */
extern const struct schema points_buffers_schema, points_data_schema;
#define POINTS_SCHEMA_FIELDS                                                                       \
	{ .key = "buffers",                                                                        \
		.required = true,                                                                  \
		.is = { .kind = SCHEMA_ARRAY,                                                      \
		    .items = &points_buffers_schema,                                               \
		    .max = POINTS_MAX_BUFFERS } },                                                 \
	{                                                                                          \
		.key = "data", .required = true,                                                   \
		.is = {.kind = SCHEMA_ARRAY,                                                       \
			.items = &points_data_schema,                                              \
			.max = POINTS_MAX_DATA }                                                   \
	}

struct point {
	uint16_t common;
	uint8_t kind;	/* enum iec_kind */
	bool known;	/* head and object are set */
	bool live;	/* an event came, which is newer than the answer to the start's query */
	bool freeze;	/* of a counter: requests to freeze or reset it are events */
	bool confirmed; /* changes are sent by a service with confirmation: with_ack */
	int16_t buffer; /* -1: none */
	uint32_t address;
	uint32_t place; /* in the configuration's data */
	struct asdu_head head;
	struct iec_object object;
};

struct point_change;

struct point_buffer {
	struct point_change *ring; /* owned; of `capacity`, which grows up to `size` */
	uint32_t size, capacity, count;
	uint64_t first; /* number of the oldest; the next has first + count */
};

struct points {
	struct point *list;	   /* owned; by common address, kind, object address */
	struct point **by_address; /* owned; the same by common address, object address, kind */
	size_t count;
	struct point_buffer *buffers; /* owned; in the order of the configuration */
	size_t buffer_count;
};

/* Reads the checked keys "buffers" and "data". The last of two that are the same counts, with a
 * warning. Reports what is unknown or out of range. Returns 0, or -1 after a configuration error.
 * points_clear() either way. */
int points_init(
    struct points *p, struct runner *r, const struct json *conf, const struct asdu_sizes *s);
void points_clear(struct points *p);

/* NULL where there is none. */
struct point *points_find(struct points *p, uint16_t common, enum iec_kind kind, uint32_t address);
/* All points of a common address, which stand together; *count 0 where there are none. */
struct point *points_of(const struct points *p, uint16_t common, size_t *count);
/* The first known point of an object address, of whatever kind; NULL where there is none. */
const struct point *points_at(const struct points *p, uint16_t common, uint32_t address);

/* Appends a change (at most POINTS_MAX_ASDU bytes) to the buffer of the point; the oldest gives
 * way. Returns a token for points_given(); 0 where the point has no buffer or it has no size. */
uint64_t points_keep(struct points *p, const struct point *point, const void *asdu, size_t len);
/* A master has the change of this token; unknown and 0 are fine. */
void points_given(struct points *p, uint64_t token);

/* How far one master has read the buffers: of each, the number of the change that is next. */
struct points_reader {
	uint64_t *next; /* owned; one a buffer */
	bool behind;	/* not everything was taken: to be read again when there is room */
};

/* From the beginning of every buffer. Returns 0, or -1 when out of memory. */
int points_reader_init(struct points_reader *r, const struct points *p);
void points_reader_rewind(struct points_reader *r, const struct points *p);
void points_reader_clear(struct points_reader *r);

/* Takes a change; false where there is no room for it now. */
typedef bool points_read_cb(
    void *arg, uint64_t token, const void *asdu, size_t len, bool confirmed);
/* Gives every change that is kept and was not read yet, buffer by buffer, oldest first, until one
 * is not taken. */
void points_read(const struct points *p, struct points_reader *r, points_read_cb *cb, void *arg);

#endif
