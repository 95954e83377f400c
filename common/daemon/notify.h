/*
 * What a daemon tells the service manager that started it, by the protocol of
 * sd_notify(3). Without the library, which brings five more into the process.
 */
#ifndef COMMON_NOTIFY_H
#define COMMON_NOTIFY_H

#include <stdint.h>

/* Sends the text to $NOTIFY_SOCKET, "READY=1" for one, and does not wait. Returns 0, also where
 * nobody is to be told, or -1 with errno. */
int notify_manager(const char *text);
/* Microseconds within which the manager expects each "WATCHDOG=1"; 0: it expects none. */
uint64_t notify_watchdog_us(void);

#endif
