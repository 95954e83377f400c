/* The system call filter of a program that serves clients. Only the programs that link libseccomp
 * may use it. */
#ifndef COMMON_DAEMON_CALL_FILTER_H
#define COMMON_DAEMON_CALL_FILTER_H

#include <seccomp.h>
#include <stddef.h>

/* Allows what every such program needs to serve connections that it has, without files, and calls
 * besides. All others fail with EPERM. NULL with errno. */
scmp_filter_ctx call_filter_new(const int *calls, size_t count);
/* Takes filter; error: of the rules that the caller added, negative, else 0. Returns 0, or -1 with
 * errno. */
int call_filter_load(scmp_filter_ctx filter, int error);

#endif
