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
	const struct config config = {
		.devices = &device, .device_count = 1, .built_in.sandbox = level
	};

	lines[0] = '\0';
	log_set_sink(sink);
	int result = kernel_features_check(&k, &config);
	log_set_sink(NULL);
	return result;
}

START_TEST(without_seccomp_strict_is_refused)
{
	const struct kernel_features none = { false, 7, 0 }, all = { true, 7, 0 };

	ck_assert_int_eq(check(none, IPC_SANDBOX_STRICT), -1);
	ck_assert_ptr_nonnull(strstr(lines, "plc1: its sandbox is to be strict"));
	ck_assert_ptr_nonnull(strstr(lines, "gatewayd's own sandbox is to be strict"));
	ck_assert_int_eq(check(none, IPC_SANDBOX_NAMESPACES), -1);
	ck_assert_int_eq(check(none, IPC_SANDBOX_BEST_EFFORT), 0);
	ck_assert_int_eq(check(none, IPC_SANDBOX_OFF), 0);
	ck_assert_int_eq(check(all, IPC_SANDBOX_STRICT), 0);
	ck_assert_str_eq(lines, "sandbox: seccomp yes, Landlock ABI 7\n");
}
END_TEST

START_TEST(what_is_missing_is_named)
{
	static const struct {
		struct kernel_features kernel;
		int result;
		const char *line;
	} rows[] = {
		{ .kernel = { true, 0, 0 },
		    .line = "no Landlock (Linux 5.13): only seccomp confines" },
		{ .kernel = { false, 0, 0 }, .result = -1, .line = "no Landlock (Linux 5.13)\n" },
		{ .kernel = { false, 7, 0 },
		    .result = -1,
		    .line = "no call of a runner is denied" },
		{ .kernel = { true, 2, 0 }, .line = "ABI 2 does not cover TCP ports and signals" },
		{ .kernel = { true, 4, 0 }, .line = "ABI 4 does not cover signals" },
		{ .kernel = { true, 7, 1 << KERNEL_WAIT },
		    .result = -1,
		    .line = "(Linux 5.4): gatewayd does not run on it" },
		{ .kernel = { true, 7, 1 << KERNEL_OPENAT2 }, .line = "no openat2 (Linux 5.6)" },
		{ .kernel = { true, 7, 1 << KERNEL_CLOSE_RANGE },
		    .line = "no close_range (Linux 5.9)" },
		{ .kernel = { true, 7, 1 << KERNEL_FILTER_COUNT },
		    .line = "does not count filters of system calls (Linux 5.9)" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(check(rows[i].kernel, IPC_SANDBOX_STRICT), rows[i].result);
		ck_assert_msg(strstr(lines, rows[i].line), "%s: %s", rows[i].line, lines);
	}
}
END_TEST

START_TEST(this_kernel_can_be_asked)
{
	struct kernel_features k = kernel_features_read();

	ck_assert_uint_eq(k.lacks & 1U << KERNEL_WAIT, 0);
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
