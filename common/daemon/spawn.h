/*
 * A child that shares the memory of the process until it becomes another
 * program. Unlike after fork(2) and vfork(2), its start does not depend on how
 * much memory and how many descriptors the process has.
 */
#ifndef COMMON_SPAWN_H
#define COMMON_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

enum { SPAWN_MAX_FDS = 8 };

/* Keeps a few low numbers for the descriptors of children; best before the process has many.
 * Without it the first spawn_child() does so. */
void spawn_prepare(void);
/* Runs run(arg) in a child, and waits until that executes a program or ends; a return is the end.
 * fds: where the numbers of those descriptors are that it needs, -1 for none; while it runs these
 * are others, as the child has no descriptor else but the standard ones. Signals must be blocked;
 * what the child may call is what may be called after vfork(2). Returns its pid, or -1 with errno.
 */
pid_t spawn_child(int (*run)(void *arg), void *arg, int *const fds[], size_t count);

#endif
