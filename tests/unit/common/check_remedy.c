#include <errno.h>
#include <string.h>

#include "common/remedy.h"
#include "tests/unit/suite.h"

static const struct {
	enum remedy_of of;
	int error;
	const char *word; /* NULL: there is none */
} rows[] = {
	{ REMEDY_CONNECT, ECONNREFUSED, "port" },
	{ REMEDY_CONNECT, ETIMEDOUT, "firewalls" },
	{ REMEDY_CONNECT, EHOSTUNREACH, "cable" },
	{ REMEDY_CONNECT, ENETUNREACH, "ip route" },
	{ REMEDY_CONNECT, EMFILE, "LimitNOFILE" },
	{ REMEDY_LISTEN, EACCES, "CAP_NET_BIND_SERVICE" },
	{ REMEDY_LISTEN, EADDRINUSE, "ss -lntup" },
	{ REMEDY_LISTEN, EADDRNOTAVAIL, "ip address" },
	{ REMEDY_TTY, EACCES, "SupplementaryGroups" },
	{ REMEDY_TTY, ENOENT, "plugged in" },
	{ REMEDY_TTY, EBUSY, "fuser" },
	{ REMEDY_TTY, ENOTTY, "serial port" },
	{ REMEDY_FILE, ENOENT, "path" },
	{ REMEDY_FILE, EACCES, "read" },
	{ REMEDY_PING, EACCES, "ping_group_range" },
	{ REMEDY_PING, EPERM, "CAP_NET_RAW" },
	{ REMEDY_FOLDER, EROFS, "STATE_DIRECTORY" },
	{ REMEDY_FOLDER, ENOSPC, "df" },
	{ REMEDY_FOLDER, EACCES, "own" },
	{ REMEDY_NAME, REMEDY_NAME_UNKNOWN, "/etc/hosts" },
	{ REMEDY_NAME, REMEDY_NAME_NO_SERVER, "/etc/resolv.conf" },
	{ REMEDY_FILE, EADDRINUSE, NULL },
	{ REMEDY_CONNECT, 0, NULL },
};

START_TEST(each_says_what_to_do)
{
	const char *text = remedy_text(rows[_i].of, rows[_i].error);

	if (!rows[_i].word) {
		ck_assert_str_eq(text, "");
		return;
	}
	ck_assert_int_eq(strncmp(text, "; ", 2), 0);
	ck_assert_msg(strstr(text, rows[_i].word) != NULL, "%s", text);
	ck_assert_uint_lt(strlen(text), 160);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, each_says_what_to_do, rows);
}

UNIT_MAIN("remedy")
