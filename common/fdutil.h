/* Small file descriptor helpers, in any process. */
#ifndef COMMON_FDUTIL_H
#define COMMON_FDUTIL_H

#include <stdbool.h>
#include <stddef.h>

/* Closes where fd >= 0 and keeps errno. */
void fd_close(int fd);
/* 0, or -1 with errno. */
int fd_set_nonblock(int fd);
int fd_set_cloexec(int fd, int on);
/* Writes n <= PIPE_BUF bytes where fd takes them at once, else none of them: never waits for a
 * pipe, a socket or a terminal, whose flags others share. Returns whether it took them. */
bool fd_write_now(int fd, const void *p, size_t n);

#endif
