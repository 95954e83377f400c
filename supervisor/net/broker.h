/*
 * Opens what runners may use but not open: connections, listening sockets, datagram
 * sockets, ttys, files. Asynchronous, names by lookup.h; nothing here blocks the
 * supervisor's loop.
 * The Event Server's link connects through it as well.
 */
#ifndef SUPERVISOR_BROKER_H
#define SUPERVISOR_BROKER_H

#include <ev.h>
#include <stdint.h>

#include "ipc/message.h"

struct broker;
struct broker_request;

enum {
	BROKER_USER_TIMEOUT_MS =
	    30000,		   /* TCP_USER_TIMEOUT: unacknowledged data ends a connection */
	BROKER_KEEPALIVE_S = 15,   /* idle time before keep-alive probes, three of 5 s */
	BROKER_CONNECT_MS = 30000, /* a request that nobody cancels ends here */
	/* A silent address gives way to the next one of its name: the link waits for 10 s, and a
	 * device may be configured to wait for 3 s. A SYN is repeated once in that time. */
	BROKER_ADDRESS_MS = 2000,
	BROKER_UDP_BUFFER = 1024 * 1024, /* SO_RCVBUF of a bound socket: a storm of traps */
};

/* resolver: gateway-resolve, or NULL; borrowed. */
struct broker *broker_new(struct ev_loop *loop, const char *resolver);
/* How long requests that follow may take, in place of BROKER_CONNECT_MS. */
void broker_set_limit(struct broker *b, int ms);
/* Cancels what is under way. */
void broker_free(struct broker *b);

/* The answer: fd >= 0 (the callee's; non-blocking, close-on-exec), or -1 with an errno value and
 * a text for people, borrowed. */
typedef void broker_cb(void *arg, int fd, int error, const char *why);

/* Opens one resource; target is a host or a path, port where ipc_resource_has_port(). The answer
 * always comes later, from the loop, once. Returns a request that may be cancelled until then; NULL
 * only when out of memory. For IPC_RESOURCE_UDP and _ICMP nothing is sent: the next address of a
 * name is tried only where the kernel cannot connect to the one before. */
struct broker_request *broker_open(struct broker *b, enum ipc_resource kind, const char *target,
    uint16_t port, broker_cb *cb, void *arg);
void broker_cancel(struct broker_request *q);

/* A stream socket to a Unix path, the same way. */
struct broker_request *broker_connect_unix(
    struct broker *b, const char *path, broker_cb *cb, void *arg);

#endif
