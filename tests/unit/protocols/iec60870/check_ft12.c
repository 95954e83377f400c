#include <errno.h>
#include <stdlib.h>

#include "protocols/iec60870/ft12.h"
#include "tests/unit/suite.h"

static const struct ft12_params one = { .address_size = 1 };

/* What is encoded is what stands in the row, decodes to the same, and no shorter prefix decodes. */
static void
roundtrip(struct ft12_params p, struct ft12_frame f, const uint8_t *bytes, size_t len)
{
	uint8_t out[FT12_MAX_FRAME];
	struct ft12_frame g;
	size_t size = 0;

	ck_assert_int_eq(ft12_encode(&p, &f, out), (int)len);
	ck_assert_mem_eq(out, bytes, len);
	ck_assert_int_eq(ft12_decode(&p, bytes, len, &g, &size), DEC_OK);
	ck_assert_uint_eq(size, len);
	ck_assert_int_eq(g.kind, f.kind);
	ck_assert_int_eq(g.dir, f.dir);
	ck_assert_int_eq(g.fcb, f.fcb);
	ck_assert_int_eq(g.fcv, f.fcv);
	ck_assert_int_eq(g.acd, f.acd);
	ck_assert_int_eq(g.dfc, f.dfc);
	ck_assert_int_eq(g.function, f.function);
	ck_assert_int_eq(g.address, f.address);
	ck_assert_uint_eq(g.len, f.len);
	if (f.len)
		ck_assert_mem_eq(g.data, f.data, f.len);
	for (size_t n = 0; n < len; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		memcpy(copy, bytes, n);
		ck_assert_int_eq(ft12_decode(&p, copy, n, &g, &size), DEC_MORE);
		free(copy);
	}
}

START_TEST(fixed_frame)
{
	static const uint8_t bytes[] = {
		0x10, /* start of a fixed frame */
		0x5B, /* PRM, FCV, function 11: request class 2 */
		0x05, /* link address */
		0x60, /* checksum: 5B + 05 */
		0x16, /* end */
	};
	roundtrip(one,
	    (struct ft12_frame){
		.kind = FT12_PRIMARY, .fcv = true, .function = FT12_REQ_CLASS2, .address = 5 },
	    bytes, sizeof(bytes));
}
END_TEST

START_TEST(variable_frame_balanced_two_bytes_of_address)
{
	static const uint8_t bytes[] = {
		0x68,
		0x05,
		0x05,
		0x68, /* start, L, L, start */
		0xF3, /* DIR, PRM, FCB, FCV, function 3: data */
		0x34,
		0x12, /* link address, low byte first */
		0xAA,
		0xBB, /* link user data */
		0x9E, /* checksum of the five bytes above: 29E */
		0x16,
	};
	static const uint8_t data[] = { 0xAA, 0xBB };
	roundtrip((struct ft12_params){ 2, true },
	    (struct ft12_frame){ .kind = FT12_PRIMARY,
		.dir = true,
		.fcb = true,
		.fcv = true,
		.function = FT12_DATA,
		.address = 0x1234,
		.data = data,
		.len = 2 },
	    bytes, sizeof(bytes));
}
END_TEST

START_TEST(secondary_frame_without_address)
{
	static const uint8_t bytes[] = {
		0x10,
		0x3B, /* ACD, DFC, function 11: status of link */
		0x3B,
		0x16,
	};
	roundtrip((struct ft12_params){ 0, false },
	    (struct ft12_frame){
		.kind = FT12_SECONDARY, .acd = true, .dfc = true, .function = FT12_RES_STATUS },
	    bytes, sizeof(bytes));
}
END_TEST

START_TEST(longest_frame)
{
	uint8_t data[FT12_MAX_USER - 2] = { 0 }, out[FT12_MAX_FRAME];
	struct ft12_frame f = { .kind = FT12_SECONDARY,
		.function = FT12_RES_DATA,
		.address = 1,
		.data = data,
		.len = sizeof(data) };

	ck_assert_int_eq(ft12_encode(&one, &f, out), FT12_MAX_FRAME);
	roundtrip(one, f, out, FT12_MAX_FRAME);
	f.len++;
	ck_assert_int_eq(ft12_encode(&one, &f, out), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	f.len = 0;
	f.address = 256;
	ck_assert_int_eq(ft12_encode(&one, &f, out), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(what_is_refused)
{
	static const struct {
		const char *what;
		uint8_t bytes[12];
		size_t len;
		enum dec dec;
	} rows[] = {
		{ "start", { 0x42 }, 1, DEC_BAD },
		{ "checksum", { 0x10, 0x5B, 0x05, 0x61, 0x16 }, 5, DEC_BAD },
		{ "end", { 0x10, 0x5B, 0x05, 0x60, 0x17 }, 5, DEC_BAD },
		{ "lengths differ", { 0x68, 0x05, 0x06 }, 3, DEC_BAD },
		{ "second start", { 0x68, 0x05, 0x05, 0x67 }, 4, DEC_BAD },
		{ "L without room for the address", { 0x68, 0x01 }, 2, DEC_BAD },
		{ "L of 0", { 0x68, 0x00, 0x00, 0x68, 0x00, 0x16 }, 6, DEC_BAD },
		{ "function 5", { 0x10, 0x45, 0x05, 0x4A, 0x16 }, 5, DEC_UNSUP },
		{ "answer 2", { 0x10, 0x02, 0x05, 0x07, 0x16 }, 5, DEC_UNSUP },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ft12_frame f;
		size_t size;
		ck_assert_msg(
		    ft12_decode(&one, rows[i].bytes, rows[i].len, &f, &size) == rows[i].dec, "%s",
		    rows[i].what);
	}
}
END_TEST

/* Any garbage of one byte to 40, then a frame, fed byte by byte or at once: the frame is found, at
 * the latest when the line has been quiet. */
START_TEST(receiver_finds_frames_after_garbage)
{
	static const uint8_t frame[] = { 0x10, 0x5B, 0x05, 0x60, 0x16 };
	static struct ft12_rx rx;

	srandom((unsigned)_i);
	for (int turn = 0; turn < 2000; turn++) {
		uint8_t bytes[64];
		size_t n = (size_t)random() % 40, found = 0;
		static const uint8_t likely[] = { 0x10, 0x68, 0xE5, 0x16 };
		for (size_t k = 0; k < n; k++)
			bytes[k] = random() % 2 ? likely[random() % 4] : (uint8_t)random();
		memcpy(bytes + n, frame, sizeof(frame));
		n += sizeof(frame);
		ft12_rx_init(&rx, one);
		struct ft12_frame f;
		size_t step = turn % 2 ? 1 : n;
		for (size_t at = 0; at < n; at += step) {
			ck_assert_uint_eq(ft12_rx_put(&rx, bytes + at, step), step);
			while (ft12_rx_next(&rx, &f) != DEC_MORE)
				found += f.kind == FT12_PRIMARY && f.function == FT12_REQ_CLASS2 &&
					 f.address == 5;
		}
		while (ft12_rx_partial(&rx)) {
			ft12_rx_gap(&rx);
			while (ft12_rx_next(&rx, &f) != DEC_MORE)
				found += f.kind == FT12_PRIMARY && f.function == FT12_REQ_CLASS2 &&
					 f.address == 5;
		}
		ck_assert_uint_ge(found, 1);
	}
}
END_TEST

START_TEST(single_character_is_believed_at_a_boundary_only)
{
	static const uint8_t damaged[] = { 0x68, 0x03, 0x04, 0xE5, 0xE5 };
	static const uint8_t clean[] = { 0xE5, 0x10, 0x5B, 0x05, 0x60, 0x16, 0xE5 };
	struct ft12_rx rx;
	struct ft12_frame f;

	ft12_rx_init(&rx, one);
	ft12_rx_put(&rx, damaged, sizeof(damaged));
	ck_assert_int_eq(ft12_rx_next(&rx, &f), DEC_MORE);
	ck_assert_uint_eq(rx.garbage, sizeof(damaged));
	ft12_rx_gap(&rx);
	ft12_rx_put(&rx, clean, sizeof(clean));
	ck_assert_int_eq(ft12_rx_next(&rx, &f), DEC_OK);
	ck_assert_int_eq(f.kind, FT12_SINGLE);
	ck_assert_int_eq(ft12_rx_next(&rx, &f), DEC_OK);
	ck_assert_int_eq(f.kind, FT12_PRIMARY);
	ck_assert_int_eq(ft12_rx_next(&rx, &f), DEC_OK);
	ck_assert_int_eq(f.kind, FT12_SINGLE);
	/* The rest of a frame that was torn apart, beginning with E5. */
	ft12_rx_put(&rx, "\xe5\x01\x02", 3);
	ck_assert_int_eq(ft12_rx_next(&rx, &f), DEC_MORE);
	ck_assert_uint_eq(rx.garbage, sizeof(damaged) + 3);
}
END_TEST

START_TEST(receiver_is_bounded)
{
	static struct ft12_rx rx;
	static const uint8_t header[] = { 0x68, 0xFF, 0xFF, 0x68 };
	uint8_t fill[2 * FT12_RX_SIZE] = { 0 };

	ft12_rx_init(&rx, one);
	ft12_rx_put(&rx, header, sizeof(header));
	ck_assert_uint_eq(ft12_rx_put(&rx, fill, sizeof(fill)), FT12_RX_SIZE - sizeof(header));
	struct ft12_frame f;
	while (ft12_rx_next(&rx, &f) != DEC_MORE)
		;
	ck_assert_uint_eq(ft12_rx_put(&rx, fill, sizeof(fill)), FT12_RX_SIZE);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, fixed_frame);
	tcase_add_test(tc, variable_frame_balanced_two_bytes_of_address);
	tcase_add_test(tc, secondary_frame_without_address);
	tcase_add_test(tc, longest_frame);
	tcase_add_test(tc, what_is_refused);
	tcase_add_loop_test(tc, receiver_finds_frames_after_garbage, 0, 4);
	tcase_add_test(tc, single_character_is_believed_at_a_boundary_only);
	tcase_add_test(tc, receiver_is_bounded);
}

UNIT_MAIN("ft12")
