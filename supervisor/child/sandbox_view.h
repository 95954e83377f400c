/*
 * The restrictions that are really in force for a runner, read from the kernel
 * (proc(5)), not from the configuration. In the supervisor.
 */
#ifndef SUPERVISOR_SANDBOX_VIEW_H
#define SUPERVISOR_SANDBOX_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SANDBOX_VIEW_NAMESPACES = 7 };

/* A number that the kernel did not say is -1; a flag is known only where its number is. */
struct sandbox_view {
	int64_t seccomp; /* 0 none, 1 strict, 2 filter */
	int64_t seccomp_filters;
	int64_t no_new_privs;
	int64_t uid, gid;      /* effective */
	char capabilities[20]; /* effective, hexadecimal; "" unknown */
	char groups[64];       /* supplementary */
	int64_t threads;
	int64_t rss_kib, anonymous_kib, pss_kib;
	/* Soft limits; INT64_MAX: none. */
	int64_t address_space, open_files, processes, core;
	/* Whether each of sandbox_view_namespaces is another than ours; -1 unknown: the process is
	 * not dumpable, and only root may look. */
	int namespaces[SANDBOX_VIEW_NAMESPACES];
};

extern const char *const sandbox_view_namespaces[SANDBOX_VIEW_NAMESPACES];

/* Returns 0, or -1 when there is no such process. */
int sandbox_view_read(pid_t pid, struct sandbox_view *v);
/* The part of the outer lock (lock.h) that is not in force, or NULL. The kernel does not tell of
 * Landlock. */
const char *sandbox_view_missing(pid_t pid);
/* "none", "strict", "filter", or NULL. */
const char *sandbox_view_seccomp_name(int64_t mode);

#endif
