/* Small file descriptor helpers, in any process. */
#ifndef COMMON_FDUTIL_H
#define COMMON_FDUTIL_H

/* Closes where fd >= 0 and keeps errno. */
void fd_close(int fd);
/* 0, or -1 with errno. */
int fd_set_nonblock(int fd);
int fd_set_cloexec(int fd, int on);

#endif
