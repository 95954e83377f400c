/* Short texts by words: all lengths at the end of their memory, each byte of them. */
#include <stdlib.h>
#include <string.h>

#include "common/hash_set.h"
#include "common/utf8.h"
#include "common/words.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

enum { MAX_LEN = 40 };

/* On the heap, so that a read or a write past the end shows. */
static uint8_t *
make(size_t len)
{
	uint8_t *p = malloc(len ? len : 1);

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)('a' + i % 26);
	return p;
}

START_TEST(copies_are_whole)
{
	for (size_t len = 0; len <= MAX_LEN; len++) {
		uint8_t *from = make(len), *to = calloc(1, len ? len : 1);
		words_copy(to, from, len);
		expect_msg(memcmp(to, from, len) == 0, "%zu bytes", len);
		free(from);
		free(to);
	}
}
END_TEST

START_TEST(each_byte_counts)
{
	for (size_t len = 1; len <= MAX_LEN; len++) {
		uint8_t *p = make(len);
		uint64_t hash = hash_add(1, p, len);
		expect(hash == hash_add(1, p, len) && hash != hash_add(1, p, len - 1));
		for (size_t i = 0; i < len; i++) {
			p[i] ^= 1;
			expect_msg(hash_add(1, p, len) != hash, "byte %zu of %zu", i, len);
			p[i] ^= 1;
		}
		free(p);
	}
}
END_TEST

START_TEST(plain_is_ascii_without_nul)
{
	for (size_t len = 0; len <= MAX_LEN; len++) {
		uint8_t *p = make(len);
		expect(utf8_is_plain(p, len));
		for (size_t i = 0; i < len; i++) {
			for (unsigned v = 0; v < 256; v++) {
				p[i] = (uint8_t)v;
				expect_msg(utf8_is_plain(p, len) == (v > 0 && v < 128),
				    "0x%02x at %zu of %zu", v, i, len);
			}
			p[i] = 'a';
		}
		free(p);
	}
}
END_TEST

START_TEST(nul_and_characters_of_several_bytes_are_valid)
{
	expect(utf8_valid("a\0b", 3) && utf8_valid("", 0) && utf8_valid("gr\xc3\xbc\xc3\x9f", 6));
	expect(!utf8_valid("gr\xc3", 3) && !utf8_valid("\x80", 1));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, copies_are_whole);
	tcase_add_test(tc, each_byte_counts);
	tcase_add_test(tc, plain_is_ascii_without_nul);
	tcase_add_test(tc, nul_and_characters_of_several_bytes_are_valid);
}

UNIT_MAIN("words")
