/* What engine.c and engine_reload.c share; supervisor only. */
#ifndef SUPERVISOR_ENGINE_PRIVATE_H
#define SUPERVISOR_ENGINE_PRIVATE_H

#include "supervisor/engine/engine.h"

enum { ENGINE_MAX_SUBSCRIPTIONS = 4 * 1024 * 1024 /* bytes, encoded */ };

/* engine.c */
/* Subscriptions of a configuration's devices; types borrows from b. Returns 0 or -1. */
int engine_put_subscriptions(
    const struct config *config, struct buffer *b, struct eventer_types *types);
/* A device that is in no list yet, or NULL when out of memory. */
struct engine_device *engine_device_new(
    struct engine *e, const struct config *config, const struct config_device *conf);
void engine_device_free(struct engine_device *d);
/* Sorts e->sorted. */
void engine_sort(struct engine *e);
/* Begins each device that is not, and whose link is up. */
void engine_begin(struct engine *e);
/* Notified events of those devices that are added, or of those that are not. */
void engine_route_events(struct engine *e, struct eventer_events_iter *events, bool added);

/* engine_reload.c */
void engine_init_second(struct engine *e);
/* Connects where there are devices that need it. */
void engine_open_second(struct engine *e);
void engine_close_second(struct engine *e);
/* Frees removed devices that have ended and have no pending events. */
void engine_reap(struct engine *e);
/* Frees all removed devices and their configurations. */
void engine_clear_removed(struct engine *e);

#endif
