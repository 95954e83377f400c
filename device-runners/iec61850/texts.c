#include "device-runners/iec61850/texts.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash_set.h"

enum { BLOCK = 4064, FIRST_SIZE = 64 };

struct block {
	struct block *next;
	size_t used, size;
	char data[];
};

struct texts {
	struct block *blocks;
	const char **found; /* open addressing, NULL is a free place */
	size_t size, count; /* size: a power of 2, or 0 */
};

struct texts *
texts_new(void)
{
	return calloc(1, sizeof(struct texts));
}

void
texts_free(struct texts *t)
{
	if (!t)
		return;
	while (t->blocks) {
		struct block *b = t->blocks;
		t->blocks = b->next;
		free(b);
	}
	free(t->found);
	free(t);
}

/* align: a power of 2. */
static void *
take(struct texts *t, size_t size, size_t align)
{
	struct block *b = t->blocks;
	size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;

	if (!b || at > b->size || size > b->size - at) {
		size_t room = size > BLOCK ? size : BLOCK;
		b = malloc(sizeof(*b) + room);
		if (!b)
			return NULL;
		*b = (struct block){ .next = t->blocks, .size = room };
		t->blocks = b;
		at = 0;
	}
	b->used = at + size;
	return b->data + at;
}

void *
texts_take(struct texts *t, size_t size)
{
	return take(t, size, alignof(void *));
}

static const char **
place_of(const struct texts *t, const char *text, size_t len)
{
	uint64_t hash = hash_add(hash_begin(), text, len);
	size_t i = (size_t)(hash ^ hash >> 32) & (t->size - 1);

	while (t->found[i] && (strncmp(t->found[i], text, len) != 0 || t->found[i][len]))
		i = (i + 1) & (t->size - 1);
	return &t->found[i];
}

static int
grow(struct texts *t)
{
	struct texts larger = *t;

	if (2 * t->count < t->size)
		return 0;
	larger.size = t->size ? 2 * t->size : FIRST_SIZE;
	larger.found = calloc(larger.size, sizeof(*larger.found));
	if (!larger.found)
		return -1;
	for (size_t i = 0; i < t->size; i++)
		if (t->found[i])
			*place_of(&larger, t->found[i], strlen(t->found[i])) = t->found[i];
	free(t->found);
	*t = larger;
	return 0;
}

const char *
texts_keep(struct texts *t, const char *text, size_t len)
{
	if (grow(t) < 0)
		return NULL;
	const char **place = place_of(t, text, len);
	if (*place)
		return *place;
	char *copy = take(t, len + 1, 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	t->count++;
	return *place = copy;
}

void
texts_seal(struct texts *t)
{
	free(t->found);
	t->found = NULL;
	t->size = t->count = 0;
}
