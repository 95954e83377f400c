/*
 * One IEC 104 connection, in runner processes: a connected socket, TLS on it
 * where configured, frames in and out, the APCI state machine and its timers
 * on the libev loop. Serves master and slave; knows nothing of ASDUs' content.
 *
 * One read takes many frames, which are served in place; what they cause to be
 * sent leaves in one write.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC104_IEC104_CONN_H
#define DEVICE_RUNNERS_IEC60870_IEC104_IEC104_CONN_H

#include "device-runners/runtime/tls.h"
#include "device-runners/runtime/runner.h"
#include "device-runners/runtime/report/trace.h"
#include "protocols/iec60870/apci.h"

enum {
	IEC104_READ = 32 * 1024,	    /* bytes that one read takes */
	IEC104_MAX_OUT = 256 * 1024,	    /* bytes that wait for a peer that does not read */
	IEC104_MAX_OUT_ASDUS = 128 * 1024,  /* with more of them ASDUs wait, whatever the window */
	IEC104_MAX_QUEUE = 8 * 1024 * 1024, /* bytes of ASDUs that wait for the window */
	IEC104_MAX_TOKENS = 16 * 1024 * 1024, /* bytes of their tokens */
};

struct iec104_conn;

struct iec104_handler {
	/* The connection stands, TLS included. May be NULL. */
	void (*on_ready)(void *arg);
	/* An ASDU, borrowed. The connection may be closed in here, not freed. */
	void (*on_asdu)(void *arg, const uint8_t *asdu, size_t len);
	/* Data transfer began (true) or ended; true again: the peer has taken back STOPDT before it
	 * was confirmed, and the transfer goes on. */
	void (*on_enabled)(void *arg, bool enabled);
	/* An ASDU that waited for the window, for so long, leaves now: its bytes may be changed,
	 * not its length. False: it does not (it must have no token). May be NULL. */
	bool (*on_leaving)(void *arg, uint8_t *asdu, size_t len, int64_t waited_ms);
	/* The ASDU of this token is acknowledged. May be NULL where none has a token. */
	void (*on_delivered)(void *arg, uint64_t token);
	/* It is over, and closed; why is one line. Comes once, never from within a call of ours. */
	void (*on_closed)(void *arg, const char *why);
};

/* ASDUs that the window has no room for. */
struct iec104_waiting {
	struct buffer asdus; /* of each when it came, its length (1 octet) and bytes */
	uint64_t count;
	struct buffer tokens; /* of these, and of what was sent and is not acknowledged */
};

struct iec104_watchers {
	ev_io readable, writable;
	ev_timer timer, closing, renewal;
	ev_prepare flusher; /* writes what a turn of the loop has sent */
};

struct iec104_conn {
	struct runner *runner;
	struct ev_loop *loop;
	const struct iec104_handler *handler;
	void *arg;
	int fd; /* -1 when closed */
	const struct tls_ops *tls_ops;
	struct tls *tls;  /* NULL without */
	bool controlling; /* the master's side */
	bool handshaking;
	bool enabled; /* as on_enabled() was told */
	bool paused;
	bool write_waits; /* TLS must read before it can write */
	struct monotime paused_since;
	struct monotime handshake_until;
	struct apci apci;
	struct buffer out; /* bytes for the socket */
	size_t traced;	   /* of them, those whose frames were shown */
	struct trace trace;
	struct iec104_waiting waiting;
	uint8_t partial[APCI_MAX]; /* the beginning of a frame whose rest has not come */
	size_t partial_len;
	struct iec104_watchers watch;
	char why[TLS_WHY];
	uint64_t *frames_in, *frames_out;
};

/* Takes a connected, non-blocking fd. tls may be NULL, else a new session on fd, taken. A
 * controlling station sends STARTDT at once. Returns 0, or -1 with ENOMEM (nothing was taken). */
int iec104_conn_open(struct iec104_conn *c, struct runner *r, int fd,
    const struct apci_params *params, const struct tls_ops *ops, struct tls *tls,
    const struct iec104_handler *handler, void *arg);
/* Renews the keys of a TLS connection every ms (0: never). */
void iec104_conn_renew(struct iec104_conn *c, int64_t ms);
/* Breaks a TLS connection whose peer's certificate does not hold by newly read files. */
void iec104_conn_check(struct iec104_conn *c, struct tls_context *context);
/* Closes at once; no callback comes. Fine when closed already. */
void iec104_conn_close(struct iec104_conn *c);
/* Closes with a reason, and calls on_closed() from the loop. */
void iec104_conn_break(struct iec104_conn *c, const char *why);

/* Sends an ASDU (copied), or queues it until the window opens. token: for on_delivered(), 0
 * without. False when the queue is full, memory short or the data transfer not started. It leaves
 * with everything else of this turn of the loop. */
bool iec104_conn_send(struct iec104_conn *c, const void *asdu, size_t len, uint64_t token);
/* Whether data transfer is under way. */
bool iec104_conn_started(const struct iec104_conn *c);
/* Room for more in the queue, in bytes of ASDUs. */
size_t iec104_conn_room(const struct iec104_conn *c);

/* Stops reading, so that TCP pushes back, and stops the protocol's clock; and goes on. */
void iec104_conn_pause(struct iec104_conn *c);
void iec104_conn_resume(struct iec104_conn *c);

#endif
