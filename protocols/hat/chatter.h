/*
 * Chatter: the frames, conversations and pings below the Event Server's and
 * the Monitor Server's protocols (WIRE: TCP or a Unix stream socket). Pure: no
 * sockets, no clock. Used by gatewayd (client) and gateway-eventd (server).
 *
 * The owner reads its socket into chatter_room(), tells how much with
 * chatter_fed(), then pulls messages with chatter_next() until DEC_MORE, and
 * writes chatter.out to its socket. Pings are answered on the way. At
 * chatter_deadline() it calls chatter_tick().
 */
#ifndef PROTOCOLS_HAT_CHATTER_H
#define PROTOCOLS_HAT_CHATTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/cursor.h"
#include "common/monotime.h"
#include "protocols/hat/sbs.h"

enum {
	/* Longest frame taken where the owner sets no other limit: 100,000 events of a query fit.
	 */
	CHATTER_MAX_FRAME = 32 * 1024 * 1024,
	CHATTER_MAX_SKIP = 1 << 30,   /* longest frame that is skipped */
	CHATTER_MAX_LENGTH_BYTES = 8, /* of a frame's length field; the protocol would allow 255 */
	CHATTER_MAX_HEADER = 128, /* what a frame adds to its data, at most, for our own types */
	CHATTER_PING_MS = 20000,  /* silence before we ping */
	CHATTER_DEAD_MS = 20000,  /* silence after it that ends the connection */
};

/* One message; all pointers borrow from the input. */
struct chatter_msg {
	int64_t id;    /* the sender's count of its messages, from 1 */
	int64_t first; /* id of the message that opened the conversation */
	bool owner;    /* the sender opened it */
	bool token;
	bool last; /* of its conversation */
	struct sbs_str type;
	struct sbs_str data;
	bool cut; /* longer than max_frame: data is empty, the rest of it is skipped */
};

/* A conversation as one end sees it. */
struct chatter_conv {
	int64_t first;
	bool owner; /* we opened it */
};

struct chatter {
	struct buffer in;      /* what was read and not yet pulled */
	struct buffer *out;    /* borrowed: what is to be written */
	struct buffer scratch; /* data of a message whose length is not known beforehand */
	size_t max_frame;
	bool skip_large; /* a frame beyond max_frame is a message that is cut, else DEC_BAD */
	size_t used;	 /* bytes of the frame that the last message borrows from */
	uint64_t skip;	 /* bytes still to come of a frame that is cut */
	int64_t next_id;
	int64_t ping_ms, dead_ms; /* CHATTER_PING_MS and CHATTER_DEAD_MS; ping_ms 0: no pings */
	struct monotime now;	  /* of the last chatter_fed or chatter_tick */
	struct monotime heard;	  /* last message of the peer */
	struct monotime pinged;	  /* our Ping that has no life after it yet, or never */
};

/* out: borrowed, with the owner's limit; its sticky failure means that the peer is too slow. */
void chatter_init(struct chatter *c, struct buffer *out, size_t max_frame, struct monotime now);
/* From now on frames may be of that size: larger than chatter_init() said. */
void chatter_raise_max_frame(struct chatter *c, size_t max_frame);
/* Frees the input; out stays the owner's. */
void chatter_clear(struct chatter *c);

/* Room of at least 1 and about want bytes to read into, its size in *size; NULL when out of memory.
 * Room is never given beyond one frame of max_frame bytes. */
uint8_t *chatter_room(struct chatter *c, size_t want, size_t *size);
void chatter_fed(struct chatter *c, size_t n, struct monotime now);
/* The next message for the owner, which borrows until the next call of chatter_next, chatter_room
 * or chatter_clear. DEC_MORE: read on. DEC_BAD: end the connection. */
enum dec chatter_next(struct chatter *c, struct chatter_msg *msg);

/* When chatter_tick has something to do; ns 0: never. */
struct monotime chatter_deadline(const struct chatter *c);
/* Sends a Ping where it is time. False when the peer is dead. */
bool chatter_tick(struct chatter *c, struct monotime now);

/* The peer opened a conversation with it. */
static inline bool
chatter_msg_opens(const struct chatter_msg *m)
{
	return m->owner && m->first == m->id;
}

/* The conversation that it belongs to, to answer in or to compare with one of ours. */
static inline struct chatter_conv
chatter_msg_conv(const struct chatter_msg *m)
{
	return (struct chatter_conv){ m->first, !m->owner };
}

static inline bool
chatter_conv_eq(struct chatter_conv a, struct chatter_conv b)
{
	return a.first == b.first && a.owner == b.owner;
}

/* Appends a frame to out. conv: the conversation to go on with, or NULL to open one. Returns the
 * conversation's first id, or -1: nothing was written, and out has failed (its limit, memory). */
int64_t chatter_send(struct chatter *c, const struct chatter_conv *conv, const char *type,
    bool last, struct sbs_str data);
/* The same in pieces: the caller appends exactly len bytes of data to out next, which cannot fail.
 */
int64_t chatter_begin(
    struct chatter *c, const struct chatter_conv *conv, const char *type, bool last, size_t len);
/* An empty scratch buffer, to be filled and sent with chatter_send_scratch before the next use. */
struct buffer *chatter_scratch(struct chatter *c);
int64_t chatter_send_scratch(
    struct chatter *c, const struct chatter_conv *conv, const char *type, bool last);

/* One frame at the front of len bytes: DEC_OK with its length in *used, DEC_MORE with the length
 * that is known to be needed in *used, or DEC_BAD. */
enum dec chatter_frame_decode(
    const uint8_t *p, size_t len, size_t max_frame, size_t *used, struct chatter_msg *msg);
void chatter_frame_encode(struct buffer *b, const struct chatter_msg *msg);

#endif
