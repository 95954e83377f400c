#include "protocols/modbus/text.h"

#include "tests/unit/suite.h"

static char line[480];

static const char *
frame_text(enum modbus_framing framing, enum modbus_direction dir, const void *p, size_t len)
{
	struct textbuf t = textbuf_make(line, sizeof(line));

	modbus_frame_text(&t, framing, dir, p, len);
	return textbuf_end(&t);
}

static const struct {
	enum modbus_direction dir;
	size_t len;
	const char *pdu, *text;
} pdus[] = {
	{ MODBUS_REQUEST, 5, "\x01\x00\x00\x00\x0a", "read coils 0 to 9" },
	{ MODBUS_RESPONSE, 4, "\x01\x02\xcd\x01", "read coils: 1 0 1 1 0 0 1 1 1 0 0 0 0 0 0 0" },
	{ MODBUS_REQUEST, 5, "\x02\xff\xff\x00\x01", "read discrete inputs 65535" },
	{ MODBUS_REQUEST, 5, "\x03\x00\x6b\x00\x03", "read holding registers 107 to 109" },
	{ MODBUS_RESPONSE, 6, "\x03\x04\x02\x2b\xff\xff", "read holding registers: 555 65535" },
	{ MODBUS_RESPONSE, 2, "\x03\x00", "read holding registers: none" },
	{ MODBUS_REQUEST, 5, "\x04\x00\x00\x00\x00", "read input registers 0, none of them" },
	{ MODBUS_REQUEST, 5, "\x05\x00\x01\xff\x00", "write coil 1: on" },
	{ MODBUS_RESPONSE, 5, "\x05\x00\x01\x00\x00", "write coil 1: off" },
	{ MODBUS_REQUEST, 5, "\x05\x00\x01\x12\x34", "write coil 1: 0x1234" },
	{ MODBUS_REQUEST, 5, "\x06\x00\x02\x00\x07", "write register 2: 7" },
	{ MODBUS_REQUEST, 7, "\x0f\x00\x13\x00\x03\x01\x05", "write coils 19 to 21: 1 0 1" },
	{ MODBUS_RESPONSE, 5, "\x0f\x00\x13\x00\x03", "write coils 19 to 21" },
	{ MODBUS_REQUEST, 10, "\x10\x00\x01\x00\x02\x04\x00\x0a\x01\x02",
	    "write registers 1 to 2: 10 258" },
	{ MODBUS_REQUEST, 7, "\x16\x00\x04\x00\xf2\x00\x25",
	    "mask write register 4: and 0x00f2, or 0x0025" },
	{ MODBUS_REQUEST, 3, "\x18\x04\xde", "read FIFO queue 1246" },
	{ MODBUS_RESPONSE, 9, "\x18\x00\x06\x00\x02\x01\xb8\x12\x84", "read FIFO queue: 440 4740" },
	{ MODBUS_RESPONSE, 2, "\x83\x02",
	    "read holding registers: exception 2, illegal data address" },
	{ MODBUS_RESPONSE, 2, "\xab\x63", "function 43: exception 99" },
	{ MODBUS_REQUEST, 4, "\x2b\x0e\x01\x00", "function 43, 3 bytes" },
	{ MODBUS_RESPONSE, 3, "\x03\x04\x02", "read holding registers, damaged, 2 bytes" },
	{ MODBUS_RESPONSE, 0, "", "no function" },
};

START_TEST(each_pdu_is_told)
{
	struct textbuf t = textbuf_make(line, sizeof(line));

	modbus_pdu_text(&t, pdus[_i].dir, (const uint8_t *)pdus[_i].pdu, pdus[_i].len);
	ck_assert_str_eq(textbuf_end(&t), pdus[_i].text);
}
END_TEST

START_TEST(each_framing_is_known)
{
	static const char tcp[] = "\x12\x34\0\0\0\x06\x11\x03\x00\x6b\x00\x03";
	static const char rtu[] = "\x11\x03\x00\x6b\x00\x03\x76\x87";
	static const char unknown[] = "\x11\x2b\x0e\x01\x00\xb1\xb4";
	static const char ascii[] = ":1103006B00037E\r\n";

	ck_assert_str_eq(frame_text(MODBUS_TCP, MODBUS_REQUEST, tcp, 12),
	    "transaction 4660, unit 17, read holding registers 107 to 109");
	ck_assert_str_eq(frame_text(MODBUS_RTU, MODBUS_REQUEST, rtu, 8),
	    "unit 17, read holding registers 107 to 109");
	ck_assert_str_eq(frame_text(MODBUS_ASCII, MODBUS_REQUEST, ascii, 17),
	    "unit 17, read holding registers 107 to 109");
	ck_assert_uint_eq(modbus_crc((const uint8_t *)unknown, 5), 0xb4b1);
	ck_assert_str_eq(
	    frame_text(MODBUS_RTU, MODBUS_REQUEST, unknown, 7), "unit 17, function 43, 3 bytes");
}
END_TEST

START_TEST(what_is_no_frame_is_said_to_be_none)
{
	static const char rtu[] = "\x11\x03\x00\x6b\x00\x03\x76\x88";
	static const char big[4096];

	ck_assert_str_eq(
	    frame_text(MODBUS_RTU, MODBUS_REQUEST, rtu, 8), "8 bytes that are no frame");
	ck_assert_str_eq(
	    frame_text(MODBUS_TCP, MODBUS_REQUEST, "", 0), "0 bytes that are no frame");
	ck_assert_str_eq(frame_text(MODBUS_TCP, MODBUS_REQUEST, big, sizeof(big)),
	    "4096 bytes that are no frame");
}
END_TEST

START_TEST(a_long_answer_is_cut)
{
	uint8_t frame[9 + 250] = { 0, 1, 0, 0, 0, 253, 1, 3, 250 };

	memset(frame + 9, 0xff, 250);
	frame_text(MODBUS_TCP, MODBUS_RESPONSE, frame, sizeof(frame));
	ck_assert_uint_lt(strlen(line), sizeof(line));
	ck_assert_str_eq(line + strlen(line) - 8, "65535...");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, each_pdu_is_told, pdus);
	tcase_add_test(tc, each_framing_is_known);
	tcase_add_test(tc, what_is_no_frame_is_said_to_be_none);
	tcase_add_test(tc, a_long_answer_is_cut);
}

UNIT_MAIN("modbus text")
