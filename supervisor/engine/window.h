/*
 * The window of the link: how many bytes may be under way to the Event Server that it has not
 * registered. What is under way is taken in the order in which it was sent, however urgent it is: a
 * storm of one device that fills the buffers of two kernels delays each event of all others. So
 * there is a mark behind what was sent, a register request without events, whose answer
 * says that all before it is registered. The window begins small. It is doubled when the answer
 * takes no longer than with the smallest window although this one was full, and halved when it
 * takes much longer: a server that is far, or that waits for a disk whatever it registers, gets
 * much at once; a server that is busy leaves what waits at the gate, where devices take turns.
 * Pure: no socket, no clock, no allocation.
 */
#ifndef SUPERVISOR_WINDOW_H
#define SUPERVISOR_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/monotime.h"

enum {
	WINDOW_MIN = 8 * 1024,
	WINDOW_MAX = 4 * 1024 * 1024,
	WINDOW_DELAY_US = 5000, /* by which what is under way may delay others in any case */
};

/* put: bytes that were ever put onto the link. */
struct window {
	uint64_t size;
	uint64_t taken;	       /* so many bytes are registered */
	uint64_t marked;       /* and so many are with the answer that is awaited */
	bool asked;	       /* an answer is awaited */
	bool was_full;	       /* since the last mark */
	struct monotime since; /* the mark was put */
	int64_t usual_us; /* what an answer takes with the smallest window, smoothed; 0: unknown */
};

/* A new connection. */
void window_open(struct window *w, uint64_t put);
/* Devices may put more; false is remembered. */
bool window_has_room(struct window *w, uint64_t put);
/* Half of the window is used, and no answer is awaited: a mark is to be put. */
bool window_wants_mark(const struct window *w, uint64_t put);
void window_marked(struct window *w, uint64_t put, struct monotime now);
/* The answer to the mark. */
void window_answered(struct window *w, struct monotime now);

#endif
