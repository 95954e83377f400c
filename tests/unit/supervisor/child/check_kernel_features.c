#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "supervisor/child/kernel_features.h"
#include "tests/unit/suite.h"

static char lines[2048];

static void
sink(enum log_level level, const char *device, const char *event, const char *text)
{
	size_t used = strlen(lines);

	(void)level, (void)event;
	snprintf(lines + used, sizeof(lines) - used, "%s%s%s\n", device ? device : "",
	    device ? ": " : "", text);
}

static int
check(struct kernel_features k, enum ipc_sandbox level)
{
	struct config_device device = { .name = "plc1", .sandbox = level };
	const struct config config = { .devices = &device, .device_count = 1 };

	lines[0] = '\0';
	log_set_sink(sink);
	int result = kernel_features_check(&k, &config);
	log_set_sink(NULL);
	return result;
}

START_TEST(without_seccomp_strict_is_refused)
{
	const struct kernel_features none = { false, 7, true }, all = { true, 7, true };

	ck_assert_int_eq(check(none, IPC_SANDBOX_STRICT), -1);
	ck_assert_ptr_nonnull(strstr(lines, "plc1: its sandbox is to be strict"));
	ck_assert_int_eq(check(none, IPC_SANDBOX_NAMESPACES), -1);
	ck_assert_int_eq(check(none, IPC_SANDBOX_BEST_EFFORT), 0);
	ck_assert_int_eq(check(none, IPC_SANDBOX_OFF), 0);
	ck_assert_int_eq(check(all, IPC_SANDBOX_STRICT), 0);
	ck_assert_str_eq(lines, "sandbox: seccomp yes, Landlock ABI 7\n");
}
END_TEST

START_TEST(what_is_missing_is_named)
{
	ck_assert_int_eq(check((struct kernel_features){ true, 0, true }, IPC_SANDBOX_STRICT), 0);
	ck_assert_ptr_nonnull(strstr(lines, "no Landlock"));
	ck_assert_int_eq(check((struct kernel_features){ true, 2, true }, IPC_SANDBOX_STRICT), 0);
	ck_assert_ptr_nonnull(strstr(lines, "ABI 2 does not cover TCP ports and signals"));
	ck_assert_int_eq(check((struct kernel_features){ true, 4, true }, IPC_SANDBOX_STRICT), 0);
	ck_assert_ptr_nonnull(strstr(lines, "ABI 4 does not cover signals"));
	ck_assert_int_eq(check((struct kernel_features){ true, 7, false }, IPC_SANDBOX_OFF), -1);
	ck_assert_ptr_nonnull(strstr(lines, "pidfd"));
}
END_TEST

START_TEST(this_kernel_can_be_asked)
{
	struct kernel_features k = kernel_features_read();

	ck_assert(k.pidfd);
	ck_assert_int_ge(k.landlock_abi, 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, without_seccomp_strict_is_refused);
	tcase_add_test(tc, what_is_missing_is_named);
	tcase_add_test(tc, this_kernel_can_be_asked);
}

UNIT_MAIN("kernel features")
