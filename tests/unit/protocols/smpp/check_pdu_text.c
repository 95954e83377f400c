#include "protocols/smpp/pdu_text.h"

#include "tests/unit/suite.h"

static char line[480];

static const struct {
	size_t len;
	const char *pdu, *text;
} pdus[] = {
	{ 16, "\0\0\0\x10\0\0\0\x15\0\0\0\0\0\0\0\x07", "enquire_link 7" },
	{ 16, "\0\0\0\x10\x80\0\0\x15\0\0\0\0\0\0\0\x07", "enquire_link_resp 7 ROK" },
	/* the password is not shown */
	{ 32, "\0\0\0\x20\0\0\0\x09\0\0\0\0\0\0\0\x01sys\0secret\0\0\x34\0\0\0",
	    "bind_transceiver 1, system \"sys\"" },
	{ 20, "\0\0\0\x14\x80\0\0\x09\0\0\0\x0e\0\0\0\x01smc\0",
	    "bind_transceiver_resp 1 RINVPASWD, id \"smc\"" },
	/* submit_sm: service type, source 20, destination 3859, class 3, UCS-2, four octets */
	{ 43,
	    "\0\0\0\x2b\0\0\0\x04\0\0\0\0\0\0\0\x05\0\x01\x01\x32\x30\0\x01\x01\x33\x38\x35\x39\0"
	    "\x03\0\0\0\0\0"
	    "\0\x08\0\x04\x00\x41\x00\x42",
	    "submit_sm 5 from \"20\" to \"3859\", class 0x03, coding 8, 4 bytes" },
	{ 19, "\0\0\0\x13\x80\0\0\x04\0\0\0\x58\0\0\0\x05\x1b\x41\0",
	    "submit_sm_resp 5 RTHROTTLED, id \"\\x1b"
	    "A\"" },
	{ 16, "\0\0\0\x10\0\0\x09\x99\0\0\0\0\0\0\0\x07", "command 0x00000999 7" },
	{ 18, "\0\0\0\x12\0\0\0\x05\0\0\0\0\0\0\0\x07\x61\x62", "deliver_sm 7, malformed" },
	{ 15, "\0\0\0\x0f\0\0\0\x15\0\0\0\0\0\0\0", "15 bytes that are no PDU" },
};

START_TEST(pdu)
{
	struct textbuf t = textbuf_make(line, sizeof(line));

	smpp_pdu_text(&t, (const uint8_t *)pdus[_i].pdu, pdus[_i].len);
	ck_assert_str_eq(textbuf_end(&t), pdus[_i].text);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, pdu, pdus);
}

UNIT_MAIN("smpp pdu text")
