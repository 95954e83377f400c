#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "supervisor/child/sandbox_view.h"
#include "tests/unit/suite.h"

/* Check forks for each test: what is done to the process stays in the test. */
START_TEST(of_this_process)
{
	const struct rlimit files = { 77, 100 };
	struct sandbox_view v;

	ck_assert_int_eq(sandbox_view_read(getpid(), &v), 0);
	ck_assert_int_eq(v.no_new_privs, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(sandbox_view_read(getpid(), &v), 0);
	ck_assert_int_eq(v.no_new_privs, 1);
	ck_assert_int_eq(v.open_files, 77);
	ck_assert_int_eq(v.uid, geteuid());
	ck_assert_int_eq(v.gid, getegid());
	ck_assert_uint_eq(strlen(v.capabilities), 16);
	ck_assert_int_ge(v.threads, 1);
	ck_assert_int_gt(v.rss_kib, 100);
	ck_assert_int_gt(v.pss_kib, 0);
	for (size_t i = 0; i < SANDBOX_VIEW_NAMESPACES; i++)
		ck_assert_int_eq(v.namespaces[i], 0);
}
END_TEST

START_TEST(of_no_process)
{
	struct sandbox_view v;

	ck_assert_int_eq(sandbox_view_read(0x3fffffff, &v), -1);
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(sandbox_view_seccomp_name(0), "none");
	ck_assert_str_eq(sandbox_view_seccomp_name(2), "filter");
	ck_assert_ptr_null(sandbox_view_seccomp_name(-1));
	ck_assert_ptr_null(sandbox_view_seccomp_name(3));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, of_this_process);
	tcase_add_test(tc, of_no_process);
	tcase_add_test(tc, names);
}

UNIT_MAIN("sandbox_view")
