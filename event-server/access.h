/*
 * Decides who may be a client of gateway-eventd. A client over TCP presents the token,
 * or comes over loopback where the option --insecure allows that. A client over
 * the Unix socket is root or the server's own user, or presents the token.
 */
#ifndef EVENT_SERVER_ACCESS_H
#define EVENT_SERVER_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "protocols/hat/eventer.h"

enum {
	ACCESS_MAX_TOKEN = 1024,
	ACCESS_MIN_TOKEN = 16, /* a shorter one is warned of */
	ACCESS_MAX_FROM = 80,
};

struct access {
	char token[ACCESS_MAX_TOKEN + 1]; /* "": there is none */
	bool insecure;
	uid_t own;	       /* the server's user, as the sandbox later denies to ask for it */
	unsigned long refused; /* clients since the start */
	/* the log: at most one line a second */
	double said;
	unsigned long unsaid;
};

/* The other end of a connection, by what the kernel says of it. */
struct access_client {
	bool trusted; /* needs no token */
	char from[ACCESS_MAX_FROM];
};

/* Reads the first line of the file, which no stranger may be able to write. 0, or -1 with a
 * message. */
int access_read_token(struct access *a, const char *path, char *err, size_t err_size);
/* Whether anybody may be let in at that address. 0, or -1 with a message. */
int access_check_listen(
    const struct access *a, const struct sockaddr *address, char *err, size_t err_size);
/* Looks at a connection that was just accepted. */
void access_look(const struct access *a, int fd, struct access_client *c);
/* Whether the client may come in. A refusal is counted, and logged by the address at most once a
 * second; now is in seconds. */
bool access_admit(struct access *a, const struct access_client *c,
    const struct eventer_init_req *req, double now);

#endif
