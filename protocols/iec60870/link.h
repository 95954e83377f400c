/*
 * The link layer of 101 and 103 on one line (IEC 60870-5-2): a pure machine over (state, event,
 * now). It holds no socket and reads no clock; times come in, actions go out. In the iec60870
 * runner.
 *
 *   LINK_MASTER    unbalanced primary station: polls its stations one after the other
 *   LINK_SLAVE     unbalanced secondary stations: only answer
 *   LINK_BALANCED  each station is primary and secondary at once
 *
 * One request is under way on the line at a time; a request is repeated with the same frame count
 * bit until it is answered, and the secondary station answers a repeated one with its last answer.
 * An answer carries no number: after a time-out two answers may be on their way, and the character
 * E5 does not even say whose it is. So once a repeated request is answered, REQUEST STATUS is sent
 * and everything up to its answer is ignored; only then the next request leaves. And nothing is
 * asked on a line that was just opened until what a predecessor of this process asked last is over.
 */
#ifndef PROTOCOLS_IEC60870_LINK_H
#define PROTOCOLS_IEC60870_LINK_H

#include "common/monotime.h"
#include "protocols/iec60870/ft12.h"

enum {
	LINK_MAX_STATIONS = 256,
	LINK_QUEUE_MESSAGES = 65536,	    /* waiting for one station */
	LINK_QUEUE_BYTES = 4 * 1024 * 1024, /* the same, with what each costs in memory */
	LINK_MAX_ACTIONS = 16,		    /* that one frame can cause */
	LINK_URGENT_IN_A_ROW = 8,	    /* data before a poll that is due gets its turn */
	LINK_GAP_MS = 50,    /* silence inside a frame that ends it; longer on slow lines */
	LINK_BUSY_MS = 1000, /* between status requests to a station that said DFC or NACK */
	LINK_BUSY_MAX_MS =
	    10000, /* of a busy station; then what is in control direction is refused */
	LINK_MAX_AGE_MS = 10000,     /* of a message in control direction that waits for the line */
	LINK_IDLE_STATUS_MS = 10000, /* between status requests to a station that is not polled */
	LINK_ALL = -1,		     /* the broadcast address */
};

enum link_mode { LINK_MASTER, LINK_SLAVE, LINK_BALANCED };

struct link_conf {
	enum link_mode mode;
	uint8_t address_size; /* 0 (balanced only), 1, 2 */
	int64_t silent_ns;    /* silence before each transmission */
	int64_t char_ns; /* one character on the line: bits / baud rate; 0 where it is not known */
	/* We are the controlling station. What we send must not wait for long: it would be a
	 * command of long ago. Balanced: data are taken before the peer's first RESET, though they
	 * may be the repetition of what a predecessor of this process had taken already. */
	bool controlling;
	/* Puts the time of now into a message that was sent with LINK_STAMPED, each time it leaves.
	 */
	void (*stamp)(void *arg, uint8_t *data, size_t len);
	void *stamp_arg;
};

/* Flags of link_send(). */
enum {
	LINK_NO_REPLY = 1, /* balanced: by SEND/NO REPLY; it is delivered when it has left */
	LINK_STAMPED = 2,  /* see link_conf.stamp */
};

/* Times in milliseconds; poll_ms < 0: no cyclic polls of that class. */
struct link_station_conf {
	bool dir;	  /* balanced: DIR of what we send; true is A to B */
	uint16_t address; /* in our requests and their answers; of a slave the device's own */
	bool
	    two_addresses; /* balanced: own_address is in the peer's requests and our answers ... */
	uint16_t own_address;  /* ... otherwise address is in both */
	unsigned retries;      /* repetitions of a request without an answer */
	int64_t response_ms;   /* from the end of a request to the beginning of its answer */
	int64_t status_ms;     /* balanced: REQUEST STATUS after that long without a request */
	int64_t poll_ms[2];    /* master: class 1, class 2 */
	int64_t reconnect_ms;  /* between attempts to reach it, where others share the line */
	int64_t keep_alive_ms; /* slave: without a request for that long it is down */
};

enum link_state {
	LINK_CLOSED,	 /* not wanted */
	LINK_CONNECTING, /* primary: RESET LINK until it is answered; slave: waiting for a master */
	LINK_CONNECTED,
};

enum link_action_type {
	LINK_TRANSMIT,	/* data to the line */
	LINK_UP,	/* the station is connected */
	LINK_DOWN,	/* reason; what was queued for it is gone; it goes on connecting */
	LINK_DATA,	/* user data from the station, LINK_ALL: broadcast */
	LINK_DELIVERED, /* the message of this token was confirmed; to a slave by the next request
			 */
	LINK_REFUSED, /* the station does not take the message of this token (reason); it is gone */
};

/* data is valid until the next call of link_next() or link_receive(). */
struct link_action {
	enum link_action_type type;
	int station;
	uint64_t token;
	const uint8_t *data;
	size_t len;
	const char *reason; /* static text */
};

struct link_msg {
	struct link_msg *next;
	uint64_t token;
	struct monotime queued; /* 0 ns: it does not age */
	uint16_t len;
	uint8_t flags;
	uint8_t data[];
};

struct link_queue {
	struct link_msg *head, **tail;
	size_t count, bytes;
};

enum link_request_kind {
	LINK_REQ_NONE,
	LINK_REQ_RESET,
	LINK_REQ_DATA,
	LINK_REQ_DATA_NO_REPLY,
	LINK_REQ_POLL1,
	LINK_REQ_POLL2,
	LINK_REQ_STATUS,
	LINK_REQ_BROADCAST,
};

/* The state of the request under way. */
enum link_phase {
	LINK_IDLE,
	LINK_SENDING,	   /* waits until the line may be used */
	LINK_WAITING,	   /* for the answer */
	LINK_SETTLING,	   /* REQUEST STATUS waits to be sent after a repeated request */
	LINK_SETTLE_WAIT,  /* everything but its answer is ignored */
	LINK_SETTLE_QUIET, /* everything is ignored until a deadline */
};

/* The station as the one that answers. */
struct link_secondary {
	bool was_reset;
	struct monotime reset_at; /* of the last one */
	bool has_last;		  /* last_* hold a request with FCV */
	bool last_fcb;
	uint8_t last[FT12_MAX_USER]; /* function, data of the last request */
	size_t last_len;
	struct link_answer {
		uint8_t function;
		uint8_t data[FT12_MAX_FRAME];
		size_t len;	/* 0: not composed yet */
	} answers[2];		/* [1] to the last request with FCV, [0] to the last other */
	bool answering;		/* an answer waits until the line may be used ... */
	uint8_t answer;		/* ... this one */
	struct link_msg *given; /* answered to a poll, not confirmed by a new request yet */
	struct monotime alive_until;
};

struct link_station {
	struct link_station_conf conf;
	enum link_state state;
	struct link_queue queue; /* data that we send as primary, or give to polls of any class */

	/* primary station */
	bool fcb;  /* of the next request with FCV */
	bool acd;  /* class 1 data are waiting there */
	bool busy; /* said DFC or NACK: no data until a status without DFC */
	struct monotime busy_since, up_since;
	unsigned nacks; /* of the message at the head */
	struct monotime reset_due, poll_due[2], status_due, busy_due;

	struct link_secondary secondary;
};

struct link_counters {
	uint64_t sent, received; /* frames */
	uint64_t repeated;	 /* requests sent again */
	uint64_t timeouts;
	uint64_t strays; /* answers that nobody waited for, frames for nobody */
};

/* The request under way. */
struct link_turn {
	enum link_phase phase;
	enum link_request_kind request;
	int cur; /* station, or LINK_ALL */
	unsigned tries, settle_tries;
	bool again; /* after settling the request is sent again */
	bool doubt; /* the request was answered with E5, maybe by another station */
	uint8_t tx[FT12_MAX_FRAME], settle[FT12_MAX_FRAME];
	size_t tx_len, settle_len;
	struct monotime deadline;
};

struct link {
	struct link_conf conf;
	struct ft12_rx rx;
	struct monotime last_rx, free_at, sent_end;
	struct link_station *stations; /* owned */
	int count, size;
	struct link_queue broadcasts;
	bool paused;
	struct link_counters counters;

	struct link_turn turn;
	struct monotime dirty_until; /* until then an answer to an earlier request may come ... */
	int dirty_by;		     /* ... from this station */
	unsigned urgent;	     /* data requests in a row */

	struct link_action actions[LINK_MAX_ACTIONS];
	unsigned action_head, action_count;
};

void link_init(struct link *l, const struct link_conf *conf);
/* Frees everything; stations are gone. */
void link_clear(struct link *l);
/* See link_conf.stamp. */
void link_set_stamp(struct link *l, void (*stamp)(void *arg, uint8_t *data, size_t len), void *arg);
/* A new station, closed; returns its index, or -1 with EINVAL (address in use or out of range),
 * ENOSPC, ENOMEM. */
int link_add(struct link *l, const struct link_station_conf *conf);

/* The station is wanted: connects, or waits for its master. */
void link_open(struct link *l, int station, struct monotime now);
/* Not wanted any more: silent, queues are gone; no action tells of it. */
void link_close(struct link *l, int station);
/* The line is there: the stations are asked after the longest response_ms, but most_ms at most, as
 * who had it before may have left a request behind. */
void link_line_opened(struct link *l, int64_t most_ms, struct monotime now);
/* The line is gone: every open station goes back to connecting, without actions. */
void link_line_lost(struct link *l, struct monotime now);

/* Queues user data (copied, 1 .. link_max_data() bytes), with the flags above. Returns 0, or
 * -1 with ENOTCONN, EMSGSIZE, ENOBUFS (limit), ENOMEM. LINK_ALL (master): to every station, nobody
 * answers. now: of a controlling station's message, which is refused where it has waited for
 * LINK_MAX_AGE_MS and has not left; 0 ns: it waits for ever. */
int link_send(struct link *l, int station, unsigned flags, const void *data, size_t len,
    uint64_t token, struct monotime now);
/* Whether less than half of a station's queue is used. */
bool link_has_room(const struct link *l, int station);
/* Stations that were added, and the address of one: that of the controlled side where the
 * directions have one each. */
int link_stations(const struct link *l);
uint16_t link_address(const struct link *l, int station);
/* User data that fit a frame. */
size_t link_max_data(const struct link *l);
/* Nothing more should come in: a master stops polling, a secondary station says DFC. */
void link_pause(struct link *l, bool paused);

/* Bytes from the line; returns how many were taken. Take all actions before giving more. */
size_t link_receive(struct link *l, const void *bytes, size_t n, struct monotime now);
/* The next action; false when there is none until link_deadline(), bytes or a call above. */
bool link_next(struct link *l, struct monotime now, struct link_action *action);
/* When link_next() has something to do; ns 0: never. */
struct monotime link_deadline(const struct link *l);

const char *link_state_name(enum link_state state);

#endif
