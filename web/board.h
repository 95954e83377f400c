/*
 * The board of gateway-web, which all open pages share: one poll of status
 * and health, and one watch without events, however many pages there are, and
 * none where there is no page. Pages are told of what differs.
 */
#ifndef WEB_BOARD_H
#define WEB_BOARD_H

#include "web/upstream.h"

enum {
	BOARD_POLL_MS = 2000,
	BOARD_RETRY_MS = 500,		   /* while gatewayd is not reachable */
	BOARD_MAX_BYTES = 4 * 1024 * 1024, /* of rows as JSON */
};

/* Sends a message to every page. */
typedef void board_send(void *arg, const char *message, size_t len);

/* A device's row: what it is of, and what it says but for its age. */
struct board_mark {
	uint64_t device, row;
};

struct board_marks {
	struct board_mark *all; /* owned */
	size_t count, room;
};

struct board {
	struct upstreams *upstreams;
	board_send *send;
	void *arg;
	size_t pages;
	struct upstream *watch, *poll;
	bool health_next, known, down;
	struct monotime due; /* the next poll */
	struct board_marks marks, fresh_marks;
	/* JSON rows with commas between: of the last poll, of this one, those of it that differ */
	struct buffer rows, fresh, changed;
	struct buffer health, fresh_health;
	uint64_t health_hash, fresh_hash;
	char link[512]; /* the last message of the link's state */
	char why[CONTROL_MAX_ERROR];
};

void board_init(struct board *b, struct upstreams *upstreams, board_send *send, void *arg);
void board_clear(struct board *b);
/* One more page: what is known goes to it alone. */
void board_join(struct board *b, board_send *send, void *arg);
/* One page less. */
void board_leave(struct board *b);
/* Polls when it is time. */
void board_tick(struct board *b, struct monotime now);
/* Milliseconds until then; -1: never. */
int board_timeout_ms(const struct board *b);

#endif
