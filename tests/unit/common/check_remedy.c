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
	{ REMEDY_EVENT_SERVER, REMEDY_SERVER_REFUSES, "token" },
	{ REMEDY_EVENT_SERVER, REMEDY_SERVER_IS_NONE, "port" },
	{ REMEDY_TLS, REMEDY_TLS_UNTRUSTED, "ca_path" },
	{ REMEDY_TLS, REMEDY_TLS_EXPIRED, "clock" },
	{ REMEDY_TLS, REMEDY_TLS_NOT_YET_VALID, "clock" },
	{ REMEDY_TLS, REMEDY_TLS_NAME, "names" },
	{ REMEDY_TLS, REMEDY_TLS_REVOKED, "new certificate" },
	{ REMEDY_TLS, REMEDY_TLS_OURS_REFUSED, "cert_path" },
	{ REMEDY_TLS, REMEDY_TLS_NONE_SPOKEN, "port" },
	{ REMEDY_MODBUS, 0, "device_id" },
	{ REMEDY_MODBUS, 1, "data_type" },
	{ REMEDY_MODBUS, 2, "start_address" },
	{ REMEDY_MODBUS, 10, "gateway" },
	{ REMEDY_MODBUS, 11, "gateway" },
	{ REMEDY_IEC60870, 44, "interoperability" },
	{ REMEDY_IEC60870, 45, "interoperability" },
	{ REMEDY_IEC60870, 46, "common address" },
	{ REMEDY_IEC60870, 47, "list of data" },
	{ REMEDY_SNMP, REMEDY_SNMP_LEVEL, "privacy" },
	{ REMEDY_SNMP, REMEDY_SNMP_USER, "user" },
	{ REMEDY_SNMP, REMEDY_SNMP_DIGEST, "password" },
	{ REMEDY_SNMP, REMEDY_SNMP_DECRYPTION, "privacy" },
	{ REMEDY_SNMP, REMEDY_SNMP_SILENT, "community" },
	{ REMEDY_SNMP, REMEDY_SNMP_NO_ENGINE, "V3" },
	{ REMEDY_SMPP, 0x05, "system_id" },
	{ REMEDY_SMPP, 0x0d, "system_id" },
	{ REMEDY_SMPP, 0x0e, "password" },
	{ REMEDY_SMPP, 0x0f, "system_id" },
	{ REMEDY_MODBUS, 3, NULL },
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
