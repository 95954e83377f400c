/*
 * One master's connection to a Modbus slave: its requests one after another,
 * answered from the cache, or, for writes, when somebody said how they went. On a serial line, the
 * line. In the Modbus runner.
 */
#ifndef DEVICE_RUNNERS_MODBUS_PEER_H
#define DEVICE_RUNNERS_MODBUS_PEER_H

#include "device-runners/runtime/line.h"
#include "device-runners/runtime/peer_address.h"
#include "device-runners/modbus/cache.h"
#include "device-runners/modbus/frames.h"

enum {
	/* Beyond the line's silence: adapters hand over what they received up to 16 ms late. */
	PEER_GAP_MS = 20,
	/* In an ASCII frame (MODBUS over Serial Line, clause 2.5.2.1), and in what came over TCP,
	 * which cuts and delays as it likes. */
	PEER_LONG_GAP_MS = 1000,
	PEER_MAX_REQUEST_ID = 64,
	PEER_MAX_PENDING = 2 * MODBUS_MAX_FRAME, /* bytes that the kernel has not taken */
};

struct peer;

/* Whether a serial line repeats what we send (RS-485 adapters). */
enum peer_echo_state { PEER_ECHO_UNKNOWN, PEER_ECHO_NONE, PEER_ECHO_HEARD };

struct peer_echo {
	enum peer_echo_state state;
	size_t len;	       /* of the answer, which may come back now; 0: not */
	bool alike;	       /* it is the same as its request */
	struct monotime until; /* it has come by then */
};

struct peer_ops {
	/* A request for a configured unit came. */
	void (*alive)(void *arg, struct peer *p);
	/* A write touches data: register it. True: p->request_id names it; false: nobody takes it
	 * now. */
	bool (*write)(void *arg, struct peer *p, const char *data_json, size_t len);
	/* It is lost, or broke the framing: close and free it (not before this returns to the
	 * loop). */
	void (*lost)(void *arg, struct peer *p, const char *why);
};

struct peer {
	struct peer *next;
	const struct conf_slave *conf; /* borrowed, as are cache and ops */
	const struct cache *cache;
	const struct peer_ops *ops;
	void *arg;
	uint32_t id; /* 0: not counted as a connection (a serial line without requests) */
	struct peer_address local, remote;
	struct line line;
	struct frames frames;
	struct modbus_stream stream;
	struct tty_pace pace;
	struct tty_alarm *alarm; /* when a serial answer may go; borrowed, or NULL */
	ev_timer gap;		 /* no more bytes came: the rest is no request */
	ev_timer response;	 /* how long a write may take */
	ev_timer keep_alive;
	char request_id[PEER_MAX_REQUEST_ID]; /* of the write under way, or "" */
	bool dead;
	struct modbus_expect asked; /* whom the request under way is for */
	struct modbus_pdu req;
	struct modbus_expect foreign; /* another slave was asked, and may answer; unit 0: none */
	size_t answer_len;	      /* of an answer that waits for the line's silence */
	uint8_t answer[MODBUS_MAX_FRAME];
	struct peer_echo echo;
	struct buffer *data; /* where the data of a write gather; borrowed */
};

/* Takes fd. */
void peer_open(struct peer *p, struct ev_loop *loop, int fd);
void peer_close(struct peer *p);
/* The write under way was done, or not. */
void peer_on_written(struct peer *p, bool success);
/* The line is silent: what waits may go. */
void peer_on_alarm(struct peer *p);

#endif
