/*
 * Whether a file that is read, executed or used with authority (configuration,
 * keys, tokens, programs, state and runtime folders) can be changed by a
 * stranger: a user who is neither root nor the user of this process. A group
 * other than root's and this process' own counts as strangers. Used by
 * gatewayd, gateway-eventd and gatewayctl.
 */
#ifndef COMMON_TRUST_H
#define COMMON_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum trust {
	TRUST_OK,
	TRUST_READABLE, /* a secret that strangers can read */
	TRUST_WRITABLE, /* strangers can change or replace it */
};

enum {
	TRUST_SECRET = 1, /* also find out who can read it */
	TRUST_MAX_LINKS = 16,
};

/* One file of which st is known. */
enum trust trust_stat(const struct stat *st, int flags);
/*
 * The file at path, every folder above it up to the root, and every symbolic link on the way.
 * A sticky folder like /tmp is no fault, as strangers cannot rename what is ours in it. why gets a
 * sentence without a full stop unless the answer is TRUST_OK. A path that does not exist is
 * TRUST_OK as far as it exists: opening it says the rest.
 */
enum trust trust_path(const char *path, int flags, char *why, size_t why_size);

/* Makes the folder, mode 0750, where it is not there, and looks at it as trust_path() does. 0, or
 * -1 with a sentence in why: it is not used then. */
int trust_make_folder(const char *path, char *why, size_t why_size);

/* The process at the other end of the connected Unix socket, as it was at its connect() or listen()
 * (SO_PEERCRED), is root's or that of the user own. peer: filled in; user and group are -1 where
 * the kernel does not know them. */
bool trust_peer(int fd, uid_t own, struct ucred *peer);

#endif
