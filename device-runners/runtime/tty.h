/*
 * A serial line whose descriptor the supervisor opened: its settings by
 * termios2 (any baud rate, MARK and SPACE parity), how long its characters take, and a
 * timer fine enough to keep silences. Knows no protocol. In runner processes.
 */
#ifndef DEVICE_RUNNERS_TTY_H
#define DEVICE_RUNNERS_TTY_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/monotime.h"
#include "common/schema/schema.h"

enum tty_parity { TTY_NONE, TTY_EVEN, TTY_ODD, TTY_MARK, TTY_SPACE };
enum tty_stop { TTY_ONE, TTY_ONE_POINT_FIVE, TTY_TWO };

enum {
	TTY_MIN_BAUD = 50,
	TTY_MAX_BAUD = 4000000,
};

struct tty_params {
	const char *path; /* borrowed from the configuration */
	uint32_t baud;
	uint8_t bits; /* 5 .. 8 */
	enum tty_parity parity;
	enum tty_stop stop;
	bool xonxoff, rtscts;
	bool dsrdtr; /* Linux has no such flow control: DTR is raised and nothing more */
};

extern const char *const tty_bytesize_names[], *const tty_parity_names[], *const tty_stop_names[];
extern const struct schema_field tty_flow_fields[];

/* The keys of a serial transport in every family's schema; put them into a schema_field table. */
#define TTY_SCHEMA_FIELDS                                                                          \
	{ .key = "port", .required = true, .is = { .kind = SCHEMA_STRING, .max = 4095 } },         \
	    { .key = "baudrate",                                                                   \
		    .required = true,                                                              \
		    .is = { .kind = SCHEMA_INT, .min = TTY_MIN_BAUD, .max = TTY_MAX_BAUD } },      \
	    { .key = "bytesize",                                                                   \
		    .required = true,                                                              \
		    .is = { .kind = SCHEMA_ENUM, .names = tty_bytesize_names } },                  \
	    { .key = "parity",                                                                     \
		    .required = true,                                                              \
		    .is = { .kind = SCHEMA_ENUM, .names = tty_parity_names } },                    \
	    { .key = "stopbits",                                                                   \
		    .required = true,                                                              \
		    .is = { .kind = SCHEMA_ENUM, .names = tty_stop_names } },                      \
	{                                                                                          \
		.key = "flow_control", .required = true,                                           \
		.is = {.kind = SCHEMA_OBJECT,                                                      \
			.fields = tty_flow_fields }                                                \
	}

/* Reads the keys above from a tree that passed the schema. Borrows its texts. */
void tty_params_read(struct tty_params *p, const struct json *transport);

/* Makes it a raw line with these settings, with nothing left in its buffers (the supervisor, who
 * opened it, sees to it that nobody else has it). The descriptor is non-blocking: read() returning
 * 0, EIO or ENXIO means that the device is gone. Returns 0, or -1 with errno. */
int tty_setup(int fd, const struct tty_params *p);

/* How long one character takes on the line: start, data, parity and stop bits. */
int64_t tty_char_ns(const struct tty_params *p);

/* Drops what was written and has not gone out yet. */
void tty_drop_output(int fd);

/* When the line may be spoken to again: the silence between frames, counted from the end of the
 * last character of either side. */
struct tty_pace {
	int64_t char_ns;
	int64_t silence_ns;
	struct monotime busy_until; /* the last character's end, as far as is known */
};

/* n bytes were given to the driver now; what was given before goes out first. */
void tty_pace_sent(struct tty_pace *p, size_t n, struct monotime now);
/* Bytes have arrived by now. */
void tty_pace_received(struct tty_pace *p, struct monotime now);
struct monotime tty_pace_free(const struct tty_pace *p);

/* A one-shot timer of nanoseconds (epoll_wait counts milliseconds): a timerfd where there is one,
 * else the loop's own timer. */
struct tty_alarm;
typedef void tty_alarm_cb(void *arg);
/* In create(), before the sandbox is closed. NULL when out of memory. */
struct tty_alarm *tty_alarm_new(struct ev_loop *loop, tty_alarm_cb *cb, void *arg);
/* At `at`, or as soon as the loop comes around where that is past; replaces an earlier setting. */
void tty_alarm_set(struct tty_alarm *a, struct monotime at);
void tty_alarm_stop(struct tty_alarm *a);
void tty_alarm_free(struct tty_alarm *a);

#endif
