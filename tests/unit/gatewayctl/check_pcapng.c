#include "gatewayctl/pcapng.h"

#include <string.h>
#include <unistd.h>

#include "tests/unit/suite.h"

static struct buffer packet;
static uint16_t link_type;

static bool
make(const char *text)
{
	char err[128];
	struct json_doc *doc = json_parse(text, strlen(text), 64, err, sizeof(err));

	ck_assert_msg(doc != NULL, "%s", err);
	buffer_clear(&packet);
	buffer_init(&packet, 256 * 1024);
	bool frame = pcapng_packet(&packet, &link_type, json_root(doc));
	json_free(doc);
	return frame;
}

#define ROW(more) "{\"kind\":\"frame\",\"time\":[1,2],\"nanosecond\":2500," more "}"
#define ends_with(bytes, n) ck_assert_mem_eq(buffer_data(&packet) + packet.len - (n), bytes, n)
#define has(bytes, n) ck_assert(memmem(buffer_data(&packet), packet.len, bytes, n) != NULL)

START_TEST(a_modbus_server_has_its_port)
{
	ck_assert(make(
	    ROW("\"direction\":\"tx\",\"protocol\":\"modbus-tcp\",\"serves\":false,"
		"\"local\":\"192.0.2.1:40000\",\"remote\":\"192.0.2.2:1502\",\"hex\":\"00ff\"")));
	ck_assert_uint_eq(link_type, 252);
	has("\0\x0c\0\x08mbtcp\0\0\0", 12);
	has("\0\x14\0\x04\xc0\0\2\1", 8); /* from */
	has("\0\x15\0\x04\xc0\0\2\2", 8); /* to */
	has("\0\x19\0\x04\0\0\x9c\x40", 8);
	has("\0\x1a\0\x04\0\0\x01\xf6", 8); /* 502, not 1502 */
	ends_with("\0\0\0\0\x00\xff", 6);
	/* Received by a slave: the port is the own one. */
	ck_assert(
	    make(ROW("\"direction\":\"rx\",\"protocol\":\"modbus-tcp\",\"serves\":true,"
		     "\"local\":\"192.0.2.1:1502\",\"remote\":\"192.0.2.2:40000\",\"hex\":\"\"")));
	has("\0\x19\0\x04\0\0\x9c\x40", 8);
	has("\0\x1a\0\x04\0\0\x01\xf6", 8);
}
END_TEST

START_TEST(ascii_becomes_rtu)
{
	/* ":1103006B00037E" */
	ck_assert(make(ROW("\"direction\":\"tx\",\"protocol\":\"modbus-ascii\",\"serves\":false,"
			   "\"local\":\"\",\"remote\":\"/dev/ttyS0\","
			   "\"hex\":\"3a31313033303036423030303337450d0a\"")));
	has("mbrtu", 5);
	ends_with("\x11\x03\x00\x6b\x00\x03\x76\x87", 8);
	/* Cut short. */
	ck_assert(make(ROW("\"direction\":\"tx\",\"protocol\":\"modbus-ascii\",\"serves\":false,"
			   "\"local\":\"\",\"remote\":\"\",\"hex\":\"3a\"")));
	ends_with("\x3a", 1);
}
END_TEST

START_TEST(serial_lines_are_rtac_captures)
{
	ck_assert(make(ROW("\"direction\":\"rx\",\"protocol\":\"iec101\",\"serves\":false,"
			   "\"local\":\"\",\"remote\":\"/dev/ttyS0\",\"hex\":\"e5\"")));
	ck_assert_uint_eq(link_type, 250);
	ck_assert_uint_eq(packet.len, 13);
	ck_assert_mem_eq(buffer_data(&packet), "\0\0\0\1\0\0\0\2\2\0\0\0\xe5", 13);
}
END_TEST

START_TEST(icmpv6_gets_a_checksum)
{
	ck_assert(
	    make(ROW("\"direction\":\"tx\",\"protocol\":\"icmpv6\",\"serves\":false,"
		     "\"local\":\"[::1]:7\",\"remote\":\"::1\",\"hex\":\"8000000000070001\"")));
	/* 2 * 1 + 8 + 58 + 8000 + 0007 + 0001 = 804c, inverted */
	ends_with("\x80\0\x7f\xb3\0\7\0\1", 8);
	has("\0\x16\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 20);
}
END_TEST

START_TEST(what_is_not_known_is_data)
{
	ck_assert(make(ROW("\"direction\":\"tx\",\"protocol\":\"of others\",\"serves\":false,"
			   "\"local\":\"::::\",\"remote\":\"[\",\"hex\":\"zz\"")));
	has("data", 4);
	ck_assert(!make("{\"kind\":\"state\"}"));
	ck_assert(!make(ROW("\"protocol\":\"iec104\"")));
}
END_TEST

/* Two devices, one of them twice: two interfaces, each before its first packet. */
START_TEST(each_device_is_an_interface)
{
	static const char *const devices[] = { "a", "b", "a" };
	char path[] = "/tmp/check-pcapng-XXXXXX", err[64], text[400];
	uint8_t bytes[1024];
	struct pcapng p;
	size_t types[8], n = 0;

	close(mkstemp(path));
	ck_assert_int_eq(pcapng_open(&p, path), 0);
	for (int i = 0; i < 3; i++) {
		int len = snprintf(text, sizeof(text),
		    ROW("\"device\":\"%s\",\"direction\":\"tx\",\"protocol\":\"snmp\",\"serves\":"
			"false,"
			"\"local\":\"\",\"remote\":\"\",\"hex\":\"3000\""),
		    devices[i]);
		struct json_doc *doc = json_parse(text, (size_t)len, 64, err, sizeof(err));
		ck_assert(pcapng_add(&p, json_root(doc)));
		json_free(doc);
	}
	ck_assert_int_eq(pcapng_close(&p), 0);
	FILE *f = fopen(path, "rb");
	size_t size = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	unlink(path);
	for (size_t at = 0; at < size; n++) {
		uint32_t type, len, again;
		memcpy(&type, bytes + at, 4);
		memcpy(&len, bytes + at + 4, 4);
		ck_assert_uint_eq(len % 4, 0);
		ck_assert_uint_le(at + len, size);
		memcpy(&again, bytes + at + len - 4, 4);
		ck_assert_uint_eq(again, len);
		types[n] = type;
		at += len;
	}
	ck_assert_uint_eq(n, 6);
	ck_assert_uint_eq(types[0], 0x0a0d0d0a);
	ck_assert_uint_eq(types[1], 1);
	ck_assert_uint_eq(types[2], 6);
	ck_assert_uint_eq(types[3], 1);
	ck_assert_uint_eq(types[4], 6);
	ck_assert_uint_eq(types[5], 6);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, a_modbus_server_has_its_port);
	tcase_add_test(tc, ascii_becomes_rtu);
	tcase_add_test(tc, serial_lines_are_rtac_captures);
	tcase_add_test(tc, icmpv6_gets_a_checksum);
	tcase_add_test(tc, what_is_not_known_is_data);
	tcase_add_test(tc, each_device_is_an_interface);
}

UNIT_MAIN("pcapng")
