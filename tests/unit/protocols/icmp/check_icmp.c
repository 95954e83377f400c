/* Echo messages of both families, with and without an IP header, and every shorter prefix. */
#include <string.h>

#include "protocols/icmp/icmp.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

static const struct icmp_echo echo = { 0x0102, "0123456789abcdef" };

/* A request of IPv4: type 8, code 0, checksum, identifier 0x1234, sequence 0x0102. */
static const uint8_t v4_request[ICMP_ECHO] = { 8, 0, 0xb5, 0x92, 0x12, 0x34, 0x01, 0x02, '0', '1',
	'2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f' };

START_TEST(requests_of_both_families)
{
	uint8_t out[ICMP_ECHO];

	icmp_request_encode(out, ICMP_V4, 0x1234, &echo);
	ck_assert_mem_eq(out, v4_request, ICMP_ECHO);
	icmp_request_encode(out, ICMP_V6, 0x1234, &echo);
	ck_assert_uint_eq(out[0], 128);
	ck_assert_uint_eq(out[2] | out[3], 0); /* the kernel's */
	ck_assert_mem_eq(out + 4, v4_request + 4, ICMP_ECHO - 4);
}
END_TEST

static void
make_reply(uint8_t out[ICMP_ECHO], enum icmp_family family)
{
	icmp_request_encode(out, family, 0x9999, &echo);
	out[0] = family == ICMP_V4 ? 0 : 129;
	if (family == ICMP_V4)
		out[2] = (uint8_t)(out[2] + 8); /* the type counts in the sum's upper octet */
}

START_TEST(replies_without_ip_header)
{
	uint8_t reply[ICMP_ECHO + 1];
	struct icmp_echo got;

	for (enum icmp_family f = ICMP_V4; f <= ICMP_V6; f++) {
		make_reply(reply, f);
		ck_assert_int_eq(icmp_reply_decode(&got, f, reply, ICMP_ECHO), DEC_OK);
		ck_assert_uint_eq(got.sequence, echo.sequence);
		ck_assert_mem_eq(got.data, echo.data, ICMP_DATA);
		/* The other family's. */
		ck_assert_int_ne(icmp_reply_decode(&got, 1 - f, reply, ICMP_ECHO), DEC_OK);
		for (size_t len = 0; len < ICMP_ECHO; len++)
			expect(icmp_reply_decode(&got, f, reply, len) != DEC_OK);
		expect(icmp_reply_decode(&got, f, reply, ICMP_ECHO + 1) == DEC_UNSUP);
		reply[1] = 1;
		expect(icmp_reply_decode(&got, f, reply, ICMP_ECHO) == DEC_UNSUP);
	}
}
END_TEST

START_TEST(replies_behind_an_ip_header)
{
	uint8_t packet[24 + ICMP_ECHO] = { 0x46, 0, 0, 24 + ICMP_ECHO };
	struct icmp_echo got;

	packet[9] = 1;
	make_reply(packet + 24, ICMP_V4);
	ck_assert_int_eq(icmp_reply_decode(&got, ICMP_V4, packet, sizeof(packet)), DEC_OK);
	ck_assert_uint_eq(got.sequence, echo.sequence);
	for (size_t len = 0; len < sizeof(packet); len++)
		expect(icmp_reply_decode(&got, ICMP_V4, packet, len) != DEC_OK);
	packet[24 + 12] ^= 1; /* the checksum says so */
	ck_assert_int_eq(icmp_reply_decode(&got, ICMP_V4, packet, sizeof(packet)), DEC_BAD);
	packet[24 + 12] ^= 1;
	packet[9] = 17; /* UDP */
	ck_assert_int_eq(icmp_reply_decode(&got, ICMP_V4, packet, sizeof(packet)), DEC_BAD);
	packet[9] = 1;
	packet[0] = 0x44; /* a header of 16 octets */
	ck_assert_int_eq(icmp_reply_decode(&got, ICMP_V4, packet, sizeof(packet)), DEC_BAD);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, requests_of_both_families);
	tcase_add_test(tc, replies_without_ip_header);
	tcase_add_test(tc, replies_behind_an_ip_header);
}

UNIT_MAIN("icmp")
