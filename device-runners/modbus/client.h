/*
 * A Modbus master's side of one connection: one request at a time, its answer
 * or its time-out, and the silences that belong between. Knows which answers
 * may still be on their way after a time-out, so that none is taken for another
 * request's: by the transaction identifier on TCP; on RTU and ASCII, where frames
 * carry none, by holding back what could be confused. Pure: (state, event, now), no
 * sockets. In the Modbus runner.
 */
#ifndef DEVICE_RUNNERS_MODBUS_CLIENT_H
#define DEVICE_RUNNERS_MODBUS_CLIENT_H

#include "device-runners/runtime/tty.h"
#include "protocols/modbus/frame.h"

enum {
	/* MODBUS over Serial Line, clause 2.4.1: slaves need time to act on a broadcast. */
	CLIENT_TURNAROUND_MS = 100,
	/* Writes whose only answer was taken for an echo, one after another, until that is doubted.
	 */
	CLIENT_MAX_ECHO_DOUBTS = 3,
};

enum { CLIENT_UNITS = 256 };

/* Answers of one unit that may still come. */
struct client_late {
	uint8_t fc;
	uint8_t owed;	   /* 0: none */
	bool ambiguous;	   /* one came, and it is not known which */
	bool missing;	   /* one never came, in all the time that it was waited for */
	uint64_t identity; /* of the request that timed out last */
	struct monotime until;
};

struct client_conf {
	enum modbus_framing framing;
	bool zero_ids;	    /* MBAP: a transaction identifier of 0 fits every request */
	int64_t timeout_ns; /* from the request's last byte to its answer's */
	int64_t delay_ns;   /* from an answer to the next request */
	int64_t silence_ns; /* of the line before a request; 0 for MBAP */
	int64_t char_ns;    /* 0 unless serial */
	/* CLIENT_UNITS of the caller's, zeroed; NULL for MBAP without zero_ids, whose identifiers
	 * tell answers apart. */
	struct client_late *late;
};

enum client_result {
	CLIENT_ANSWER, /* res is a response that fits, perhaps an exception */
	CLIENT_TIMEOUT,
	CLIENT_SENT,  /* a broadcast: nobody answers */
	CLIENT_AGAIN, /* the answer may have been one to an earlier request: ask once more */
};

struct client_ops {
	/* A whole frame; borrowed. */
	void (*send)(void *arg, const uint8_t *frame, size_t len);
	/* The request is over; the client is free. res (only for an answer) is borrowed. */
	void (*done)(void *arg, enum client_result result, const struct modbus_pdu *res);
};

/* Whether the line repeats what we send (RS-485 adapters). */
enum client_echo { CLIENT_ECHO_UNKNOWN, CLIENT_ECHO_NONE, CLIENT_ECHO_HEARD };

struct client {
	struct client_conf conf;
	const struct client_ops *ops; /* borrowed */
	void *arg;
	struct monotime now; /* of the call in which send() or done() comes */
	bool busy;
	bool answered; /* ever, on this connection */
	uint16_t transaction;
	struct modbus_expect expect;
	struct modbus_pdu req; /* without its data */
	uint64_t identity;
	struct monotime deadline; /* of the request under way */
	struct monotime earliest; /* the next request, by request_delay */
	struct tty_pace pace;
	size_t sent_len;    /* of the frame under way */
	bool echo_open;	    /* nothing but an echo of it can have come so far */
	bool echo_stripped; /* it came and was taken off */
	enum client_echo echo;
	uint8_t echo_doubts;				   /* see CLIENT_MAX_ECHO_DOUBTS */
	uint64_t late_dropped, bad_frames, echoes_dropped; /* counters */
	struct modbus_stream stream;
	struct client_late none; /* of every unit where identifiers tell: owes nothing */
	uint8_t sent[MODBUS_MAX_FRAME];
};

void client_init(
    struct client *c, const struct client_conf *conf, const struct client_ops *ops, void *arg);
/* No connection: nothing is owed and nothing received. */
void client_reset(struct client *c);
/* A new one. If frames carry no identifier nothing is asked for one time-out, but
 * RECONNECT_QUIET_MAX_MS at most: who had the line before may have left a request behind, and its
 * answer would be taken for one of ours. */
void client_open(struct client *c, struct monotime now);

/* In send() and done(): the time at which it was called. */
static inline struct monotime
client_now(const struct client *c)
{
	return c->now;
}

/* Answers to nothing that was asked; bytes and frames that were thrown away. */
static inline uint64_t
client_late_answers(const struct client *c)
{
	return c->late_dropped;
}
static inline uint64_t
client_bad_bytes(const struct client *c)
{
	return c->bad_frames + c->stream.skipped;
}
/* A request is under way; when it ends without an answer. */
static inline bool
client_is_busy(const struct client *c)
{
	return c->busy;
}
static inline struct monotime
client_deadline(const struct client *c)
{
	return c->deadline;
}
/* It was answered on this connection. */
static inline bool
client_has_answered(const struct client *c)
{
	return c->answered;
}

/* Whether a late answer of this unit could be taken for another's: client_hold() may say more than
 * 0.
 */
static inline bool
client_owes(const struct client *c, uint8_t unit)
{
	return c->conf.late && c->conf.late[unit].owed > 0;
}

/* Names a request, for client_hold(). */
uint64_t client_identity(uint8_t unit, const uint8_t *pdu, size_t len);
/* When a request may be sent at all (only where not busy). */
struct monotime client_free_at(const struct client *c);
/* Until when this request must wait, as a late answer to an earlier one could be taken for its own;
 * 0 for not at all. */
struct monotime client_hold(const struct client *c, uint8_t unit, uint8_t fc, uint64_t identity);

/* Whether this request's answer could be the request itself, and it is not known yet whether the
 * line has an echo. Then *probe is a read to be asked first: its answer, or its echo, tells. */
bool client_needs_probe(
    const struct client *c, const struct modbus_pdu *req, struct modbus_pdu *probe);

/* Sends a request; req is what pdu says, its data are not looked at. Answered by done(), for a
 * broadcast before the return. */
void client_send(struct client *c, uint8_t unit, const struct modbus_pdu *req, const uint8_t *pdu,
    size_t len, bool broadcast, struct monotime now);

/* Bytes were put into c->stream (modbus_stream_room, modbus_stream_commit). */
void client_received(struct client *c, struct monotime now);
/* Time has passed: acts on the deadline. */
void client_tick(struct client *c, struct monotime now);

#endif
