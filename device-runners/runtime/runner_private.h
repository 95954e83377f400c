/* Shared by the files of the runtime; not for devices. One runner per process. */
#ifndef DEVICE_RUNNERS_RUNNER_PRIVATE_H
#define DEVICE_RUNNERS_RUNNER_PRIVATE_H

#include "common/buffer.h"
#include "common/schema/schema.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/runner.h"
#include "ipc/channel.h"

enum {
	RUNNER_FD = 3,
	RUNNER_MAX_WAITING = 8 * 1024 * 1024, /* bytes of events without credit: a device that
					       * ignores runner_congested() ends here */
	RUNNER_SILENCE_MS = 15000, /* without a ping, of which one comes every 5 s; below the 20 to
				    * 40 s in which a Monitor Server sees that a gateway is frozen,
				    * and blesses another */
	RUNNER_BATCH_COST = 56 * 1024, /* a REGISTER message leaves at this cost at the latest */
	/* Limits of a trace, in one second, and waiting for the supervisor. It ends a runner that
	 * sends more than 20000 messages and 16 MiB in a second of its own, into which two of ours
	 * and what waited may fall. */
	RUNNER_TRACE_FRAMES = 6000,
	RUNNER_TRACE_BYTES = 4 * 1024 * 1024,
	RUNNER_TRACE_BEHIND = 256 * 1024,
	RUNNER_MAX_FAULTS = 1000, /* of a configuration that are sent; the rest is counted */
};

/* Devices know the contract by the runtime's names. */
_Static_assert((int)RUNNER_MAX_PLAN == (int)IPC_MAX_PLAN, "resources of one device");
_Static_assert((int)IPC_CONFIG_WARNING == (int)SCHEMA_WARNING, "severity of a CONFIG_ERROR");
_Static_assert((int)IPC_CONFIG_FAULT == (int)SCHEMA_ERROR, "severity of a CONFIG_ERROR");
_Static_assert((int)RUNNER_MAX_SEGMENTS == (int)IPC_MAX_SEGMENTS, "segments of an event type");

struct open_request {
	uint32_t id; /* 0: free */
	runner_open_cb *cb;
	void *arg;
};

struct query_request {
	uint32_t id; /* 0: free */
	runner_query_cb *cb;
	runner_query_failed *failed; /* NULL: the runner ends */
	void *arg;
};

struct counter {
	const char *name;
	uint64_t value, reported;
};

struct runner {
	struct ev_loop *loop;
	struct channel channel;
	ev_prepare before_wait;
	ev_timer silence; /* runs from the first ping on */
	const struct runner_device *const *types;
	const struct runner_device *type;
	void *device;
	char name[IPC_MAX_TEXT + 1];
	uint32_t last_id;
	int config_errors;
	uint32_t config_faults; /* warnings as well */
	bool check_only, started, stopping, has_tty, has_udp_listen, tracing, was_congested;
	struct {
		struct monotime since; /* of the second; 0: none yet */
		size_t frames, bytes;
		bool told; /* that frames are left out */
		struct limit limit;
	} trace;
	size_t plan_count, plan_bytes; /* plan_bytes: at most so many of its message */
	struct open_request opens[IPC_MAX_ASKED];
	struct query_request queries[IPC_MAX_ASKED];

	/* Events on their way: the batch of this turn, then batches that wait for credit. */
	uint64_t credit;
	struct buffer batch; /* packed events */
	uint32_t batch_count;
	struct buffer waiting; /* u32 length, u32 count, packed events; for each batch */
	struct buffer payload; /* scratch of runner_payload() */
	struct json_writer payload_writer;

	struct health *health; /* of its remote ends, or NULL; report/health.c */

	struct counter counters[RUNNER_MAX_COUNTERS];
	size_t counter_count;
	/* Last: most of its pages are never touched. */
	struct plan_entry {
		uint8_t kind;
		uint16_t port;
		char *target;
	} plan[IPC_MAX_PLAN];
};

/* runner_events.c */
void runner_events_init(struct runner *r);
void runner_events_clear(struct runner *r);
/* Sends what this turn registered, as far as credit goes. */
void runner_events_flush(struct runner *r);
void runner_on_credit(struct runner *r, uint32_t credit);
/* Calls cb for each element of a checked array of events. */
void runner_each_event(const msgpack_object *events, runner_query_cb *cb, void *arg);
void runner_on_query_result(struct runner *r, uint32_t id, const msgpack_object *body);

/* report/health.c: sends what is news of the remote ends. */
void runner_health_flush(struct runner *r);
/* report/health.c: forgets them all; the device is gone. */
void runner_health_clear(struct runner *r);
/* report/health.c: the round trips of all ends as counters of the runner: how many took up to so
 * many microseconds, as Prometheus has histograms, and the sum of all. */
void runner_health_count(struct runner *r);
/* report/describe.c: in a check that somebody reads each data is a note; */
void runner_note_data(struct runner *r);
/* answers DESCRIBE. */
void runner_describe(struct runner *r, uint32_t id, uint32_t from);

/* runner.c: a message that could not be sent means that the supervisor is gone. */
void runner_sent(struct runner *r, int result);

#endif
