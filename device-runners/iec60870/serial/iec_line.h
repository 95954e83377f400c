/*
 * A serial line with the link layer of 101 and 103 on it, in the iec60870 runner: has the
 * supervisor open the tty, sets it up, carries bytes between it and the machine of link.h, keeps
 * its time, and opens the tty again when it is lost. What the stations say goes to the device.
 */
#ifndef DEVICE_RUNNERS_IEC60870_SERIAL_IEC_LINE_H
#define DEVICE_RUNNERS_IEC60870_SERIAL_IEC_LINE_H

#include "device-runners/iec60870/serial/iec_frames.h"
#include "device-runners/runtime/endpoint.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/line.h"
#include "device-runners/runtime/runner.h"
#include "device-runners/runtime/tty.h"
#include "protocols/iec60870/link.h"

#define IEC_LINE_MAX_RETRIES 1000000
#define IEC_LINE_MAX_SILENCE 10 /* seconds of silent_interval */
enum {
	IEC_LINE_LIVED_MS = 1000, /* a tty that was open for longer is opened again at once */
	IEC_LINE_MAX_OUT = 4096,  /* bytes that the tty has not taken */
};

#define IEC_LINE_SECONDS                                                                           \
	{                                                                                          \
		.kind = SCHEMA_NUMBER, .min = 0.001, SCHEMA_UP_TO(RUNNER_MAX_SECONDS)              \
	}
#define IEC_LINE_DELAY                                                                             \
	{                                                                                          \
		.kind = SCHEMA_NUMBER, .min = 0, SCHEMA_UP_TO(RUNNER_MAX_SECONDS)                  \
	}
#define IEC_LINE_DELAY_OR_NULL                                                                     \
	{                                                                                          \
		.kind = SCHEMA_NUMBER, .nullable = true, .min = 0,                                 \
		SCHEMA_UP_TO(RUNNER_MAX_SECONDS)                                                   \
	}
/* The keys of the tty and of the line; name is the supervisor's, and repeated here. */
#define IEC_LINE_SCHEMA_FIELDS                                                                     \
	TTY_SCHEMA_FIELDS,                                                                         \
	{                                                                                          \
		"silent_interval", true,                                                           \
		{                                                                                  \
			.kind = SCHEMA_NUMBER, .min = 0, SCHEMA_UP_TO(IEC_LINE_MAX_SILENCE)        \
		}                                                                                  \
	}

struct health_end;

struct iec_line_ops {
	/* The endpoint's status changed. On DISCONNECTED all stations have lost their connection.
	 */
	void (*status)(void *device, enum connection_status status);
	/* It could not be opened, which was logged. NULL where nobody needs it. */
	void (*failed)(void *device, const char *why);
	/* The link to a station stands; it is lost. Both were logged. */
	void (*up)(void *device, int station);
	void (*down)(void *device, int station);
	/* User data of a station, or LINK_ALL: a broadcast. Valid until this returns. */
	void (*data)(void *device, int station, const uint8_t *data, size_t len);
	/* The station has the message of this token. NULL where none has a token. */
	void (*delivered)(void *device, int station, uint64_t token);
	/* The word for a station in a log line: its address follows. */
	const char *noun;
};

struct iec_line {
	struct runner *r;
	const struct iec_line_ops *ops;
	void *device;
	struct tty_params tty; /* path is owned */
	struct link link;
	struct endpoint endpoint;
	struct line bytes;
	struct iec_frames frames;
	struct tty_alarm *alarm;
	struct health_end *health[LINK_MAX_STATIONS]; /* of a master's stations, or NULL */
	bool pumping, lost;
	char why[64]; /* it is lost */
	struct limit limit;
	struct {
		uint64_t *sent, *received, *repeated, *timeouts, *strays, *garbage;
	} counters;
};

/* Seconds of a checked configuration as milliseconds; otherwise where the key is missing or null.
 */
int64_t iec_line_ms(const struct json *conf, const char *key, int64_t otherwise);

/* Plans the tty of a checked configuration; to be called in create(). Exits when out of memory.
 * link: mode, address_size and who is the controlling station; the rest is read from conf. */
void iec_line_init(struct iec_line *l, struct runner *r, const struct json *conf,
    const struct link_conf *link, int64_t reconnect_ms, const struct iec_line_ops *ops,
    void *device);
/* It is a line of 101, not of 103, whose ASDUs have these sizes (borrowed): for those who look at
 * its frames. */
void iec_line_set_sizes(struct iec_line *l, const struct asdu_sizes *sizes);
/* Whether a later element of a list of devices has the same address: as in hat-gateway, the last
 * one counts. */
bool iec_line_superseded(const struct json *item);
/* The keys that a remote device of every serial master has; without its address. */
struct link_station_conf iec_line_remote(const struct json *item);
/* Adds the station of item i of the configuration's list as the next one. A master's that is
 * superseded gets a warning instead. Returns 0, or -1 after a configuration error. */
int iec_line_add(struct iec_line *l, const struct link_station_conf *conf, const struct json *item,
    const char *list, int i);
void iec_line_clear(struct iec_line *l);

void iec_line_start(struct iec_line *l);
/* Closes the tty; says DISCONNECTED where something else was said. */
void iec_line_stop(struct iec_line *l);
bool iec_line_is_open(const struct iec_line *l);
/* See link_conf.stamp. */
void iec_line_set_stamp(
    struct iec_line *l, void (*stamp)(void *arg, uint8_t *data, size_t len), void *arg);
/* Stations that were added, and the link address of one. */
int iec_line_stations(const struct iec_line *l);
uint16_t iec_line_address(const struct iec_line *l, int station);
/* Noun and address of one, for a log line. Valid until the next call. */
const char *iec_line_name(const struct iec_line *l, int station);
/* Bytes of the longest ASDU that fits a frame. */
size_t iec_line_max_asdu(const struct iec_line *l);
/* Whether the queue of a station has room for what can wait elsewhere. */
bool iec_line_has_room(const struct iec_line *l, int station);

/* As link_open(), link_close(), link_send(); what follows from them happens at once. */
void iec_line_open_station(struct iec_line *l, int station);
void iec_line_close_station(struct iec_line *l, int station);
int iec_line_send(
    struct iec_line *l, int station, unsigned flags, const void *data, size_t len, uint64_t token);
/* on_credit() and stop() of a device that begins with its line: looks again whether events may be
 * registered; iec_line_stop(). */
void iec_line_on_credit(void *device);
void iec_line_on_stop(void *device);

/* The health of a station, which the line keeps from now on. */
void iec_line_set_health(struct iec_line *l, int station, struct health_end *health);
/* The limit of log lines that a device on the line provokes. */
struct limit *iec_line_limit(struct iec_line *l);

#endif
