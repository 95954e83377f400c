/* gateway-web's HTTP side: one thread, one loop over its HTTP connections and its connections to
 * gatewayd. */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include <signal.h>

#include "web/assets.h"
#include "web/exchange.h"
#include "web/guard.h"

enum {
	SERVER_CONNECTIONS = 64,
	SERVER_ENDING = 32, /* more, that have been told to end */
	SERVER_IDLE_S = 20, /* a connection on which nothing moves is closed */
	SERVER_REQUEST_BYTES =
	    32 * 1024, /* of the memory of a connection: its headers and buffers */
};

/* An HTTP connection; owned by the server. */
struct server_connection {
	int fd; /* MHD's */
	enum guard_phase phase;
	bool ended; /* told to */
	struct monotime since;
	struct server_connection *next;
};

struct server_options {
	const char *assets, *socket; /* borrowed, as the names */
	const char *hosts[GUARD_HOSTS];
	size_t host_count;
};

struct server {
	struct server_options options;
	struct guard_budget asks, probes;
	struct server_connection *connections; /* the newest first */
	size_t connection_count;
	struct MHD_Daemon *daemon;
	struct assets assets;
	struct upstreams upstreams;
	struct board board;
	struct exchange *exchanges[EXCHANGES_MAX];
	size_t exchange_count;
	struct monotime ticked;
};

/* Serves at the listening socket, which it takes. 0, or -1 with a sentence in err. */
int web_init(
    struct server *s, int fd, const struct server_options *options, char *err, size_t err_size);
/* Until *stop is not 0, which a signal sets that is blocked outside of `waiting`. */
void web_run(struct server *s, const volatile sig_atomic_t *stop, const sigset_t *waiting);
void web_clear(struct server *s);

#endif
