/*
 * Reload, in the supervisor: the new file is loaded and checked whole, what
 * changes by the runners that will run it; faults change nothing. Nothing waits
 * meanwhile: the check is a part of the loop.
 */
#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H

#include <ev.h>

#include "supervisor/config/config.h"
#include "supervisor/control/control.h"

struct reload;

struct broker;

struct reload_handler {
	/* The configuration that is in force. */
	const struct config *(*current)(void *arg);
	/* `after` has no fault: it is in force from now on, and the handler's. Returns 0, or -1
	 * with errno: then nothing has changed. */
	int (*apply)(void *arg, struct config *after, const struct config_diff *diff);
	/* False while the configuration in force is about to be freed: nothing begins that borrows
	 * from it. reload_resume() ends that. */
	bool (*may_begin)(void *arg);
};

/* Texts and broker are borrowed. NULL when out of memory. */
struct reload *reload_new(struct ev_loop *loop, const char *config_path, const char *libexec,
    const char *zone, struct broker *broker, const struct reload_handler *handler, void *arg);
/* Ends what is under way. NULL is fine. */
void reload_free(struct reload *r);

/* Starts a reload, or with diff only says what it would do. client: who gets the rows of
 * control.h, then control_reload_done(); NULL: the log alone. Returns 0, or -1 with a text in err
 * where one is under way. Without a client 0 is returned, and where it can not begin now it
 * follows: after the one that is under way, or at reload_resume(). */
int reload_start(
    struct reload *r, bool diff, struct control_client *client, char *err, size_t err_size);
/* One that had to wait for may_begin() begins. */
void reload_resume(struct reload *r);
void reload_forget_client(struct reload *r, const struct control_client *client);

#endif
