/*
 * The health of a device's remote ends, in runner processes: who answers, who
 * does not and since when, and how much went to and fro. gatewayctl shows it
 * (status, show, health). Each change for the worse is one log line at warning,
 * so is each change of the reason why it is down, the way back one at notice,
 * under a rate limit.
 *
 * A family adds an end for each thing that can fail by itself (a Modbus device
 * id, a station, a host, a server), and tells what happens:
 *
 *   end = health_add(runner, "device %u", id);
 *   health_sent(end, len);                       a request went out
 *   health_answered(end, round_trip_ns, len);    its answer came: up
 *   health_error(end, "exception 2");            it answered, but not as it should: degraded
 *   health_timeout(end, "no answer in 1 s");     degraded, down after three in a row
 *   health_down(end, "connection refused");      down at once
 *   health_off(end, "disabled");                 nothing is asked of it
 *
 * An end that is degraded is up again when nothing went wrong for HEALTH_SETTLE_MS, one that is
 * down with its next answer. Every function is cheap: states are sent once a second at most,
 * counters with the answer to a ping, and only what changed.
 */
#ifndef DEVICE_RUNNERS_HEALTH_H
#define DEVICE_RUNNERS_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HEALTH_MAX_NAME = 64,
	HEALTH_MAX_WHAT = 240,	  /* a fault and its remedy */
	HEALTH_DOWN_TIMEOUTS = 3, /* in a row */
	HEALTH_SETTLE_MS = 75000, /* longer than what is refused is left alone, mostly a minute */
	HEALTH_PACE_MS = 1000,
	HEALTH_MASTER_MS = 10000, /* a slave without a master for so long says so */
};

struct runner;
struct health_end;

/* A new remote end that is off: nothing is known of it yet. It lives until health_remove(), or as
 * long as the process. Beyond IPC_MAX_REMOTES an end is returned that is shown to nobody. Never
 * NULL. From create() on. */
struct health_end *health_add(struct runner *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* It is gone: not shown any more. NULL is fine. */
void health_remove(struct health_end *h);

/* States. Texts are for people and are cut at HEALTH_MAX_WHAT. */
void health_up(struct health_end *h);
void health_degraded(struct health_end *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void health_down(struct health_end *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* For a reason whose changes the log has already (endpoint.h). */
void health_down_as_logged(struct health_end *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void health_off(struct health_end *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Something is asked of it from now on. It is down where nothing was heard of it within about that
 * time. */
void health_expect(struct health_end *h, int64_t ms);

/* Reports of what happened. */
void health_sent(struct health_end *h, size_t bytes);
/* The request that was sent before went out again. */
void health_retried(struct health_end *h);
/* round_trip_ns: 0 where it is not known. */
void health_answered(struct health_end *h, int64_t round_trip_ns, size_t bytes);
/* Something came that answers nothing; the state stays. */
void health_received(struct health_end *h, size_t bytes);
void health_error(struct health_end *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void health_timeout(struct health_end *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A request was not answered, which is counted; the state stays. */
void health_lost(struct health_end *h);
/* An error that is counted and shown as the last one; the state stays. */
void health_note_error(struct health_end *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

bool health_is_up(const struct health_end *h);
/* As health_note_error() and its like told it; "" none. */
const char *health_last_error(const struct health_end *h);

/*
 * The masters of a slave: each is an end that is up while it is connected, and gone after it. In
 * place of them stands one that is down while there is none for HEALTH_MASTER_MS, or none can
 * come.
 */
struct health_masters;
/* In create(). Never NULL; lives as long as the process. */
struct health_masters *health_masters_new(struct runner *r);
/* The device waits for masters from now on. */
void health_masters_start(struct health_masters *m);
/* None can come: the line is not open; why as the log has it (endpoint.h). After all have left. */
void health_masters_closed(struct health_masters *m, const char *why);
struct health_end *health_masters_join(struct health_masters *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void health_masters_leave(struct health_masters *m, struct health_end *master);

#endif
