/* gatewayctl's end of the control socket: blocking, with deadlines. */
#ifndef GATEWAYCTL_CLIENT_H
#define GATEWAYCTL_CLIENT_H

#include <stdbool.h>

#include "common/monotime.h"
#include "ipc/control.h"

enum { CLIENT_ANSWER_MS = 10000 /* gatewayd never needs that long */ };

struct client {
	int fd; /* -1: closed */
	char path[4096 + 32];
	char error[CONTROL_MAX_ERROR + 4200];
	char *packet; /* CONTROL_MAX_REPLY + 1 bytes, owned */
};

/* path: NULL for the default. Returns 0, or -1 with a text in c->error that says what to do. */
int client_open(struct client *c, const char *path);
void client_close(struct client *c);
/* Sends one packet. Returns 0, or -1 with c->error. */
int client_send(struct client *c, const void *request, size_t len);

enum client_event { CLIENT_REPLY, CLIENT_TIMEOUT, CLIENT_INTERRUPTED, CLIENT_LOST };

/* Waits for the next reply until deadline (ns 0: for ever). CLIENT_LOST with c->error. After
 * CLIENT_REPLY the caller frees reply->doc. */
enum client_event client_receive(
    struct client *c, struct monotime deadline, struct control_reply *reply);

#endif
