/* The terminal of gatewayctl: colours, and a pager for long output. */
#ifndef GATEWAYCTL_TERMINAL_H
#define GATEWAYCTL_TERMINAL_H

#include <stdbool.h>

/* when: "auto", "always" or "never". NO_COLOR is heeded by "auto" (https://no-color.org). */
bool terminal_wants_colour(const char *when);
/* Sends standard output through $GATEWAYCTL_PAGER, $PAGER or less, where it is a terminal. A pager
 * that cannot be started is no fault. */
void terminal_start_pager(void);
/* Whether there is one. */
bool terminal_has_pager(void);
/* Waits until the pager has shown it. */
void terminal_end_pager(void);
/* Empties the screen, for what is printed again and again. */
void terminal_clear(void);

#endif
