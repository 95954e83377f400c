#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/daemon/usage.h"
#include "tests/unit/suite.h"

START_TEST(memory_is_what_is_touched)
{
	enum { BYTES = 16 << 20 };
	int64_t before = usage_memory(getpid());
	char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert(p != MAP_FAILED);
	memset(p, 1, BYTES);
	int64_t after = usage_memory(getpid());
	ck_assert_int_gt(before, 100000);
	ck_assert_int_gt(after - before, BYTES / 2);
	munmap(p, BYTES);
}
END_TEST

static void
check_count(int64_t (*count)(void))
{
	int64_t before = count();
	int far, one = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ck_assert_int_gt(before, 2);
	ck_assert_int_eq(count(), before + 1);
	far = fcntl(one, F_DUPFD_CLOEXEC, 900);
	ck_assert_int_ge(far, 900);
	ck_assert_int_eq(count(), before + 2);
	close(one);
	close(far);
	ck_assert_int_eq(count(), before);
}

START_TEST(each_open_file_counts)
{
	check_count(usage_open_files);
	check_count(usage_count_open_files);
}
END_TEST

START_TEST(cpu_time_is_that_of_its_clock)
{
	struct timespec ts;
	int64_t before = usage_cpu_us(getpid());

	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	while (ts.tv_sec * 1000000 + ts.tv_nsec / 1000 < before + 2000);
	ck_assert_int_ge(usage_cpu_us(getpid()), before + 2000);
}
END_TEST

START_TEST(of_no_process_nothing_is_known)
{
	pid_t gone = fork();

	if (gone == 0)
		_exit(0);
	waitpid(gone, NULL, 0);
	const pid_t none[] = { 0, -1, gone };
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		ck_assert_int_eq(usage_cpu_us(none[i]), -1);
		ck_assert_int_eq(usage_memory(none[i]), -1);
	}
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, memory_is_what_is_touched);
	tcase_add_test(tc, each_open_file_counts);
	tcase_add_test(tc, cpu_time_is_that_of_its_clock);
	tcase_add_test(tc, of_no_process_nothing_is_known);
}

UNIT_MAIN("usage")
