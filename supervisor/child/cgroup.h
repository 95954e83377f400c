/*
 * A control group for each runner, in the supervisor, where systemd delegated
 * its own to it (Delegate= of the unit): the kernel counts the runner's whole
 * memory and its processes, whatever it does about its own limits. Where
 * nothing was delegated nothing here does anything.
 */
#ifndef SUPERVISOR_CGROUP_H
#define SUPERVISOR_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { CGROUP_PATH = 512, CGROUP_MAX_PROCESSES = 32 /* of a runner of a third party */ };

struct cgroup {
	char path[CGROUP_PATH]; /* of the delegated group; "" where there is none */
	bool memory, pids;	/* controllers that runners' groups have */
};

/* Finds our own group and takes it where it was delegated: moves us into a leaf of it and turns the
 * controllers on. Logs what there is. */
void cgroup_open(struct cgroup *g);
/* The same with a group of version 2 at path. Returns 0, or -1 with errno. */
int cgroup_open_at(struct cgroup *g, const char *path);

/* Makes the group of a device, with its limit of memory in bytes, and puts its process in. A
 * failure is logged under the device's name. */
void cgroup_add(const struct cgroup *g, const char *device, pid_t pid, uint64_t memory);
/* The runner has ended: kills what it left behind and removes its group. Returns whether the kernel
 * killed for want of memory in it. */
bool cgroup_remove(const struct cgroup *g, const char *device, pid_t pid);

#endif
