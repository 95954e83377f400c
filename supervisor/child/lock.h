/*
 * The outer lock of a process: put on between fork and exec, whoever's program
 * it is (gateway-sandbox(7)). The supervisor prepares it; lock_self() is
 * async-signal-safe, as it runs in a child that shares the supervisor's memory.
 */
#ifndef SUPERVISOR_LOCK_H
#define SUPERVISOR_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum lock_level {
	LOCK_OFF,
	LOCK_STRICT,
	LOCK_NAMESPACES,  /* the program may move itself into namespaces */
	LOCK_BEST_EFFORT, /* without what the kernel does not have */
};

struct lock {
	enum lock_level level;
	bool own; /* a program of ours, which may stay root until its own lock is on, where nobody
		   * could not reach it */
	uint64_t memory; /* bytes of address space; 0: no limit */
	uint32_t files;	 /* open descriptors; 0: no limit */
	/* Paths that it may read and execute besides the program and the system's libraries; ends
	 * with NULL. Borrowed; NULL: nothing. */
	const char *const *reads;
	/* gateway-eventd: these files and folders, in which it may write; ends with NULL. Borrowed.
	 * It keeps its user, may make Unix sockets, and a process that looks at its data. NULL: a
	 * runner. */
	const char *const *writes;
	/* Set by lock_prepare(). */
	int rules; /* of Landlock; -1: none */
	bool keeps_ids;
	int program; /* for execveat(2), where nobody cannot reach the path; -1: by the path */
	pid_t parent;
};

/* Whether a process that cannot have all of it is not started. */
bool lock_is_strict(const struct lock *l);
/* In the supervisor, before the fork. Returns 0, or -1 with errno. lock_clear() follows in either
 * case. */
int lock_prepare(struct lock *l, const char *program);
void lock_clear(struct lock *l);

/* In the child. No root, no capabilities, no new privileges, no core, limits, SIGKILL at the end of
 * the parent, no file but to read and execute what lock_prepare() allowed, and a filter of system
 * calls: none that makes a socket or a process, looks into or signals others, mounts, or reaches
 * keys or io_uring. What is denied fails with EPERM or EACCES. Returns 0, or -1 with errno. */
int lock_self(const struct lock *l);
/* In the child, after that: becomes the program. Returns with errno where that fails. */
void lock_exec(const struct lock *l, const char *path, const char *const argv[]);

/* The supervisor's own lock, which its children keep: no new privileges, a filter that denies with
 * EPERM the calls that no process of the gateway needs (tracing, mounting, namespaces of others,
 * keys, modules, io_uring, setting the clock), and Landlock, where the kernel has it, that leaves
 * writing below these folders, and to devices and control groups. writes ends with NULL. Returns 0,
 * or -1 with errno. */
int lock_supervisor(const char *const *writes);
/* Whether the supervisor is confined by Landlock; and if so, whether it can write at path, which
 * need not exist yet. */
bool lock_confines(void);
bool lock_can_write(const char *path);

#endif
