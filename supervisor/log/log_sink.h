/*
 * The destinations of log lines, in the supervisor: standard error for
 * people, the journal with its fields (natively where systemd connected standard
 * error to it, as "<N>" lines where that fails), a syslog daemon; each as the
 * configuration's "log" says. Lines of one (device, event) are limited in rate (debug
 * is not); a level can be set for each device at run time. One sink a process.
 */
#ifndef SUPERVISOR_LOG_SINK_H
#define SUPERVISOR_LOG_SINK_H

#include <sys/socket.h>

#include "common/log.h"
#include "common/monotime.h"
#include "supervisor/config/config.h"

enum {
	LOG_SINK_TICK_MS = 1000, /* how often log_sink_tick() wants to be called */
};

/* Takes over the log of this process; copies what it needs of conf. Called again (on reload) it
 * starts again but keeps the devices' levels, and the pending lines of a syslog daemon that stays.
 * Returns 0, or -1 with errno where the syslog daemon's path cannot be one: then lines go to the
 * other targets, standard error at least. */
int log_sink_open(const struct config_log *conf);
/* Whether the syslog daemon's host is a name whose address is not known. Its lines go to standard
 * error until log_sink_found(). */
bool log_sink_wants_address(void);
void log_sink_found(const struct sockaddr *address, socklen_t len);
/* Whether standard error is still what systemd connected to the journal: "device:inode" of
 * JOURNAL_STREAM, systemd.exec(5). */
bool log_stderr_is_journal(void);
/* Logs how many lines were left out, and gives the log back to standard error. */
void log_sink_close(void);

/* The level of lines about no device, or about a device without its own level. */
void log_sink_set_level(enum log_level level);
/* The level of lines about this device, the runner's and the supervisor's. level -1: the gateway's
 * level again. Returns 0, or -1 with errno ENOMEM. */
int log_sink_set_device_level(const char *device, int level);
enum log_level log_sink_device_level(const char *device);

/* Logs how many lines of each kind were left out, when the kind may pass again. Sends the pending
 * lines of a syslog daemon. */
void log_sink_tick(struct monotime now);

#endif
