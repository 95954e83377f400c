/*
 * A set of hashes, to count what is different within a bound: two things of one
 * hash count as one. The hashes have a random key of the process.
 */
#ifndef COMMON_HASH_SET_H
#define COMMON_HASH_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/words.h"

struct hash_set {
	uint64_t *set; /* owned; open addressing, 0 is a free place */
	size_t size;   /* a power of 2, or 0 */
	size_t count;
	uint64_t refused; /* how often hash_set_admit() was false */
};

enum { HASH_SET_FIRST_SIZE = 64 };

/* The hash of parts, one after another: hash_begin(), then hash_add() for each. */
static inline uint64_t
hash_begin(void)
{
	static uint64_t key;

	if (!key && getrandom(&key, sizeof(key), GRND_NONBLOCK) != sizeof(key))
		key = 1;
	return key;
}

static inline uint64_t
hash_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static inline uint64_t
hash_add(uint64_t hash, const void *part, size_t len)
{
	const uint8_t *p = part;
	uint64_t word;

	for (size_t i = 0; i + 8 < len; i += 8)
		hash = hash_mix(hash, words_load(p + i));
	word = len >= 8 ? words_load(p + len - 8) : words_load_short(p, len);
	/* The length keeps parts apart. */
	return hash_mix(hash_mix(hash, word), len);
}

static inline uint64_t *
hash_set_place(const struct hash_set *s, uint64_t hash)
{
	size_t i = (size_t)(hash ^ hash >> 32) & (s->size - 1);

	while (s->set[i] && s->set[i] != hash)
		i = (i + 1) & (s->size - 1);
	return &s->set[i];
}

static inline bool
hash_set_grow(struct hash_set *s)
{
	struct hash_set larger = *s;

	if (2 * s->count < s->size)
		return true;
	larger.size = s->size ? 2 * s->size : HASH_SET_FIRST_SIZE;
	larger.set = calloc(larger.size, sizeof(*larger.set));
	if (!larger.set)
		return false;
	for (size_t i = 0; i < s->size; i++)
		if (s->set[i])
			*hash_set_place(&larger, s->set[i]) = s->set[i];
	free(s->set);
	*s = larger;
	return true;
}

static inline void
hash_set_clear(struct hash_set *s)
{
	free(s->set);
	*s = (struct hash_set){ 0 };
}

/* Whether it is in the set, or now is: there were fewer than max in it. Out of memory is false. */
static inline bool
hash_set_admit(struct hash_set *s, uint64_t hash, size_t max)
{
	hash = hash ? hash : 1;
	if (s->size && *hash_set_place(s, hash) == hash)
		return true;
	if (s->count >= max || !hash_set_grow(s)) {
		s->refused++;
		return false;
	}
	*hash_set_place(s, hash) = hash;
	s->count++;
	return true;
}

#endif
