#include "common/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool
same(char a, char b)
{
	if (a == '-')
		a = '_';
	if (b == '-')
		b = '_';
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: three rows of the table of prefixes' distances. */
static size_t
distance(const char *a, size_t len_a, const char *b, size_t len_b)
{
	size_t rows[3][NEAREST_MAX_LENGTH + 1];
	size_t *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= len_b; j++)
		above[j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		row[0] = i;
		for (size_t j = 1; j <= len_b; j++) {
			row[j] = least(least(above[j], row[j - 1]) + 1,
			    above[j - 1] + !same(a[i - 1], b[j - 1]));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
		size_t *next = before;
		before = above;
		above = row;
		row = next;
	}
	return above[len_b];
}

struct nearest
nearest_begin(const char *word)
{
	return (struct nearest){ .word = word, .distance = strlen(word) / 3 + 1 };
}

void
nearest_offer(struct nearest *n, const char *name)
{
	size_t a = strlen(n->word), b = strlen(name);

	if (a == 0 || a > NEAREST_MAX_LENGTH || b > NEAREST_MAX_LENGTH)
		return;
	size_t d = distance(n->word, a, name, b);
	if (d < n->distance) {
		n->distance = d;
		n->best = name;
	}
}
