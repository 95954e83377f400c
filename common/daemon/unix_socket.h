/* A program's own listening Unix socket. */
#ifndef COMMON_DAEMON_UNIX_SOCKET_H
#define COMMON_DAEMON_UNIX_SOCKET_H

/* Listens on path, for the user and the group: non-blocking, close-on-exec. Replaces a socket that
 * nobody listens on any more; what is another file or is in use stays. Returns the descriptor, or
 * -1 with errno (ENAMETOOLONG: the path is too long for a socket). */
int unix_socket_listen(const char *path, int backlog);

#endif
