/*
 * A control group for each runner, in the supervisor, where systemd delegated
 * its own to it (Delegate= of the unit): the kernel counts the runner's whole
 * memory and its processes, whatever it does about its own limits. If
 * nothing was delegated, nothing here does anything.
 */
#ifndef SUPERVISOR_CGROUP_H
#define SUPERVISOR_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CGROUP_PATH = 512, CGROUP_MAX_PROCESSES = 32 /* of a runner of a third party */ };

struct cgroup {
	char path[CGROUP_PATH]; /* of the delegated group; "" where there is none */
	bool memory, pids;	/* controllers that runners' groups have */
	uint32_t made;		/* the number of the last runner's group */
};

/* Finds our own group and takes it where it was delegated: moves us into a leaf of it and turns the
 * controllers on. Logs what there is. */
void cgroup_open(struct cgroup *g);
/* The same with a group of version 2 at path. Returns 0, or -1 with errno. */
int cgroup_open_at(struct cgroup *g, const char *path);

/* Makes a group for a process that is about to start, with its limits (memory in bytes): one that
 * was never there before, so that it is not what an earlier one left. Returns a descriptor for
 * cgroup_join(), the caller's, and its number from 1 on; or -1, with errno and the reason in the
 * log under the device's name, and number 0. Without delegation -1 with errno 0. */
int cgroup_make(struct cgroup *g, const char *device, uint64_t memory, uint32_t *number);
/* The calling process moves in. Async-signal-safe. Returns 0, or -1 with errno. */
int cgroup_join(int group);
/* The runner has ended: kills what it left behind and removes its group. Returns whether the kernel
 * killed for want of memory in it. */
bool cgroup_remove(const struct cgroup *g, const char *device, uint32_t number);

/* The path of the group of version 2 in the text of /proc/PID/cgroup. Returns whether there is one
 * that fits. */
bool cgroup_find(const char *text, char *path, size_t size);
/* Whether the text of memory.events counts a process that was killed for want of memory. */
bool cgroup_killed(const char *text);

#endif
