#include "supervisor/child/sandbox_view.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fdutil.h"

enum { FILE_SIZE = 8192, LINK_SIZE = 64 };

const char *const sandbox_view_namespaces[SANDBOX_VIEW_NAMESPACES] = { "user", "mnt", "pid", "net",
	"ipc", "uts", "cgroup" };

/* The whole file as text; false where there is none. */
static bool
read_file(pid_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n, used = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while ((n = read(fd, text + used, size - 1 - (size_t)used)) > 0)
		used += n;
	fd_close(fd);
	text[used] = '\0';
	return used > 0;
}

/* The text behind "NAME:" at the beginning of a line, or NULL. */
static const char *
find_field(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + 1 + strspn(line + len + 1, " \t");
	}
	return NULL;
}

/* The word at `index` of a field as a number, or -1. */
static int64_t
field_number(const char *text, const char *name, int index)
{
	const char *p = find_field(text, name);

	while (p && index-- > 0) {
		p += strcspn(p, " \t\n");
		p += strspn(p, " \t");
	}
	return p && *p >= '0' && *p <= '9' ? strtoll(p, NULL, 10) : -1;
}

static void
field_text(const char *text, const char *name, char *to, size_t size)
{
	const char *p = find_field(text, name);
	size_t len = p ? strcspn(p, "\n") : 0;

	while (len && p[len - 1] == ' ')
		len--;
	snprintf(to, size, "%.*s", (int)len, p ? p : "");
}

/* The first number after the limit's name; INT64_MAX where it is "unlimited". */
static int64_t
soft_limit(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	if (!p)
		return -1;
	p += strlen(name);
	p += strspn(p, " ");
	if (strncmp(p, "unlimited", 9) == 0)
		return INT64_MAX;
	return *p >= '0' && *p <= '9' ? strtoll(p, NULL, 10) : -1;
}

/* 1: another namespace than ours, 0: ours, -1: not to be seen. */
static int
is_other_namespace(pid_t pid, const char *name)
{
	char path[64], theirs[LINK_SIZE], ours[LINK_SIZE];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	ssize_t n = readlink(path, theirs, sizeof(theirs));
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	ssize_t m = readlink(path, ours, sizeof(ours));
	if (n < 0 || m < 0)
		return -1;
	return n != m || memcmp(theirs, ours, (size_t)n) != 0;
}

int
sandbox_view_read(pid_t pid, struct sandbox_view *v)
{
	char text[FILE_SIZE];

	*v = (struct sandbox_view){ .pss_kib = -1 };
	if (!read_file(pid, "status", text, sizeof(text)))
		return -1;
	v->seccomp = field_number(text, "Seccomp", 0);
	v->seccomp_filters = field_number(text, "Seccomp_filters", 0);
	v->no_new_privs = field_number(text, "NoNewPrivs", 0);
	v->uid = field_number(text, "Uid", 1);
	v->gid = field_number(text, "Gid", 1);
	v->threads = field_number(text, "Threads", 0);
	v->rss_kib = field_number(text, "VmRSS", 0);
	v->anonymous_kib = field_number(text, "RssAnon", 0);
	field_text(text, "CapEff", v->capabilities, sizeof(v->capabilities));
	field_text(text, "Groups", v->groups, sizeof(v->groups));
	if (read_file(pid, "smaps_rollup", text, sizeof(text)))
		v->pss_kib = field_number(text, "Pss", 0);
	if (!read_file(pid, "limits", text, sizeof(text)))
		text[0] = '\0';
	v->address_space = soft_limit(text, "Max address space");
	v->open_files = soft_limit(text, "Max open files");
	v->processes = soft_limit(text, "Max processes");
	v->core = soft_limit(text, "Max core file size");
	for (size_t i = 0; i < SANDBOX_VIEW_NAMESPACES; i++)
		v->namespaces[i] = is_other_namespace(pid, sandbox_view_namespaces[i]);
	return 0;
}

static bool
has_capabilities(const char *text)
{
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapAmb" };
	char set[24];

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		field_text(text, sets[i], set, sizeof(set));
		if (strspn(set, "0") != strlen(set))
			return true;
	}
	return false;
}

/* Real, effective, saved or of the file system. */
static bool
is_root(const char *text)
{
	for (int i = 0; i < 4; i++)
		if (field_number(text, "Uid", i) == 0)
			return true;
	return false;
}

/* A child keeps the filters of the supervisor, and of the service manager: only more of them say
 * that it has the lock's. Before Linux 5.9 they are not counted. */
static bool
has_own_filter(const char *text)
{
	char ours[FILE_SIZE];

	if (field_number(text, "Seccomp", 0) != 2)
		return false;
	return !read_file(getpid(), "status", ours, sizeof(ours)) ||
	       field_number(ours, "Seccomp_filters", 0) < 0 ||
	       field_number(text, "Seccomp_filters", 0) > field_number(ours, "Seccomp_filters", 0);
}

const char *
sandbox_view_missing(pid_t pid)
{
	char text[FILE_SIZE];

	/* /proc may hide processes that cannot be traced (ProtectProc=invisible). Then it hides a
	 * runner whose own lock is on. A runner that was spawned has the outer lock. */
	if (!read_file(pid, "status", text, sizeof(text)))
		return NULL;
	if (!has_own_filter(text))
		return "not locked: no filter of system calls";
	if (field_number(text, "NoNewPrivs", 0) != 1)
		return "not locked: it may gain privileges";
	if (is_root(text))
		return "not locked: it is root";
	if (has_capabilities(text))
		return "not locked: it has capabilities";
	return NULL;
}

const char *
sandbox_view_seccomp_name(int64_t mode)
{
	static const char *const names[] = { "none", "strict", "filter" };

	return mode >= 0 && mode < 3 ? names[mode] : NULL;
}
