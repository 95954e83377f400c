/*
 * The gateway: what follows what. The Event Server is the configured one, the
 * built-in one, or the one that the Monitor Server names; the engine is
 * connected while one is there; a reload replaces the configuration.
 */
#ifndef SUPERVISOR_GATEWAY_H
#define SUPERVISOR_GATEWAY_H

#include <ev.h>
#include <stdbool.h>

#include "supervisor/config/config.h"
#include "supervisor/paths.h"

struct gateway;

/* Takes config. Texts and paths are borrowed. Returns NULL, having logged why, when it cannot
 * start; config is then freed. From here on everything happens in the loop. */
struct gateway *gateway_start(struct ev_loop *loop, const char *config_path, bool verbose,
    struct paths *paths, struct config *config);
/* Devices stop in order, then the loop is left. */
void gateway_stop(struct gateway *g, int exit_code);
bool gateway_is_stopping(const struct gateway *g);
/* As on SIGHUP: now, or as soon as it can begin. */
void gateway_reload(struct gateway *g);
/* After the loop was left. Returns the exit code. */
int gateway_free(struct gateway *g);

#endif
