#include <dirent.h>
#include <errno.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/child/cgroup.h"
#include "tests/unit/suite.h"

static char base[CGROUP_PATH];

/* A group of version 2 of our own, where this machine lets us have one. */
static bool
make_base(void)
{
	FILE *f = setmntent("/proc/self/mounts", "r");
	struct mntent *m;

	while (f && (m = getmntent(f)))
		if (strcmp(m->mnt_type, "cgroup2") == 0)
			snprintf(base, sizeof(base), "%.400s/check-%d", m->mnt_dir, (int)getpid());
	if (f)
		endmntent(f);
	return base[0] && mkdir(base, 0755) == 0;
}

static bool
exists(const char *name)
{
	char path[2 * CGROUP_PATH];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	return access(path, F_OK) == 0;
}

static void
remove_base(void)
{
	char path[2 * CGROUP_PATH];
	int status = -1;

	/* Processes that were killed are there until the kernel has ended them. */
	snprintf(path, sizeof(path), "%s/supervisor", base);
	for (int i = 0; i < 1000 && status < 0; i++) {
		rmdir(path);
		status = rmdir(base);
		if (status < 0)
			usleep(10000);
	}
	ck_assert_int_eq(status, 0);
}

/* The runner: in its group before it says so, with somebody whom it leaves behind, whom nobody else
 * would end. */
static void
live(int group, int ready)
{
	if (cgroup_join(group) < 0)
		_exit(1);
	if (fork() == 0)
		setsid();
	if (write(ready, "", 1) != 1)
		_exit(1);
	pause();
}

static bool
is_in(pid_t pid, const char *name)
{
	char path[64], text[2048] = "", group[CGROUP_PATH];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	return n && cgroup_find(text, group, sizeof(group)) && strstr(group, name);
}

/* In a process of its own, as it moves into the group. */
static int
supervise(void)
{
	struct cgroup g;
	char name[64];
	int status, ready[2];
	uint32_t number;

	if (cgroup_open_at(&g, base) < 0 || pipe(ready) < 0)
		return 10;
	int group = cgroup_make(&g, "plc1", UINT64_C(64) << 20, &number);
	if (group < 0 || number != 1)
		return 11;
	pid_t pid = fork();
	if (pid == 0)
		live(group, ready[1]);
	close(group);
	close(ready[1]);
	if (read(ready[0], name, 1) != 1)
		return 15;
	snprintf(name, sizeof(name), "runner-%u", number);
	bool inside = is_in(pid, name);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (cgroup_remove(&g, "plc1", number))
		return 12;
	/* Gone, or as soon as what was left behind is. */
	for (int i = 0; i < 100 && exists(name); i++) {
		usleep(10000);
		cgroup_remove(&g, "plc1", number);
	}
	return !inside ? 13 : exists(name) ? 14 : 0;
}

START_TEST(a_runner_has_a_group_while_it_lives)
{
	int status;

	if (!make_base()) {
		printf("cgroup: no group of version 2 can be made here, not tested\n");
		return;
	}
	pid_t pid = fork();
	if (pid == 0)
		_exit(supervise());
	waitpid(pid, &status, 0);
	remove_base();
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(without_delegation_nothing_is_done)
{
	struct cgroup none = { 0 }, g;
	uint32_t number = 1;

	ck_assert_int_eq(cgroup_make(NULL, "plc1", 1, &number), -1);
	ck_assert_int_eq(errno, 0);
	ck_assert_uint_eq(number, 0);
	ck_assert_int_eq(cgroup_make(&none, "plc1", 1, &number), -1);
	ck_assert_int_eq(errno, 0);
	ck_assert(!cgroup_remove(&none, "plc1", 0));
	ck_assert(!cgroup_remove(NULL, "plc1", 1));
	ck_assert_int_eq(cgroup_open_at(&g, "/nonexistent"), -1);
	ck_assert_str_eq(g.path, "");
}
END_TEST

START_TEST(the_kernel_says_who_was_killed_for_memory)
{
	struct cgroup g = { .memory = true };
	char path[CGROUP_PATH];

	/* A folder that looks like a group. */
	snprintf(g.path, sizeof(g.path), "/tmp/check-cgroup-%d", (int)getpid());
	snprintf(path, sizeof(path), "%.400s/runner-7", g.path);
	ck_assert_int_eq(mkdir(g.path, 0700), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%.400s/runner-7/memory.events", g.path);
	for (int killed = 0; killed < 2; killed++) {
		FILE *f = fopen(path, "w");
		fprintf(f, "low 0\nhigh 0\nmax 12\noom 1\noom_kill %d\noom_group_kill 0\n", killed);
		fclose(f);
		ck_assert_int_eq(cgroup_remove(&g, "plc1", 7), killed);
	}
	unlink(path);
	snprintf(path, sizeof(path), "%.400s/runner-7", g.path);
	rmdir(path);
	rmdir(g.path);
}
END_TEST

/* What an earlier gatewayd left, with processes in it or without, is nobody's group again. */
START_TEST(a_group_that_is_left_is_passed_over)
{
	struct cgroup g = { 0 };
	char path[CGROUP_PATH];
	uint32_t number;

	snprintf(g.path, sizeof(g.path), "/tmp/check-cgroup-%d", (int)getpid());
	snprintf(path, sizeof(path), "%.400s/runner-1", g.path);
	ck_assert_int_eq(mkdir(g.path, 0700), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	/* A folder is no group: it has nothing to join by, and goes again. */
	ck_assert_int_eq(cgroup_make(&g, "plc1", 67108864, &number), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_uint_eq(number, 0);
	ck_assert_uint_eq(g.made, 2);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(g.path), 0);
}
END_TEST

/* Nobody starts in a group without the limits that it should have. */
START_TEST(a_group_that_takes_no_limit_is_none)
{
	struct cgroup g = { .memory = true };
	uint32_t number;

	snprintf(g.path, sizeof(g.path), "/tmp/check-cgroup-%d", (int)getpid());
	ck_assert_int_eq(mkdir(g.path, 0700), 0);
	ck_assert_int_eq(cgroup_make(&g, "plc1", 67108864, &number), -1);
	ck_assert_uint_eq(number, 0);
	ck_assert_int_eq(rmdir(g.path), 0);
}
END_TEST

START_TEST(the_own_group_is_the_line_of_version_2)
{
	char path[32];

	ck_assert(cgroup_find("4:pids:/old\n0::/system.slice/x\n", path, sizeof(path)));
	ck_assert_str_eq(path, "/system.slice/x");
	ck_assert(cgroup_find("0::/", path, sizeof(path)));
	ck_assert_str_eq(path, "/");
	ck_assert(!cgroup_find("4:pids:/old\n", path, sizeof(path)));
	ck_assert(!cgroup_find("0::/much/longer/than/there/is/room/for\n", path, sizeof(path)));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, a_runner_has_a_group_while_it_lives);
	tcase_add_test(tc, without_delegation_nothing_is_done);
	tcase_add_test(tc, a_group_that_is_left_is_passed_over);
	tcase_add_test(tc, a_group_that_takes_no_limit_is_none);
	tcase_add_test(tc, the_own_group_is_the_line_of_version_2);
	tcase_add_test(tc, the_kernel_says_who_was_killed_for_memory);
}

UNIT_MAIN("control groups")
