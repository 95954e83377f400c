/*
 * The runtime of a runner process: fd 3, plan, sandbox, loop, credit. A device
 * type is one table of functions; the process holds exactly one device.
 *
 *   exec -> INIT: device->create(conf) checks the configuration and declares the plan
 *        -> the door is locked (sandbox)
 *        -> RUN: device->start(); the device opens what it planned, calls runner_ready()
 *        -> STOP: device->stop() says the last events; the runtime flushes and exits 0
 *
 * Everything runs in one thread, in callbacks of one libev loop; nothing may block.
 */
#ifndef DEVICE_RUNNERS_RUNNER_H
#define DEVICE_RUNNERS_RUNNER_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"
#include "common/log.h"
#include "common/monotime.h"

struct runner;
struct schema;
struct describe;

/* The keys that every device's configuration has, for its schema_field table. The supervisor has
 * checked them. */
#define RUNNER_SCHEMA_FIELDS                                                                       \
	{ .key = "module", .is = { .kind = SCHEMA_ANY } },                                         \
	    { .key = "type", .is = { .kind = SCHEMA_ANY } },                                       \
	{                                                                                          \
		.key = "name", .is = {.kind = SCHEMA_ANY }                                         \
	}

#define RUNNER_MAX_SECONDS 100000000 /* of any time in a configuration: three years */
enum {
	RUNNER_MAX_PLAN = 1024,	  /* resources of one device, in one message of 64 KiB */
	RUNNER_MAX_SEGMENTS = 16, /* of an event type, after the device's prefix */
	RUNNER_MAX_COUNTERS = 32,
};

enum runner_payload { RUNNER_PAYLOAD_NONE, RUNNER_PAYLOAD_JSON, RUNNER_PAYLOAD_BINARY };

/* An event as a device sees it. Everything is borrowed until the callback returns. */
struct runner_event {
	const char *const *type; /* after the prefix: {"system", "remote_device", "1", "enable"} */
	size_t type_len;
	struct timestamp timestamp; /* when the Event Server took it */
	bool has_source_timestamp;
	struct timestamp source_timestamp;
	enum runner_payload payload;
	const char *data; /* text that is said to be JSON (json_parse it), or bytes */
	size_t len;
};

/* The rule of every `enable` event: on where the payload is JSON and exactly `true`, off with any
 * other payload. */
bool runner_event_is_true(const struct runner_event *event);

struct runner_device {
	const char *type; /* "modbus_master" */
	/* The schema that create() checks conf against first; the program prints it if it is called
	 * with
	 * --schema. */
	const struct schema *schema;
	/* Checks conf (borrowed until the return), calls runner_plan_*() and, for each fault,
	 * runner_config_error(). Files outside the plan (zone data) may be read only here.
	 * Returns the device, or NULL after at least one runner_config_error(). */
	void *(*create)(struct runner *r, const struct json *conf);
	/* Says by runner_note() what the device that was created will do, where somebody asks
	 * (gatewayd --check --verbose). May be NULL. */
	void (*describe)(struct runner *r, const struct json *conf);
	/* Describes data number `index` by describe_put(), where somebody asks a running device
	 * (report/describe.h). false: there is none, nor behind it. May be NULL. */
	bool (*describe_data)(void *device, struct describe *d, size_t index);
	/* In a check only, in place of start(): the door is locked. Reads the planned files, calls
	 * runner_config_error() for what is wrong with them, then runner_checked(). May be NULL. */
	void (*check)(void *device);
	/* The door is locked: queries, opens, timers. */
	void (*start)(void *device);
	/* One event of this device's prefix, in the Event Server's order. It may come before
	 * runner_ready() was called, and never before start(). */
	void (*on_event)(void *device, const struct runner_event *event);
	/* The way to the Event Server is free again after runner_congested() was true. May be NULL.
	 */
	void (*on_credit)(void *device);
	/* Says the last events and closes; synchronous. */
	void (*stop)(void *device);
	/* Frees the device; it was stopped, or never started. */
	void (*free)(void *device);
};

/* The main() of an executable that serves these types (ends with a NULL). Returns the exit code. */
int runner_main(int argc, char **argv, const struct runner_device *const types[]);

struct ev_loop *runner_loop(struct runner *r);
/* The device's name. */
const char *runner_name(const struct runner *r);

/* --- INIT --- */

/* Declares a resource; returns its index for runner_open(). Strings are copied. More than
 * RUNNER_MAX_PLAN, or than fits in one message, is reported as a configuration error and returns
 * -1, which runner_open() refuses. */
int runner_plan_connect(struct runner *r, const char *host, uint16_t port);
int runner_plan_listen(struct runner *r, const char *host, uint16_t port);
/* A connected datagram socket, opened without a packet: it hears and reaches this one address. An
 * error of recv() or send() on it (ECONNREFUSED: nobody listens there now) is information about one
 * datagram, not the end of the socket. */
int runner_plan_udp(struct runner *r, const char *host, uint16_t port);
/* A bound datagram socket that hears everybody; SO_RXQ_OVFL is set. With it in the plan, and only
 * then, sendto() and sendmsg() may name an address. */
int runner_plan_udp_listen(struct runner *r, const char *host, uint16_t port);
/* A connected socket for echo requests (RFC 792, RFC 4443): of SOCK_DGRAM, whose identifier,
 * checksum and matching are the kernel's, or else of SOCK_RAW, as SO_TYPE says: all echo replies
 * of that host arrive, of IPv4 with their IP header, and identifier and checksum (of IPv4) are the
 * sender's. */
int runner_plan_icmp(struct runner *r, const char *host);
int runner_plan_tty(struct runner *r, const char *path);
int runner_plan_file(struct runner *r, const char *path);

/* path is relative to the device's configuration: "connection.transport.port", "data[3].name". */
void runner_config_error(struct runner *r, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void runner_config_warning(struct runner *r, const char *path, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* In describe(): a line for people, of at most IPC_MAX_TEXT bytes. */
void runner_note(struct runner *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* schema_check() that reports as the two above. Returns the number of errors. */
int runner_check_config(
    struct runner *r, const struct json *conf, const struct schema *schema, const char *path);

/* Seconds of a checked number as milliseconds: more than 0 is at least 1, what is missing is 0. */
int64_t runner_config_ms(const struct json *conf, const char *key);
/* The end of a check, after runner_device.check(): the process leaves. */
_Noreturn void runner_checked(struct runner *r);

/* --- RUN --- */

/* The device exists: the supervisor registers its 'running' true. Once. */
void runner_ready(struct runner *r);

/* Asks for planned resource `index`. Answered exactly once, later, from the loop, unless cancelled:
 * fd >= 0 (non-blocking, close-on-exec, the callee's) and error 0; or fd -1 and an errno value with
 * a text for people. A connect is answered when the connection stands; set a timer and
 * runner_cancel() it for a time-out. Returns an id, never 0; 0 when too many are under way. */
typedef void runner_open_cb(void *arg, int fd, int error, const char *why);
uint32_t runner_open(struct runner *r, int index, runner_open_cb *cb, void *arg);
/* After it the callback is not called. 0 and unknown ids are fine. */
void runner_cancel(struct runner *r, uint32_t id);

/* Queues one event for the Event Server; it leaves, together with all others of this turn of the
 * loop, before the loop waits again. type: after the prefix, first segment "gateway". ts may be
 * NULL. json NULL: no payload. All is copied. An event over the limit (IPC_MAX_EVENT) is dropped
 * with a warning that names it. */
void runner_register(struct runner *r, const char *const type[], size_t type_len,
    const struct timestamp *source_ts, const char *json, size_t len);

/* A writer on an empty scratch buffer, for the next event's payload; its text goes into
 * runner_register_payload() and is gone after it. */
struct json_writer *runner_payload(struct runner *r);
void runner_register_payload(
    struct runner *r, const char *const type[], size_t type_len, const struct timestamp *source_ts);

/* True when registered events wait for credit. Then stop reading the device (so that TCP pushes
 * back) until on_credit(). A device that goes on registering meets a hard limit and is ended. */
bool runner_congested(const struct runner *r);

/* The latest events of these types below the device's own prefix ('?' and '*' as in WIRE.md). Each
 * type is an array of segments. The callback comes once an event, then once with NULL at the end. A
 * query that fails ends the runner, which says why. */
struct runner_type {
	const char *segments[RUNNER_MAX_SEGMENTS];
	size_t len;
};
typedef void runner_query_cb(void *arg, const struct runner_event *event);
void runner_query(struct runner *r, const struct runner_type types[], size_t count,
    runner_query_cb *cb, void *arg);
/* The same; a query that fails calls failed instead of cb with NULL. */
typedef void runner_query_failed(void *arg, const char *why);
void runner_query_or(struct runner *r, const struct runner_type types[], size_t count,
    runner_query_cb *cb, runner_query_failed *failed, void *arg);

/* Sets LINK of `gatewayctl status`: a short word as in status events, "connected". */
void runner_set_link(struct runner *r, const char *state);
/* A named counter for `gatewayctl show`; the caller adds to it, the runtime reports it. name must
 * stay valid. Never NULL. */
uint64_t *runner_counter(struct runner *r, const char *name);

/* The device cannot go on: the process ends with 1 after its events have left, the supervisor
 * restarts it by its policy. */
_Noreturn void runner_fail(struct runner *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Zeroed memory for count objects, and never NULL: without memory the device fails. The caller's.
 */
void *runner_alloc(struct runner *r, size_t count, size_t size);

#endif
