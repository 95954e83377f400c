#include "supervisor/child/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/log.h"

enum { MAX_HIERARCHIES = 16 };

static const char mount_point[] = "/sys/fs/cgroup";

/* Below dir, where sub is not NULL. */
static int
write_file(const char *dir, const char *sub, const char *name, const char *text)
{
	char path[2 * CGROUP_PATH];

	snprintf(path, sizeof(path), "%s/%s%s%s", dir, sub ? sub : "", sub ? "/" : "", name);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = write(fd, text, strlen(text));
	int saved = errno;
	close(fd);
	errno = saved;
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

static size_t
read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	fd_close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static bool
was_delegated(const char *path)
{
	char value;

	return getxattr(path, "user.delegate", &value, 1) == 1 && value == '1';
}

/* A group with processes of its own has no limits for those below it: we go into a leaf. */
int
cgroup_open_at(struct cgroup *g, const char *path)
{
	char leaf[CGROUP_PATH];

	*g = (struct cgroup){ 0 };
	if (strlen(path) > CGROUP_PATH - 64)
		return errno = ENAMETOOLONG, -1;
	snprintf(leaf, sizeof(leaf), "%s/supervisor", path);
	if (mkdir(leaf, 0755) < 0 && errno != EEXIST)
		return -1;
	if (write_file(leaf, NULL, "cgroup.procs", "0") < 0)
		return -1;
	g->memory = write_file(path, NULL, "cgroup.subtree_control", "+memory") == 0;
	g->pids = write_file(path, NULL, "cgroup.subtree_control", "+pids") == 0;
	snprintf(g->path, sizeof(g->path), "%s", path);
	return 0;
}

/* Its line is "0::/system.slice/gatewayd.service"; hierarchies of version 1 may be mounted beside
 * it, and come before. */
bool
cgroup_find(const char *text, char *path, size_t size)
{
	while (strncmp(text, "0::/", 4) != 0) {
		text = strchr(text, '\n');
		if (!text)
			return false;
		text++;
	}
	size_t len = strcspn(text + 3, "\n");
	if (len >= size)
		return false;
	memcpy(path, text + 3, len);
	path[len] = '\0';
	return true;
}

void
cgroup_open(struct cgroup *g)
{
	char text[MAX_HIERARCHIES * CGROUP_PATH], own[CGROUP_PATH], path[2 * CGROUP_PATH];

	*g = (struct cgroup){ 0 };
	read_file("/proc/self/cgroup", text, sizeof(text));
	if (!cgroup_find(text, own, sizeof(own)))
		return;
	snprintf(path, sizeof(path), "%s%s", mount_point, own);
	if (!was_delegated(path))
		return;
	if (cgroup_open_at(g, path) < 0)
		log_write(LOG_LEVEL_WARNING, NULL, "cgroup",
		    "control group %s: %s; runners get none of "
		    "their own",
		    path, strerror(errno));
	else
		log_write(LOG_LEVEL_INFO, NULL, "cgroup",
		    "a control group for each runner: memory %s, "
		    "processes %s",
		    g->memory ? "limited" : "not limited", g->pids ? "limited" : "not limited");
}

/* By a number of ours: a device's name may be anything. */
static void
group_path(const struct cgroup *g, uint32_t number, char *path, size_t size)
{
	snprintf(path, size, "%s/runner-%u", g->path, number);
}

/* A number whose group an earlier gatewayd left is passed over. */
static int
make_folder(struct cgroup *g, char *path, size_t size)
{
	int result;

	do {
		group_path(g, ++g->made, path, size);
		result = mkdir(path, 0755);
	} while (result < 0 && errno == EEXIST);
	return result;
}

static int
set_limit(const char *path, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return write_file(path, NULL, name, text);
}

static int
set_limits(const struct cgroup *g, const char *path, uint64_t memory)
{
	if (g->memory && set_limit(path, "memory.max", memory) < 0)
		return -1;
	return g->pids ? set_limit(path, "pids.max", CGROUP_MAX_PROCESSES) : 0;
}

int
cgroup_make(struct cgroup *g, const char *device, uint64_t memory, uint32_t *number)
{
	char path[2 * CGROUP_PATH], procs[2 * CGROUP_PATH + 16];
	int fd = -1;

	*number = 0;
	if (!g || !g->path[0])
		return errno = 0, -1;
	bool made = make_folder(g, path, sizeof(path)) == 0;
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	if (made && set_limits(g, path, memory) == 0)
		fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		*number = g->made;
		return fd;
	}
	int saved = errno;
	log_write(
	    LOG_LEVEL_WARNING, device, "cgroup", "control group %s: %s", path, strerror(saved));
	if (made)
		rmdir(path);
	return errno = saved, -1;
}

int
cgroup_join(int group)
{
	return write(group, "0", 1) == 1 ? 0 : -1;
}

bool
cgroup_killed(const char *text)
{
	const char *count = strstr(text, "oom_kill ");

	return count && strtoul(count + 9, NULL, 10) > 0;
}

static bool
was_out_of_memory(const char *path)
{
	char events[2 * CGROUP_PATH + 16], text[512];

	snprintf(events, sizeof(events), "%s/memory.events", path);
	read_file(events, text, sizeof(text));
	return cgroup_killed(text);
}

bool
cgroup_remove(const struct cgroup *g, const char *device, uint32_t number)
{
	char path[2 * CGROUP_PATH];

	if (!g || !number)
		return false;
	group_path(g, number, path, sizeof(path));
	bool out_of_memory = g->memory && was_out_of_memory(path);
	/* A killed process takes a moment to go; then its group stays, empty, until the service
	 * ends. */
	write_file(path, NULL, "cgroup.kill", "1");
	if (rmdir(path) < 0 && errno != ENOENT)
		log_write(
		    LOG_LEVEL_DEBUG, device, "cgroup", "%s is left: %s", path, strerror(errno));
	return out_of_memory;
}
