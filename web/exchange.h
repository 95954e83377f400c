/*
 * One request that gateway-web passes on to gatewayd and its answer: rows that
 * become a JSON array as they come, or server-sent events. The HTTP connection
 * is suspended while there is nothing to send; what waits for a client is
 * bounded.
 */
#ifndef WEB_EXCHANGE_H
#define WEB_EXCHANGE_H

#include <microhttpd.h>

#include "web/api.h"
#include "web/board.h"
#include "web/metrics.h"
#include "web/top.h"
#include "web/upstream.h"

enum {
	EXCHANGES_MAX = 64,
	EXCHANGE_HOLD_BYTES = 64 * 1024,   /* an answer that is shorter is sent in one piece */
	EXCHANGE_PAUSE_BYTES = 256 * 1024, /* nothing more is read while so much waits */
	EXCHANGE_MAX_BYTES = 6 * 1024 * 1024,
	EXCHANGE_BEHIND_BYTES = 512 * 1024, /* a stream's client that is so far behind is dropped */
	EXCHANGE_BOARD_BYTES =
	    5 * 1024 * 1024,	 /* the same of the board's, which tells all at first */
	EXCHANGE_MS = 60000,	 /* for a whole answer */
	EXCHANGE_BEAT_MS = 5000, /* a stream says at least so often that it lives */
	EXCHANGE_DEVICE = 1025,
};

/* The wishes of a request to the route. */
struct exchange_wish {
	char device[EXCHANGE_DEVICE];
	bool all;	/* of health */
	bool open;	/* OpenMetrics */
	uint32_t limit; /* rows; 0: all */
};

struct exchange {
	struct MHD_Connection *connection;
	struct upstreams *upstreams;
	const struct api_route *route;
	struct upstream *upstream; /* NULL: closed */
	struct board *board;	   /* whose page it is, or NULL */
	struct buffer body;
	struct metrics *metrics; /* of API_METRICS, until they are written */
	struct top *top;	 /* of API_TOP */
	struct exchange_wish wish;
	bool suspended, queued;
	bool ended;		    /* nothing more comes */
	bool failed;		    /* nor was that the whole */
	unsigned status;	    /* of an answer that is not the rows, or 0 */
	enum control_reason reason; /* of it, where gatewayd refused */
	char why[CONTROL_MAX_ERROR];
	size_t rows;
	uint32_t next; /* page */
	struct monotime begun, beat;
};

/* Asks; the connection is suspended. Returns NULL when out of memory. */
struct exchange *exchange_new(struct upstreams *upstreams, struct MHD_Connection *connection,
    const struct api_route *route, const struct exchange_wish *wish);
/* A page of the board; the same otherwise. */
struct exchange *exchange_new_page(
    struct board *board, struct MHD_Connection *connection, const struct api_route *route);
void exchange_free(struct exchange *x);
/* Sends the message, a struct exchange's in arg, as a server-sent event. */
board_send exchange_send;
/* MHD calls back once the connection was resumed: the response. */
enum MHD_Result exchange_respond(struct exchange *x);
/* About once a second. */
void exchange_tick(struct exchange *x, struct monotime now);
/* The daemon ends: nothing may stay suspended. */
void exchange_abort(struct exchange *x);

#endif
