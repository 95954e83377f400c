/* Turning a loop until something has happened. */
#ifndef UNTIL_H
#define UNTIL_H

#include <ev.h>

static inline void
until_wake(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)l, (void)w, (void)revents;
}

/* Turns the loop, with each() before each turn, until the condition holds; the test has a time-out.
 */
#define UNTIL(loop, condition, each)                                                               \
	do {                                                                                       \
		ev_timer tick_;                                                                    \
		ev_timer_init(&tick_, until_wake, 0., 0.005);                                      \
		ev_timer_start(loop, &tick_);                                                      \
		while (!(condition)) {                                                             \
			each();                                                                    \
			ev_run(loop, EVRUN_ONCE);                                                  \
		}                                                                                  \
		ev_timer_stop(loop, &tick_);                                                       \
	} while (0)

#endif
