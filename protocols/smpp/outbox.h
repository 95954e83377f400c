/*
 * Messages between the event that asked for them and their result: they wait
 * for a connection and for room in its window, each until its deadline, in
 * order. A message ends exactly once. Pure.
 */
#ifndef PROTOCOLS_SMPP_OUTBOX_H
#define PROTOCOLS_SMPP_OUTBOX_H

#include <sys/queue.h>

#include "common/monotime.h"
#include "protocols/smpp/pdu.h"
#include "protocols/smpp/text.h"

enum {
	OUTBOX_MAX_MESSAGES = 1024,
	OUTBOX_MAX_BYTES = 8 * 1024 * 1024,
	OUTBOX_THROTTLE_MS = 1000, /* after RTHROTTLED and RMSGQFUL; doubles to the next */
	OUTBOX_THROTTLE_MAX_MS = 30000,
};

enum outbox_part { PART_WAITS, PART_SENT, PART_TAKEN };

struct outbox_message {
	TAILQ_ENTRY(outbox_message) entry;
	uint64_t number;
	struct monotime deadline;
	char *address, *request; /* owned; request: JSON, or NULL */
	uint8_t *octets;	 /* owned, the parts one after another */
	size_t count, bytes;	 /* parts; what the message holds of memory */
	size_t taken;		 /* parts that the peer accepted */
	struct {
		uint32_t offset, len;
		enum outbox_part state;
	} parts[]; /* count */
};

/* The end of a message. status: of an SMSC, or 0 with why. id is borrowed. */
struct outbox_result {
	const struct outbox_message *message;
	uint32_t status;
	const char *why; /* "TIMEOUT", "CONNECTION_LOST", ...; NULL: the status says it */
	struct smpp_str id;
};

typedef void outbox_result_cb(void *arg, const struct outbox_result *result);
/* An answer to this tag is not waited for any more. */
typedef void outbox_forget_cb(void *arg, uint64_t tag);

struct outbox {
	TAILQ_HEAD(outbox_list, outbox_message) list;
	size_t messages, bytes;
	uint64_t number;
	int64_t throttle_ms; /* 0: the peer takes what it is sent */
	struct monotime throttled;
	outbox_result_cb *on_result;
	outbox_forget_cb *forget;
	void *arg;
};

struct outbox_part_out {
	const struct outbox_message *message;
	struct smpp_str octets;
	uint64_t tag;
};

void outbox_init(
    struct outbox *q, outbox_result_cb *on_result, outbox_forget_cb *forget, void *arg);
/* Frees what is left without a result. */
void outbox_clear(struct outbox *q);

/* Copies everything. Returns 0; -1 when the queue is full or memory is short. */
int outbox_put(struct outbox *q, const char *address, const char *request, const uint8_t *octets,
    const size_t *parts, size_t count, struct monotime deadline);
/* The next part to send, which then counts as sent; false when none may be sent now. */
bool outbox_next(struct outbox *q, struct monotime now, struct outbox_part_out *part);
/* The peer's answer to a part. */
void outbox_answer(
    struct outbox *q, uint64_t tag, uint32_t status, struct smpp_str id, struct monotime now);
/* Ends messages of which a part is with the peer: it is not known whether they were taken, and a
 * message is never sent twice. */
void outbox_lost(struct outbox *q, const char *why);
/* Ends messages whose deadline has passed. */
void outbox_expire(struct outbox *q, struct monotime now);
/* Ends all. */
void outbox_end(struct outbox *q, const char *why);
/* Milliseconds until outbox_expire() or outbox_next() has something to do; -1: nothing waits. */
int64_t outbox_due(const struct outbox *q, struct monotime now);

#endif
