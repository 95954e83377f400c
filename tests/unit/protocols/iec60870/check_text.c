#include "protocols/iec60870/text.h"

#include "tests/unit/suite.h"

static const struct asdu_sizes sizes_101 = { 1, 1, 2 };
static const struct ft12_params unbalanced = { 1, false }, balanced = { 1, true };

static char line[480];

/* --- part 104 --- */

static const struct {
	size_t len;
	const char *frame, *text;
} apdus[] = {
	{ 6, "\x68\x04\x07\0\0\0", "U STARTDT act" },
	{ 6, "\x68\x04\x83\0\0\0", "U TESTFR con" },
	{ 6, "\x68\x04\x01\0\x0e\0", "S 7" },
	{ 5, "\x68\x04\x01\0\x0e", "5 bytes that are no frame" },
	{ 0, "", "0 bytes that are no frame" },
	{ 7, "\x68\x04\x01\0\x0e\0\0", "7 bytes that are no frame" },
	/* single point, two objects, the second invalid */
	{ 20, "\x68\x12\x0a\0\x06\0\x01\x02\x03\0\x01\0\x64\0\0\x01\x65\0\0\x80",
	    "I 5/3, M_SP_NA_1 SPONTANEOUS, ASDU 1, 100 ON, 101 OFF invalid" },
	/* floating, with CP56Time2a */
	{ 27,
	    "\x68\x19\0\0\0\0\x24\x01\x03\0\x02\0\x01\0\0\0\0\xc0\x3f\0\x7b\x1e\x08\x07\xa6\x05"
	    "\x18",
	    "I 0/0, M_ME_TF_1 SPONTANEOUS, ASDU 2, 1 1.5 (2024-05-06 07:08:07.803)" },
	/* general interrogation, and its refusal by an originator's station */
	{ 16, "\x68\x0e\0\0\0\0\x64\x01\x06\0\xff\xff\0\0\0\x14",
	    "I 0/0, C_IC_NA_1 ACTIVATION, ASDU 65535, 0 QOI 20" },
	{ 16, "\x68\x0e\0\0\0\0\x64\x01\x6e\x09\x01\0\0\0\0\x14",
	    "I 0/0, C_IC_NA_1 UNKNOWN_ASDU_ADDRESS negative, originator 9, ASDU 1, 0 QOI 20" },
	/* double command, select, test */
	{ 16, "\x68\x0e\0\0\0\0\x2e\x01\x86\0\x01\0\x05\0\0\x82",
	    "I 0/0, C_DC_NA_1 ACTIVATION test, ASDU 1, 5 ON select" },
	/* counter with carry, adjusted */
	{ 20, "\x68\x12\0\0\0\0\x0f\x01\x25\0\x01\0\x07\0\0\x2a\0\0\0\x60",
	    "I 0/0, M_IT_NA_1 INTERROGATED_COUNTER, ASDU 1, 7 42 adjusted overflow" },
	{ 12, "\x68\x0a\0\0\0\0\x02\x01\x03\0\x01\0",
	    "I 0/0, an ASDU that is shorter than it says, 6 bytes" },
	{ 13, "\x68\x0b\0\0\0\0\xc8\x01\x03\0\x01\0\0",
	    "I 0/0, unknown type 200 SPONTANEOUS, ASDU 1, 7 bytes" },
	{ 10, "\x68\x08\0\0\0\0\x01\x01\x03\0", "I 0/0, 4 bytes that are no ASDU" },
};

START_TEST(apdu)
{
	struct textbuf t = textbuf_make(line, sizeof(line));

	iec104_frame_text(&t, (const uint8_t *)apdus[_i].frame, apdus[_i].len);
	ck_assert_str_eq(textbuf_end(&t), apdus[_i].text);
}
END_TEST

/* --- FT1.2 --- */

static const struct {
	const struct ft12_params *params;
	const struct asdu_sizes *sizes;
	size_t len;
	const char *frame, *text;
} ft12[] = {
	{ &unbalanced, &sizes_101, 1, "\xe5", "single character E5" },
	{ &unbalanced, &sizes_101, 5, "\x10\x49\x01\x4a\x16", "link 1, request status of link" },
	{ &unbalanced, &sizes_101, 5, "\x10\x7a\x01\x7b\x16", "link 1, request class 1 FCB 1" },
	{ &unbalanced, &sizes_101, 5, "\x10\x20\x01\x21\x16", "link 1, ACK ACD" },
	{ &balanced, &sizes_101, 5, "\x10\xc9\x01\xca\x16", "link 1, request status of link DIR" },
	{ &unbalanced, &sizes_101, 5, "\x10\x49\x01\x4b\x16", "5 bytes that are no frame" },
	/* measured value, scaled */
	{ &unbalanced, &sizes_101, 17,
	    "\x68\x0b\x0b\x68\x08\x01\x0b\x01\x03\x01\x05\x01\xf6\xff\x01\x15\x16",
	    "link 1, respond user data, M_ME_NB_1 SPONTANEOUS, ASDU 1, 261 -10 overflow" },
	/* 103: general command, switch ON */
	{ &unbalanced, NULL, 16, "\x68\x0a\x0a\x68\x73\x03\x14\x81\x14\x03\x80\x10\x02\x07\xbb\x16",
	    "link 3, user data FCB 1, general command (20), command, ASDU 3, "
	    "FUN 128 INF 16 ON return 7" },
};

START_TEST(ft12_frame)
{
	struct textbuf t = textbuf_make(line, sizeof(line));

	ft12_frame_text(
	    &t, ft12[_i].params, ft12[_i].sizes, (const uint8_t *)ft12[_i].frame, ft12[_i].len);
	ck_assert_str_eq(textbuf_end(&t), ft12[_i].text);
}
END_TEST

/* --- 103 --- */

static const struct {
	size_t len;
	const char *asdu, *text;
} asdus_103[] = {
	{ 12, "\x01\x81\x01\x03\x80\x24\x02\xe8\x03\x05\x06\x00",
	    "time-tagged message (1), SPONTANEOUS, ASDU 3, FUN 128 INF 36 ON (06:05:01.000)" },
	{ 8, "\x09\x81\x02\x03\x80\x90\x00\x08",
	    "measurands II (9), CYCLIC, ASDU 3, FUN 128 INF 144 0.06250" },
	{ 7, "\x07\x81\x09\xff\xff\x00\x05",
	    "general interrogation (7), GENERAL_INTERROGATION, ASDU 255, FUN 255 INF 0 scan 5" },
	{ 6, "\x63\x81\x01\x03\x80\x24", "type 99, 6 bytes, SPONTANEOUS, ASDU 3" },
	{ 3, "\x01\x81\x01", "3 bytes that are no ASDU" },
};

START_TEST(asdu_of_103)
{
	struct textbuf t = textbuf_make(line, sizeof(line));

	iec103_asdu_text(&t, (const uint8_t *)asdus_103[_i].asdu, asdus_103[_i].len);
	ck_assert_str_eq(textbuf_end(&t), asdus_103[_i].text);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_table_test(tc, apdu, apdus);
	tcase_add_table_test(tc, ft12_frame, ft12);
	tcase_add_table_test(tc, asdu_of_103, asdus_103);
}

UNIT_MAIN("iec60870 text")
