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

void
cgroup_open(struct cgroup *g)
{
	char text[MAX_HIERARCHIES * CGROUP_PATH], path[2 * CGROUP_PATH], *line = text;

	*g = (struct cgroup){ 0 };
	/* Version 2's line is "0::/system.slice/gatewayd.service"; hierarchies of version 1 may be
	 * mounted beside it, and come before. */
	read_file("/proc/self/cgroup", text, sizeof(text));
	while (strncmp(line, "0::/", 4) != 0) {
		line = strchr(line, '\n');
		if (!line)
			return;
		line++;
	}
	line[strcspn(line, "\n")] = '\0';
	if (strlen(line) >= CGROUP_PATH)
		return;
	snprintf(path, sizeof(path), "%s%s", mount_point, line + 3);
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

/* By the process' number: a device's name may be anything. */
static void
group_path(const struct cgroup *g, pid_t pid, char *path, size_t size)
{
	snprintf(path, size, "%s/runner-%d", g->path, (int)pid);
}

static void
limit(const char *path, const char *name, uint64_t value, const char *device)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	if (write_file(path, NULL, name, text) < 0)
		log_write(LOG_LEVEL_WARNING, device, "cgroup", "%s: %s", name, strerror(errno));
}

/* One of an earlier process with the same number may be left: what is in it ends, and where it can
 * not be removed yet it serves this process. */
static int
make_group(const char *path)
{
	if (mkdir(path, 0755) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	write_file(path, NULL, "cgroup.kill", "1");
	if (rmdir(path) == 0)
		return mkdir(path, 0755);
	return 0;
}

void
cgroup_add(const struct cgroup *g, const char *device, pid_t pid, uint64_t memory)
{
	char path[2 * CGROUP_PATH], text[16];

	if (!g || !g->path[0])
		return;
	group_path(g, pid, path, sizeof(path));
	if (make_group(path) < 0) {
		log_write(LOG_LEVEL_WARNING, device, "cgroup", "%s: %s", path, strerror(errno));
		return;
	}
	if (g->memory)
		limit(path, "memory.max", memory, device);
	if (g->pids)
		limit(path, "pids.max", CGROUP_MAX_PROCESSES, device);
	snprintf(text, sizeof(text), "%d", (int)pid);
	/* It may have ended already. */
	if (write_file(path, NULL, "cgroup.procs", text) < 0 && errno != ESRCH)
		log_write(LOG_LEVEL_WARNING, device, "cgroup", "%s: %s", path, strerror(errno));
}

static bool
was_out_of_memory(const char *path)
{
	char events[2 * CGROUP_PATH + 16], text[512];

	snprintf(events, sizeof(events), "%s/memory.events", path);
	read_file(events, text, sizeof(text));
	const char *count = strstr(text, "oom_kill ");
	return count && strtoul(count + 9, NULL, 10) > 0;
}

bool
cgroup_remove(const struct cgroup *g, const char *device, pid_t pid)
{
	char path[2 * CGROUP_PATH];

	if (!g || !g->path[0])
		return false;
	group_path(g, pid, path, sizeof(path));
	bool out_of_memory = g->memory && was_out_of_memory(path);
	/* A killed process takes a moment to go; then its group stays, empty, until the service
	 * ends. */
	write_file(path, NULL, "cgroup.kill", "1");
	if (rmdir(path) < 0 && errno != ENOENT)
		log_write(
		    LOG_LEVEL_DEBUG, device, "cgroup", "%s is left: %s", path, strerror(errno));
	return out_of_memory;
}
