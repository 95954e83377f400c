/*
 * One host that is pinged: tries, time-outs, and whether it is there. Pure: (state, event, now), no
 * sockets. In the ping runner.
 *
 *   IDLE -(ping_delay)-> OPENING -(opened)-> WAITING -(reply)-> IDLE, available
 *   OPENING, WAITING -(ping_timeout)-> PAUSING -(retry_delay)-> the next try; after the last one
 *   IDLE, not available, and the name is looked up again.
 */
#ifndef DEVICE_RUNNERS_ICMP_PROBE_H
#define DEVICE_RUNNERS_ICMP_PROBE_H

#include "common/monotime.h"
#include "protocols/icmp/icmp.h"

/* The pauses of all hosts end at multiples of it since the clock's start; shorter ones at
 * multiples of a twentieth of themselves. */
#define PROBE_SLOT_NS INT64_C(50000000)

struct probe_conf {
	int64_t delay_ns, timeout_ns, retry_delay_ns;
	uint32_t retries; /* further tries of a series */
};

enum probe_state { PROBE_IDLE, PROBE_OPENING, PROBE_WAITING, PROBE_PAUSING };

/* The next task of its owner. */
enum probe_task {
	PROBE_NOTHING,
	PROBE_OPEN,  /* get a socket, and say probe_opened() or probe_failed() */
	PROBE_SEND,  /* say probe_send() and send what it gives */
	PROBE_CLOSE, /* the socket is not needed until the next PROBE_OPEN */
};

struct probe_times {
	uint64_t sent, received;
	int64_t last_ns, least_ns, most_ns, sum_ns; /* of round trips */
};

struct probe {
	struct probe_conf conf;
	enum probe_state state;
	bool has_socket, available;
	uint32_t tries; /* of this series, the one under way included */
	struct monotime deadline, sent_at;
	struct icmp_echo echo; /* of the last try */
	struct probe_times times;
};

/* first: when the first series begins. */
void probe_init(struct probe *p, const struct probe_conf *conf, struct monotime first);
/* Whether the next probe_tick() that is due asks for a socket. */
bool probe_opens_next(const struct probe *p);
/* Call it at p->deadline, or later. */
enum probe_task probe_tick(struct probe *p, struct monotime now);
/* The socket that PROBE_OPEN asked for is there: returns PROBE_SEND, or PROBE_NOTHING where the try
 * is over. */
enum probe_task probe_opened(struct probe *p);
/* There is no socket, or the request could not be sent: the try failed. */
void probe_failed(struct probe *p, struct monotime now);
/* The next request, with that data of chance. */
const struct icmp_echo *probe_send(
    struct probe *p, const uint8_t data[ICMP_DATA], struct monotime now);
/* A reply came. False where it answers nothing that waits. */
bool probe_received(struct probe *p, const struct icmp_echo *reply, struct monotime now);

#endif
