/* The description of a device's data, as gatewayctl's verbs use it: names, values, requests. */
#ifndef GATEWAYCTL_DESCRIPTION_H
#define GATEWAYCTL_DESCRIPTION_H

#include "gatewayctl/session.h"

enum {
	DESCRIPTION_MAX_SEGMENTS = 20,
	DESCRIPTION_WHY = 300,
	DESCRIPTION_TEXT = 2048,
};

struct description {
	struct json_doc **docs; /* replies that hold the rows; owned */
	size_t docs_count;
	const struct json **rows; /* owned */
	size_t count;
};

/* Asks page by page. Returns 0, or a control code with what is wrong in why. */
int description_load(
    struct description *d, struct session *s, const char *name, char why[DESCRIPTION_WHY]);
void description_clear(struct description *d);

/* A row that a name fits, and what stands at each '?' of the row's name. */
struct described {
	const struct json *row, *verb; /* verb: NULL where none was asked for */
	char wild[DESCRIPTION_MAX_SEGMENTS][256];
	size_t wilds;
};

/* The row of a data that has the verb ("": any row). A name may leave out segments at the front
 * that are not '?', where that leaves just one row; with a verb also all but a '?' at the end.
 * Returns false with why. */
bool description_find(const struct description *d, const char *name, const char *verb,
    struct described *found, char why[DESCRIPTION_WHY]);
/* The verb of that name of a row, or NULL. */
const struct json *description_verb(const struct json *row, const char *verb);
/* Whether a type (array of texts) is what a pattern (array, with '?') stands for; wild may be
 * NULL. */
bool description_type_fits(
    const struct json *pattern, const struct json *first, struct described *wild);
/* A type, or a name, with its '?' filled in: texts joined by '/'. From segment `from` on. */
void description_join(
    const struct json *type, size_t from, const struct described *wild, char out[DESCRIPTION_TEXT]);
void description_name(const struct described *found, char out[DESCRIPTION_TEXT]);

/* Converts the text that a user typed to a value of that kind, as JSON. */
void description_value(const char *kind, const char *typed, char out[DESCRIPTION_TEXT]);
/* A request, match or good with the texts in the place of $id and $value. */
void description_fill(
    const char *text, const char *id, const char *value, char out[DESCRIPTION_TEXT]);
/* Whether have holds all that want has, objects within as well. */
bool description_holds(const struct json *want, const struct json *have);
/* Whether a value is of that kind. false with what was expected in why. */
bool description_value_fits(const char *kind, const struct json *v, char why[DESCRIPTION_WHY]);

#endif
