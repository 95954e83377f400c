/* Shared by engine.c and engine_reload.c; supervisor only. */
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

/* engine_start.c */
void engine_starts_init(struct engine *e);
void engine_starts_clear(struct engine *e);
/* child_enable(); a device that is to start does so in its turn. */
void engine_enable(struct engine_device *d, bool enabled);
/* All devices stop: some at once, the others in slices from the loop. The engine is not created
 * again before that is over.
 */
void engine_stop_all(struct engine *e);
/* All of them are told. The engine is created where it is wanted. */
void engine_on_stopped(struct engine *e);
/* It does not start. */
void engine_unqueue(struct engine_device *d);

/* engine_out.c */
void engine_out_init(struct engine *e);
/* The link is up. */
void engine_out_open(struct engine *e);
/* engine_query(), but before what devices send. */
int engine_query_own(
    struct engine *e, size_t count, struct buffer *types, engine_answer_cb *cb, void *arg);
void engine_on_pending(struct engine *e, struct engine_device *d);
void engine_on_query(struct engine *e, struct engine_device *d);
void engine_forget_query(struct engine *e, struct child_query *q);
/* Puts onto the link what the gate lets through now. */
void engine_pump(struct engine *e);
/* Nothing waits to be registered. */
bool engine_out_is_empty(const struct engine *e);
/* The link is down, or ends: drops what waits; who waits for an answer is told. */
void engine_out_drop(struct engine *e);
/* The device is freed. */
void engine_out_forget(struct engine *e, struct engine_device *d);

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
