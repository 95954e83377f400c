/*
 * Names of a configuration, each kept once and packed, until all of them are freed: a point has a
 * dozen, most of them those of its neighbours. In the iec61850 runner.
 */
#ifndef DEVICE_RUNNERS_IEC61850_TEXTS_H
#define DEVICE_RUNNERS_IEC61850_TEXTS_H

#include <stddef.h>

struct texts;
/* NULL: out of memory. */
struct texts *texts_new(void);
void texts_free(struct texts *t);
/* The kept copy of a text, ended by NUL; NULL: out of memory. */
const char *texts_keep(struct texts *t, const char *text, size_t len);
/* Memory that lives as long, aligned for pointers; NULL: out of memory. */
void *texts_take(struct texts *t, size_t size);
/* No more texts come: what finds them is freed. One that comes all the same is kept again. */
void texts_seal(struct texts *t);

#endif
