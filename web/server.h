/* gateway-web's HTTP side: one thread, one loop over its HTTP connections and its connections to
 * gatewayd. */
#ifndef WEB_SERVER_H
#define WEB_SERVER_H

#include <signal.h>

#include "web/assets.h"
#include "web/exchange.h"

enum {
	SERVER_CONNECTIONS = 64,
	SERVER_IDLE_S = 20, /* a connection on which nothing moves is closed */
	SERVER_REQUEST_BYTES =
	    32 * 1024, /* of the memory of a connection: its headers and buffers */
};

struct server {
	struct MHD_Daemon *daemon;
	struct assets assets;
	struct upstreams upstreams;
	struct board board;
	struct exchange *exchanges[EXCHANGES_MAX];
	size_t exchange_count;
	struct monotime ticked;
};

/* Serves at the listening socket, which it takes. socket: the control socket's path, borrowed. 0,
 * or -1 with a sentence in err. */
int web_init(
    struct server *s, int fd, const char *assets, const char *socket, char *err, size_t err_size);
/* Until *stop is not 0, which a signal sets that is blocked outside of `waiting`. */
void web_run(struct server *s, const volatile sig_atomic_t *stop, const sigset_t *waiting);
void web_clear(struct server *s);

#endif
