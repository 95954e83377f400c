#include <dirent.h>
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

/* In a process of its own, as it moves into the group. */
static int
supervise(void)
{
	struct cgroup g;
	char name[64], line[256] = "";
	int status, inside_now[2];

	if (cgroup_open_at(&g, base) < 0 || pipe(inside_now) < 0)
		return 10;
	pid_t pid = fork();
	if (pid == 0) {
		/* It leaves somebody behind, who is born in the group: nobody else would end him.
		 */
		if (read(inside_now[0], name, 1) != 1)
			_exit(1);
		if (fork() == 0)
			setsid();
		pause();
	}
	cgroup_add(&g, "plc1", pid, UINT64_C(64) << 20);
	if (write(inside_now[1], "", 1) != 1)
		return 15;
	snprintf(name, sizeof(name), "runner-%d", (int)pid);
	if (!exists(name))
		return 11;
	snprintf(line, sizeof(line), "/proc/%d/cgroup", (int)pid);
	FILE *f = fopen(line, "r");
	bool inside = false;
	while (f && fgets(line, sizeof(line), f))
		inside |= strstr(line, name) != NULL;
	if (f)
		fclose(f);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (cgroup_remove(&g, "plc1", pid))
		return 12;
	/* Gone, or as soon as what was left behind is. */
	for (int i = 0; i < 100 && exists(name); i++) {
		usleep(10000);
		cgroup_remove(&g, "plc1", pid);
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

	cgroup_add(NULL, "plc1", 1, 1);
	cgroup_add(&none, "plc1", 1, 1);
	ck_assert(!cgroup_remove(&none, "plc1", 1));
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

/* A group with the number of a process that was: it could not be removed when that ended. */
START_TEST(a_group_that_is_left_gets_its_limits_again)
{
	struct cgroup g = { .memory = true };
	char path[CGROUP_PATH], text[32] = "";

	snprintf(g.path, sizeof(g.path), "/tmp/check-cgroup-%d", (int)getpid());
	snprintf(path, sizeof(path), "%.400s/runner-7", g.path);
	ck_assert_int_eq(mkdir(g.path, 0700), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%.400s/runner-7/memory.max", g.path);
	FILE *f = fopen(path, "w");
	fprintf(f, "max");
	fclose(f);
	cgroup_add(&g, "plc1", 7, 67108864);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	fclose(f);
	ck_assert_str_eq(text, "67108864");
	unlink(path);
	snprintf(path, sizeof(path), "%.400s/runner-7", g.path);
	/* An empty one is made again. */
	cgroup_add(&g, "plc1", 7, 67108864);
	ck_assert_int_eq(rmdir(path), 0);
	rmdir(g.path);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, a_runner_has_a_group_while_it_lives);
	tcase_add_test(tc, without_delegation_nothing_is_done);
	tcase_add_test(tc, a_group_that_is_left_gets_its_limits_again);
	tcase_add_test(tc, the_kernel_says_who_was_killed_for_memory);
}

UNIT_MAIN("control groups")
