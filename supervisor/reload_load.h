/*
 * Loads a configuration and compares it with the one in force, beside the loop: a file of 100,000
 * points takes half a second. The thread that does it shares nothing with the loop but what nobody
 * changes meanwhile; it ends before its result is used.
 */
#ifndef SUPERVISOR_RELOAD_LOAD_H
#define SUPERVISOR_RELOAD_LOAD_H

#include <ev.h>

#include "supervisor/config/config.h"

struct reload_load;

/* path and before are borrowed until reload_load_free(): nobody changes or frees them. done is
 * called once, from the loop. NULL with errno. */
struct reload_load *reload_load_start(struct ev_loop *loop, const char *path,
    const struct config *before, void (*done)(void *arg), void *arg);
/* In done or later, once: reports the faults, and gives away the configuration (config_free(); NULL
 * where it is at fault) and the difference (free(); NULL where there is none, or no memory). */
void reload_load_take(struct reload_load *l, config_report *report, void *arg,
    struct config **after, struct config_diff **diff);
/* Waits for the thread where it is still at work: at gatewayd's own end only. NULL is fine. */
void reload_load_free(struct reload_load *l);

#endif
