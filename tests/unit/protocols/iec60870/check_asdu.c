#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "protocols/iec60870/asdu.h"
#include "tests/unit/suite.h"

/* Decodes, encodes back, and decodes every shorter prefix from a block of its exact size. */
static struct asdu
check_frame(const uint8_t *frame, size_t len, const struct asdu_sizes *sizes)
{
	struct asdu a, copy;
	struct asdu_writer w;
	struct iec_object o;

	ck_assert_int_eq(asdu_decode(&a, sizes, frame, len), DEC_OK);
	copy = a;
	asdu_begin(&w, sizes, &a.head, ASDU_MAX);
	while (asdu_next(&copy, &o))
		ck_assert(asdu_add(&w, &o));
	ck_assert_uint_eq(w.len, len);
	ck_assert_mem_eq(asdu_end(&w), frame, len);
	for (size_t n = 0; n < len; n++) {
		uint8_t *prefix = malloc(n ? n : 1);
		memcpy(prefix, frame, n);
		ck_assert_int_eq(asdu_decode(&copy, sizes, prefix, n), DEC_MORE);
		free(prefix);
	}
	return a;
}

START_TEST(single_point_with_cp56)
{
	static const uint8_t frame[] = {
		0x1e,		  /* M_SP_TB_1 */
		0x01,		  /* SQ 0, one object */
		0x83, 0x05,	  /* T, spontaneous; originator 5 */
		0x02, 0x01,	  /* common address 258 */
		0x0a, 0x00, 0x01, /* object 65546 */
		0xa1,		  /* on, invalid, substituted */
		0x39, 0x30,	  /* 12.345 s */
		0xe2,		  /* IV, GEN, minute 34 */
		0x8d,		  /* SU, 13 h */
		0x4e,		  /* Tuesday, 14 */
		0x0b, 0x17,	  /* November 2023 */
	};
	struct asdu a = check_frame(frame, sizeof(frame), &asdu_sizes_104);
	struct iec_object o;

	ck_assert_str_eq(a.head.type->name, "M_SP_TB_1");
	ck_assert(a.head.test && !a.head.negative && !a.head.sequence);
	ck_assert_uint_eq(a.head.cause, IEC_SPONTANEOUS);
	ck_assert_uint_eq(a.head.originator, 5);
	ck_assert_uint_eq(a.head.common, 258);
	ck_assert(asdu_next(&a, &o));
	ck_assert_uint_eq(o.address, 65546);
	ck_assert_int_eq(o.value, 1);
	ck_assert_uint_eq(o.quality, IEC_Q_INVALID | IEC_Q_SUBSTITUTED);
	ck_assert_uint_eq(o.time.ms, 12345);
	ck_assert(o.time.invalid && o.time.substituted && o.time.summer);
	ck_assert_uint_eq(o.time.hour, 13);
	ck_assert_uint_eq(o.time.weekday, 2);
	ck_assert(!asdu_next(&a, &o));
}
END_TEST

START_TEST(sequence_of_floats)
{
	static const uint8_t frame[] = {
		0x0d,			      /* M_ME_NC_1 */
		0x83,			      /* SQ 1, three elements */
		0x14, 0x00,		      /* interrogated by station */
		0x01, 0x00,		      /* common address 1 */
		0x64, 0x00, 0x00,	      /* first object 100 */
		0x00, 0x00, 0xc0, 0x3f, 0x01, /* 1.5, overflow */
		0x00, 0x00, 0x80, 0x7f, 0x80, /* infinity, invalid */
		0x00, 0x00, 0xc0, 0x7f, 0x00, /* not a number */
	};
	struct asdu a = check_frame(frame, sizeof(frame), &asdu_sizes_104);
	struct iec_object o;

	for (uint32_t i = 0; i < 3; i++) {
		ck_assert(asdu_next(&a, &o));
		ck_assert_uint_eq(o.address, 100 + i);
		ck_assert(i == 0 ? o.real == 1.5f : i == 1 ? isinf(o.real) : isnan(o.real));
	}
	ck_assert(!asdu_next(&a, &o));
}
END_TEST

/* One tag behind the last element, for all of them. */
START_TEST(sequence_with_one_tag)
{
	static const uint8_t frame[] = {
		0x1e,
		0x82,
		0x03,
		0x00,
		0x01,
		0x00, /* M_SP_TB_1, SQ 1, two elements */
		0x07,
		0x00,
		0x00, /* first object 7 */
		0x01,
		0x00, /* on, off */
		0x39,
		0x30,
		0x22,
		0x0d,
		0x4e,
		0x0b,
		0x17,
	};
	struct asdu a;
	struct iec_object o;

	ck_assert_int_eq(asdu_decode(&a, &asdu_sizes_104, frame, sizeof(frame)), DEC_OK);
	for (int i = 0; i < 2; i++) {
		ck_assert(asdu_next(&a, &o));
		ck_assert_uint_eq(o.address, 7u + (uint32_t)i);
		ck_assert_int_eq(o.value, !i);
		ck_assert_uint_eq(o.time.ms, 12345);
	}
	ck_assert(!asdu_next(&a, &o));
	for (size_t n = 0; n < sizeof(frame); n++)
		ck_assert_int_eq(asdu_decode(&a, &asdu_sizes_104, frame, n), DEC_MORE);
}
END_TEST

/* Every type with a time tag, in both layouts of a sequence: a tag in each element, one behind the
 * last. */
START_TEST(sequences_with_tags)
{
	static const struct asdu_sizes sizes[] = { { 2, 2, 3 }, { 1, 1, 1 } };
	unsigned tried = 0;

	for (unsigned n = 0; n < 2 * 256; n++) {
		const struct iec_type *type = iec_type_find((uint8_t)(n / 2));
		const struct asdu_sizes *s = &sizes[n % 2];
		if (!type || !type->time)
			continue;
		for (int each = 0; each < 2; each++) {
			uint8_t frame[64] = { type->id, 0x82, 3 };
			size_t at = 2u + s->cause + s->common;
			struct iec_object o;
			struct asdu a;
			frame[at] = 7;
			at += s->object;
			for (int i = 0; i < 2; i++) {
				frame[at] = 1; /* a value of any type */
				at += type->size;
				if (each || i == 1) {
					frame[at] = (uint8_t)(each ? 40 + i : 41);
					at += type->time;
				}
			}
			ck_assert_int_eq(asdu_decode(&a, s, frame, at), DEC_OK);
			for (unsigned i = 0; i < 2; i++) {
				ck_assert(asdu_next(&a, &o));
				ck_assert_uint_eq(o.address, 7 + i);
				ck_assert_uint_eq(o.time.size, type->time);
				ck_assert_uint_eq(o.time.ms, each ? 40 + i : 41);
			}
			ck_assert(!asdu_next(&a, &o));
			ck_assert_int_ne(asdu_decode(&a, s, frame, at - 1), DEC_OK);
			ck_assert_int_eq(asdu_decode(&a, s, frame, at + 1), DEC_BAD);
			tried++;
		}
	}
	ck_assert_uint_eq(tried, 4 * (11 + 11 + 7 + 1));
}
END_TEST

START_TEST(types_without_their_tag)
{
	static const uint8_t pairs[][2] = { { 1, 1 }, { 2, 1 }, { 16, 15 }, { 30, 1 }, { 31, 3 },
		{ 32, 5 }, { 33, 7 }, { 34, 9 }, { 35, 11 }, { 36, 13 }, { 37, 15 }, { 20, 20 },
		{ 21, 21 }, { 17, 0 }, { 19, 0 }, { 38, 0 }, { 40, 0 } };

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct iec_type *t = iec_type_untagged(iec_type_find(pairs[i][0]));
		ck_assert_int_eq(t ? t->id : 0, pairs[i][1]);
		ck_assert(!t || (t->time == 0 && t->kind == iec_type_find(pairs[i][0])->kind));
	}
}
END_TEST

START_TEST(smallest_sizes_of_101)
{
	static const struct asdu_sizes sizes = { 1, 1, 1 };
	static const uint8_t frame[] = {
		0x02,		  /* M_SP_TA_1 */
		0x01,		  /* one object */
		0x43,		  /* P/N, spontaneous */
		0xfe,		  /* common address 254 */
		0x09,		  /* object 9 */
		0x01,		  /* on */
		0x39, 0x30, 0x62, /* CP24: 12.345 s, GEN, minute 34 */
	};
	struct asdu a = check_frame(frame, sizeof(frame), &sizes);

	ck_assert(a.head.negative);
	ck_assert_uint_eq(a.head.common, 254);
	ck_assert_uint_eq(asdu_max_common(&sizes), 0xff);
	ck_assert_uint_eq(asdu_max_object(&sizes), 0xff);
}
END_TEST

START_TEST(file_segment_has_its_own_length)
{
	static const uint8_t frame[] = {
		0x7d, 0x01, 0x0d, 0x00, 0x01, 0x00, /* F_SG_NA_1, file transfer */
		0x00, 0x00, 0x00,		    /* object 0 */
		0x02, 0x01, 0x05,		    /* file 258, section 5 */
		0x03, 0xaa, 0xbb, 0xcc,		    /* three octets */
	};
	struct asdu a = check_frame(frame, sizeof(frame), &asdu_sizes_104);
	uint8_t two[sizeof(frame)];
	struct iec_object o;

	ck_assert(asdu_next(&a, &o));
	ck_assert_uint_eq(o.file.name, 258);
	ck_assert_uint_eq(o.file.segment_len, 3);
	ck_assert_mem_eq(o.file.segment, "\xaa\xbb\xcc", 3);
	memcpy(two, frame, sizeof(frame));
	two[1] = 0x02; /* variable objects can not be counted */
	ck_assert_int_eq(asdu_decode(&a, &asdu_sizes_104, two, sizeof(two)), DEC_BAD);
}
END_TEST

START_TEST(lies_are_refused)
{
	static const uint8_t last[] = { 0x01, 0x82, 0x03, 0x00, 0x01, 0x00, 0xff, 0xff, 0xff, 0x01,
		0x00 };
	static const uint8_t longer[] = { 0x01, 0x01, 0x03, 0x00, 0x01, 0x00, 1, 0, 0, 0x01, 0x00 };
	static const uint8_t unknown[] = { 0x29, 0x01, 0x03, 0x07, 0x01, 0x00, 1, 0, 0, 0x01 };
	static const uint8_t event[] = { 0x26, 0x01, 0x03, 0, 1, 0, 1, 0, 0, 0x00, 0, 0, 0x39, 0x30,
		0x22, 0x0d, 0x4e, 0x0b, 0x17 };
	struct asdu a;
	struct iec_object o;

	ck_assert_int_eq(asdu_decode(&a, &asdu_sizes_104, last, sizeof(last)), DEC_BAD);
	ck_assert_int_eq(asdu_decode(&a, &asdu_sizes_104, longer, sizeof(longer)), DEC_BAD);
	ck_assert_int_eq(asdu_decode(&a, &asdu_sizes_104, unknown, sizeof(unknown)), DEC_UNSUP);
	ck_assert_uint_eq(a.head.type_id, 0x29);
	ck_assert_uint_eq(a.head.originator, 7);
	/* A value that the standard does not define costs that object, not the ASDU. */
	ck_assert_int_eq(asdu_decode(&a, &asdu_sizes_104, event, sizeof(event)), DEC_OK);
	ck_assert(asdu_next(&a, &o));
	ck_assert_ptr_nonnull(o.defect);
}
END_TEST

START_TEST(mirror_says_why)
{
	static const uint8_t frame[] = { 0x29, 0x01, 0x86, 0x07, 0x01, 0x00, 1, 0, 0, 0x01 };
	uint8_t out[ASDU_MAX];

	const struct asdu_sizes *s = &asdu_sizes_104;

	ck_assert_uint_eq(
	    asdu_mirror(out, sizeof(out), s, frame, sizeof(frame), 1, IEC_UNKNOWN_TYPE, true),
	    sizeof(frame));
	ck_assert_uint_eq(out[2], 0x80 | 0x40 | 44);
	ck_assert_mem_eq(out + 3, frame + 3, sizeof(frame) - 3);
	ck_assert_uint_eq(
	    asdu_mirror(out, sizeof(out), s, frame, sizeof(frame), 258, 7, false), sizeof(frame));
	ck_assert_uint_eq(out[2], 0x80 | 7);
	ck_assert_mem_eq(out + 3, "\x07\x02\x01", 3);
	ck_assert_uint_eq(asdu_mirror(out, 9, s, frame, sizeof(frame), 1, 44, true), 0);
	ck_assert_uint_eq(asdu_mirror(out, sizeof(out), s, frame, 5, 1, 44, true), 0);
}
END_TEST

static void
count_objects(void *arg, const void *asdu, size_t len)
{
	unsigned *counts = arg;
	struct asdu a;

	ck_assert_int_eq(asdu_decode(&a, &asdu_sizes_104, asdu, len), DEC_OK);
	ck_assert_uint_eq(a.head.originator, 5);
	counts[counts[0]++] = a.head.count | (unsigned)a.head.type_id << 8;
}

/* As many objects in an ASDU as fit, a new one for each type; what cannot be encoded is left out.
 */
START_TEST(batches)
{
	unsigned counts[8] = { 1 };
	struct asdu_batch b = { .sizes = asdu_sizes_104,
		.head = { .cause = 20, .originator = 5, .common = 1 },
		.max = 30,
		.send = count_objects,
		.arg = counts };
	struct iec_object o = { .address = 1 }, bad = { .value = 9 };

	asdu_batch_flush(&b);
	ck_assert_uint_eq(counts[0], 1);
	for (int i = 0; i < 8; i++)
		asdu_batch_add(&b, iec_type_find(1), &o);
	asdu_batch_add(&b, iec_type_find(1), &bad);
	asdu_batch_add(&b, iec_type_find(3), &o);
	asdu_batch_flush(&b);
	asdu_batch_flush(&b);
	ck_assert_uint_eq(counts[0], 4);
	ck_assert_uint_eq(counts[1], 1 << 8 | 6);
	ck_assert_uint_eq(counts[2], 1 << 8 | 2);
	ck_assert_uint_eq(counts[3], 3 << 8 | 1);
}
END_TEST

START_TEST(qualifiers_of_interrogations)
{
	const struct iec_type *station = iec_type_find(100), *counters = iec_type_find(101);
	static const uint8_t rows[][3] = { { 0, 0, 0 }, { 1, 0, 38 }, { 4, 0, 41 }, { 5, 0, 37 },
		{ 6, 0, 0 }, { 19, 0, 0 }, { 20, 20, 0 }, { 36, 36, 0 }, { 37, 0, 0 },
		{ 255, 0, 0 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_uint_eq(iec_interrogation_cause(station, rows[i][0]), rows[i][1]);
		ck_assert_uint_eq(iec_interrogation_cause(counters, rows[i][0]), rows[i][2]);
	}
}
END_TEST

/* Any bytes of any type: what decodes without a defect encodes back to bytes that decode the same.
 */
START_TEST(every_type_both_ways)
{
	uint64_t x = 88172645463325252u;
	unsigned seen = 0;

	for (unsigned id = 0; id < 256; id++) {
		const struct iec_type *type = iec_type_find((uint8_t)id);
		if (!type)
			continue;
		seen++;
		ck_assert_uint_eq(type->id, id);
		for (int turn = 0; turn < 200; turn++) {
			struct asdu_head head = { .type = type, .cause = 3, .common = 1 };
			struct asdu_writer w;
			struct asdu a;
			struct iec_object o = { .address = 1 }, again = { .address = 1 };
			uint8_t bytes[32];
			for (size_t i = 0; i < sizeof(bytes); i++)
				x ^= x << 13, x ^= x >> 7, x ^= x << 17, bytes[i] = (uint8_t)x;
			bytes[3] = id == 125 ? 9 : bytes[3];
			struct cursor c = cursor_make(bytes, sizeof(bytes));
			iec_object_decode(&o, type, &c);
			ck_assert(cursor_ok(&c));
			ck_assert_uint_eq(
			    iec_object_size(&o, type), sizeof(bytes) - cursor_left(&c));
			if (o.defect)
				continue;
			ck_assert_ptr_null(iec_object_check(&o, type));
			asdu_begin(&w, &asdu_sizes_104, &head, ASDU_MAX_104);
			ck_assert(asdu_add(&w, &o));
			ck_assert_int_eq(
			    asdu_decode(&a, &asdu_sizes_104, asdu_end(&w), w.len), DEC_OK);
			ck_assert(asdu_next(&a, &again));
			if (type->kind == IEC_FLOATING && isnan(o.real))
				o.real = again.real = 0;
			o.file.segment = again.file.segment = NULL;
			ck_assert_mem_eq(&o, &again, sizeof(o));
		}
	}
	ck_assert_uint_eq(seen, 66);
}
END_TEST

START_TEST(writer_keeps_its_bounds)
{
	struct asdu_head head = { .type = iec_type_find(13), .cause = 20, .common = 1 };
	struct iec_object o = { .address = 1 };
	struct asdu_writer w;

	asdu_begin(&w, &asdu_sizes_104, &head, ASDU_MAX_104);
	while (asdu_add(&w, &o))
		o.address++;
	ck_assert_uint_eq(w.head.count, (ASDU_MAX_104 - 6) / 8);
	ck_assert_uint_le(w.len, ASDU_MAX_104);
	head.sequence = true;
	head.type = iec_type_find(1);
	asdu_begin(&w, &asdu_sizes_104, &head, ASDU_MAX_104);
	for (o.address = 1; asdu_add(&w, &o); o.address++)
		;
	ck_assert_uint_eq(w.head.count, ASDU_MAX_OBJECTS);
	asdu_begin(&w, &asdu_sizes_104, &head, ASDU_MAX_104);
	o.address = 5;
	ck_assert(asdu_add(&w, &o));
	o.address = 7; /* a gap */
	ck_assert(!asdu_add(&w, &o));
	o = (struct iec_object){ .address = 0x1000000 };
	asdu_begin(&w, &asdu_sizes_104, &head, ASDU_MAX_104);
	ck_assert(!asdu_add(&w, &o));
	o = (struct iec_object){ .value = 2 };
	ck_assert(!asdu_add(&w, &o));
	o = (struct iec_object){ .quality = IEC_Q_OVERFLOW };
	ck_assert(!asdu_add(&w, &o));
}
END_TEST

START_TEST(types_are_chosen)
{
	ck_assert_uint_eq(iec_type_choose(IEC_CLASS_DATA, IEC_SINGLE, IEC_TIME_NONE, true)->id, 1);
	ck_assert_uint_eq(iec_type_choose(IEC_CLASS_DATA, IEC_SINGLE, IEC_TIME_CP24, true)->id, 2);
	ck_assert_uint_eq(iec_type_choose(IEC_CLASS_DATA, IEC_SINGLE, IEC_TIME_CP56, true)->id, 30);
	ck_assert_uint_eq(iec_type_choose(IEC_CLASS_DATA, IEC_NORMALIZED, 0, false)->id, 21);
	ck_assert_ptr_null(iec_type_choose(IEC_CLASS_DATA, IEC_NORMALIZED, IEC_TIME_CP56, false));
	ck_assert_ptr_null(iec_type_choose(IEC_CLASS_DATA, IEC_PROTECTION, IEC_TIME_NONE, true));
	ck_assert_uint_eq(
	    iec_type_choose(IEC_CLASS_COMMAND, IEC_REGULATING, IEC_TIME_CP56, true)->id, 60);
	ck_assert_str_eq(iec_cause_name(36), "INTERROGATED_GROUP16");
	ck_assert_str_eq(iec_cause_name(47), "UNKNOWN_IO_ADDRESS");
	ck_assert_ptr_null(iec_cause_name(42));
	ck_assert_ptr_null(iec_cause_name(63));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, single_point_with_cp56);
	tcase_add_test(tc, sequence_of_floats);
	tcase_add_test(tc, sequence_with_one_tag);
	tcase_add_test(tc, sequences_with_tags);
	tcase_add_test(tc, types_without_their_tag);
	tcase_add_test(tc, smallest_sizes_of_101);
	tcase_add_test(tc, file_segment_has_its_own_length);
	tcase_add_test(tc, lies_are_refused);
	tcase_add_test(tc, mirror_says_why);
	tcase_add_test(tc, batches);
	tcase_add_test(tc, qualifiers_of_interrogations);
	tcase_add_test(tc, every_type_both_ways);
	tcase_add_test(tc, writer_keeps_its_bounds);
	tcase_add_test(tc, types_are_chosen);
}

UNIT_MAIN("asdu")
