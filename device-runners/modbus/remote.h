/*
 * One remote device (unit) of a Modbus master: when which range of registers is
 * read, what its answers say about the data, its status, and the writes that
 * wait for it. A range that the device refuses with an address error, or does not answer while it
 * answers others, is split until the data at fault stands alone, and tried whole again now and
 * then. Pure: (state, event, now). In the Modbus runner.
 */
#ifndef DEVICE_RUNNERS_MODBUS_REMOTE_H
#define DEVICE_RUNNERS_MODBUS_REMOTE_H

#include "common/json.h"
#include "device-runners/modbus/conf/conf.h"

enum {
	REMOTE_MAX_WRITES = 1024,	   /* waiting for one remote device */
	REMOTE_MAX_ID_BYTES = 1024 * 1024, /* of the request_ids of all of them */
	REMOTE_WHOLE_MS = 60 * 1000,	   /* after a split, until the whole is tried again */
	REMOTE_MAX_WHOLE_MS = 3600 * 1000, /* what that doubles up to while it is refused */
	/* How often a range is not answered, while others are, until it is split, and until a
	 * single data is said to be silent: noise takes several answers in a row. */
	REMOTE_SPLIT_SILENCES = 2,
	REMOTE_TOLD_SILENCES = 4,
	/* A register that stays silent is asked again after so many times what that cost; doubled
	 * four times while it stays so, REMOTE_WHOLE_MS at most. */
	REMOTE_SILENT_COST = 8,
	/* Ranges without an answer, one after another, that make a device one that is down. */
	REMOTE_DOWN_RANGES = 2,
};

enum remote_status {
	REMOTE_NONE, /* nothing was said yet on this connection */
	REMOTE_DISABLED,
	REMOTE_CONNECTING,
	REMOTE_CONNECTED,
	REMOTE_DISCONNECTED,
};

const char *remote_status_name(enum remote_status s);

/* The result of an exception, "SUCCESS" for 0. */
const char *remote_result_name(uint8_t exception);

struct remote;

/* How a write went. */
struct remote_written {
	const char *request_id; /* JSON, as it came */
	const char *result;
	unsigned step, steps; /* the request that failed after others succeeded; step 0: none */
};

struct remote_ops {
	void (*status)(void *arg, const struct remote *r);
	/* value: NULL unless result is "SUCCESS"; cause then "INTERROGATE" or "CHANGE". */
	void (*read)(void *arg, const struct remote *r, const struct conf_data *d,
	    const char *result, const char *cause, const uint8_t *value);
	void (*written)(void *arg, const struct remote *r, const struct conf_data *d,
	    const struct remote_written *w);
};

/* Borrows all. NULL when out of memory. */
struct remote *remote_new(const struct conf_master *master, const struct conf_remote *conf,
    const struct remote_ops *ops, void *arg);
void remote_free(struct remote *r);
const struct conf_remote *remote_conf(const struct remote *r);
enum remote_status remote_status(const struct remote *r);

/* For the scheduler. A suspect is a remote device whose last request timed out, or that was asked
 * nothing yet. What one may have to be asked on the connection that stands, bits; and whether it is
 * enabled and answers. */
enum {
	REMOTE_POLL = 1,
	REMOTE_WRITE = 2,
	REMOTE_SUSPECT_POLL = 4,
	REMOTE_SUSPECT_WRITE = 8,
};
unsigned remote_wants(const struct remote *r);
bool remote_is_healthy(const struct remote *r);
bool remote_is_enabled(const struct remote *r);
/* Whether the next request of remote_poll() was asked before. */
bool remote_is_retried(const struct remote *r);

/* The requests that were under way for the remote when its connection was lost. */
struct remote_loss {
	bool poll, write;
	bool stale; /* the connection had answered before: it ended for reasons of its own */
};

/* The connection stands, or is lost. Writes wait for the next one, one that was under way only
 * where the connection was stale, and once. */
void remote_online(struct remote *r, struct monotime now);
void remote_offline(struct remote *r, struct remote_loss loss, struct monotime now);
/* Answers writes that found no connection in time; returns when to call again, INT64_MAX ns for
 * never. */
struct monotime remote_expire(struct remote *r, struct monotime now);
/* Answers all writes that wait. */
void remote_refuse_writes(struct remote *r, const char *result);
void remote_enable(struct remote *r, bool enable, struct monotime now);

/* When there is something to ask for; INT64_MAX ns for never. */
struct monotime remote_poll_at(const struct remote *r);
struct monotime remote_write_at(const struct remote *r);

/* The request that remote_poll_at() or remote_write_at() announced; stays valid until its result.
 * remote_write() returns NULL when the write no longer waits. */
const struct modbus_pdu *remote_poll(struct remote *r, struct monotime now);
const struct modbus_pdu *remote_write(struct remote *r);

/* The request that remote_poll() would return now, without taking it up. */
struct modbus_pdu remote_peek(const struct remote *r, struct monotime now);

/* Its result: res NULL for a time-out. A poll's result may come after the remote was disabled. */
void remote_on_poll(struct remote *r, const struct modbus_pdu *res, struct monotime now);
void remote_on_write(struct remote *r, const struct modbus_pdu *res, struct monotime now);

/* Queues a write of a data that can be written. request_id: JSON. It is answered by written(), at
 * once where it can not be done. */
void remote_add_write(struct remote *r, const struct conf_data *d, const char *request_id,
    const struct json *value, struct monotime now);
const struct conf_data *remote_find(const struct remote *r, const char *name);

#endif
