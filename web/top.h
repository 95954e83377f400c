/*
 * /api/v1/top: what gatewayctl's top prints, from two looks at the control
 * socket's rows a second apart. Pure.
 */
#ifndef WEB_TOP_H
#define WEB_TOP_H

#include "common/json.h"
#include "common/monotime.h"

enum {
	TOP_PAUSE_MS = 1000, /* between the two looks, at least */
	TOP_MAX_DEVICES = 4096,
};

struct top;

/* NULL when out of memory. */
struct top *top_new(void);
void top_free(struct top *t);
/* A row of the first look. False when out of memory. */
bool top_remember(struct top *t, const struct json *row);
/* The first look is over. */
void top_look_again(struct top *t, struct monotime now);
/* Whether it is, and the second one is due. */
bool top_is_due(const struct top *t, struct monotime now);
/* Whether rows are of the second look. */
bool top_looks_again(const struct top *t);
/* Writes a row of the second look, as gatewayctl --json shows it. */
void top_put(struct top *t, struct json_writer *w, const struct json *row, struct monotime now);

#endif
