/*
 * gateway-web's connections to gatewayd's control socket: each asks one
 * request and gives its replies to a function. Nothing here waits; how many
 * there are at once is bounded, so that others can still reach gatewayd.
 */
#ifndef WEB_UPSTREAM_H
#define WEB_UPSTREAM_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/monotime.h"
#include "ipc/control.h"

enum {
	UPSTREAMS_MAX = 24,
	UPSTREAM_ANSWER_MS = 10000,  /* a reply that takes longer is none */
	UPSTREAM_PACKETS_A_TURN = 8, /* of one connection */
};

/* A reply; or none and why, and the link is gone then. The link is gone as well after a reply with
 * `end`. The reply is freed by the caller. */
typedef void upstream_reply(void *arg, const struct control_reply *reply, const char *why);

struct upstream {
	int fd; /* -1: not in use */
	bool streams, paused;
	struct monotime deadline; /* not where it streams */
	upstream_reply *on_reply;
	void *arg;
};

struct upstreams {
	const char *path; /* borrowed */
	char *packet;	  /* owned */
	struct upstream all[UPSTREAMS_MAX];
};

/* path: of the control socket, borrowed. Returns -1 when out of memory. */
int upstreams_init(struct upstreams *l, const char *path);
void upstreams_clear(struct upstreams *l);

/* Connects and asks. streams: its replies may be far apart. Returns NULL with a sentence in why. */
struct upstream *upstream_open(struct upstreams *l, const char *request, size_t len, bool streams,
    upstream_reply *on_reply, void *arg, char *why, size_t why_size);
/* NULL is fine. on_reply is not called any more. */
void upstream_close(struct upstream *k);
/* No reply is read from it for now. */
void upstream_pause(struct upstream *k, bool paused);

/* One for each link, UPSTREAMS_MAX of them; fd -1 where nothing is awaited. */
void upstreams_fill(const struct upstreams *l, struct pollfd *p);
void upstreams_serve(struct upstreams *l, const struct pollfd *p);
/* Milliseconds until upstreams_serve() has something to do without a descriptor; -1: never. */
int upstreams_timeout_ms(const struct upstreams *l);

#endif
