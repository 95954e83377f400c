/* Recorded frames, and damaged ones, as lines. */
#include "protocols/mms/text.h"
#include "tests/unit/expect.h"
#include "tests/unit/protocols/iso/frames.h"
#include "tests/unit/suite.h"

static const struct {
	const char *name;
	bool by_server;
	const char *text;
} rows[] = {
	{ "associate", false, "transport request" },
	{ "associate", true, "transport confirm" },
	{ "get-datasets", false, "request 0, getNameList \"testLD0\"" },
	{ "get-datasets", true, "response 0, getNameList \"LLN0$events\"" },
	{ "get-dataset-refs", false,
	    "request 1, getNamedVariableListAttributes \"testLD0\" \"LLN0$events\"" },
	{ "get-dataset-refs", true,
	    "response 1, getNamedVariableListAttributes \"testLD0\"/\"GGIO1$ST$Ind1\", "
	    "\"testLD0\"/\"GGIO1$MX$AnIn1$mag$f\"" },
	{ "create-dataset", true, "response 2, defineNamedVariableList" },
	{ "get-rcb", true, "response 3, read \"brcb01\", \"testLD0/LLN0$events\", 1" },
	{ "set-rcb-ResvTms", false,
	    "request 5, write \"testLD0\"/\"LLN0$BR$brcb01$ResvTms\" = 30" },
	{ "set-rcb-ResvTms", true, "response 5, write done" },
	{ "sbo-enhanced-operate-unselected", true,
	    "report \"LastApplError\": {\"testLD0/GGIO1$CO$SPCSO4$Oper\", 0, {3, 6777}, 1, 18}" },
	{ "write-denied", true, "response 15, write object-access-denied" },
	{ "status", false, "request 16, status" },
	{ "conclude", true, "conclude confirmed" },
};

START_TEST(recorded_frames)
{
	uint8_t data[FRAME_MAX];
	char line[480];
	size_t len = frame_named(rows[_i].name, rows[_i].by_server, data);

	ck_assert_uint_gt(len, 0);
	struct textbuf t = textbuf_make(line, sizeof(line));
	mms_frame_text(&t, data, len);
	ck_assert_str_eq(textbuf_end(&t), rows[_i].text);
}
END_TEST

START_TEST(a_report)
{
	uint8_t data[FRAME_MAX];
	char line[480];
	size_t len = 0;

	for (size_t i = 0; i < FRAMES; i++)
		if (strncmp(frames[i].hex, "030000c0", 8) == 0)
			len = frame_bytes(frames[i].hex, data);
	struct textbuf t = textbuf_make(line, sizeof(line));
	mms_frame_text(&t, data, len);
	ck_assert_str_eq(textbuf_end(&t),
	    "report \"RPT\": \"brcb01\", bits 0111111110, 0, 00af5c9a3d38, "
	    "\"testLD0/LLN0$events\", "
	    "true, 000001a22022f89a, 1, bits 11, \"testLD0/GGIO1$ST$Ind1\", "
	    "\"testLD0/GGIO1$MX$AnIn1$mag$f\", {false, bits 0000000000000, 0.000 s}, 0, "
	    "bits 000001, bits 000001");
}
END_TEST

START_TEST(accept_and_damaged_frames)
{
	uint8_t data[FRAME_MAX];
	char line[480];
	size_t len = frame_bytes(frames[3].hex, data);
	struct textbuf t = textbuf_make(line, sizeof(line));

	mms_frame_text(&t, data, len);
	ck_assert_str_eq(textbuf_end(&t), "accept, initiate confirmed, 65000 octets, 5 calls");
	t = textbuf_make(line, sizeof(line));
	mms_frame_text(&t, data, len - 1);
	ck_assert_str_eq(textbuf_end(&t), "no TPKT, 142 octets");
	data[6] = 0; /* not the last part */
	t = textbuf_make(line, sizeof(line));
	mms_frame_text(&t, data, len);
	ck_assert_str_eq(textbuf_end(&t), "part of a PDU, 136 octets");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, recorded_frames, rows);
	tcase_add_test(tc, a_report);
	tcase_add_test(tc, accept_and_damaged_frames);
}

UNIT_MAIN("mms_text")
