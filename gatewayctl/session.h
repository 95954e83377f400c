/* gatewayctl's end of the control socket: blocking, with deadlines. */
#ifndef GATEWAYCTL_SESSION_H
#define GATEWAYCTL_SESSION_H

#include <stdbool.h>

#include "common/monotime.h"
#include "ipc/control.h"

enum { CLIENT_ANSWER_MS = 10000 /* gatewayd never needs that long, but for a reload */ };

struct session {
	int fd; /* -1: closed */
	char path[4096 + 32];
	char error[CONTROL_MAX_ERROR + 4200];
	char *packet; /* CONTROL_MAX_REPLY + 1 bytes, owned */
};

/* path: NULL for the default. Returns 0, or -1 with a text in c->error that says what to do. */
int session_open(struct session *c, const char *path);
void session_close(struct session *c);
/* Sends one packet. Returns 0, or -1 with c->error. */
int session_send(struct session *c, const void *request, size_t len);

enum session_event { SESSION_REPLY, SESSION_TIMEOUT, SESSION_INTERRUPTED, SESSION_LOST };

/* Waits for the next reply until deadline (ns 0: for ever). SESSION_LOST with c->error. After
 * SESSION_REPLY the caller frees reply->doc. */
enum session_event session_receive(
    struct session *c, struct monotime deadline, struct control_reply *reply);

#endif
