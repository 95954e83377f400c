/*
 * One remote device (unit) of a Modbus master: when which range of registers is
 * read, what its answers say about the data, its status, and the writes that
 * wait for it. A range that the device refuses with an address error is split until the refused
 * data stands alone, and tried whole again now and then. Pure: (state, event, now). In
 * the Modbus runner.
 */
#ifndef DEVICE_RUNNERS_MODBUS_REMOTE_H
#define DEVICE_RUNNERS_MODBUS_REMOTE_H

#include "device-runners/modbus/conf.h"

enum {
	REMOTE_MAX_WRITES = 1024,	   /* waiting for one remote device */
	REMOTE_MAX_REQUEST_ID = 4096,	   /* bytes of a write's request_id, with its NUL */
	REMOTE_WHOLE_MS = 60 * 1000,	   /* after a split, until the whole is tried again */
	REMOTE_MAX_WHOLE_MS = 3600 * 1000, /* what that doubles up to while it is refused */
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

struct remote_ops {
	void (*status)(void *arg, const struct remote *r);
	/* value: NULL unless result is "SUCCESS"; cause then "INTERROGATE" or "CHANGE". */
	void (*read)(void *arg, const struct remote *r, const struct conf_data *d,
	    const char *result, const char *cause, const uint8_t *value);
	void (*written)(void *arg, const struct remote *r, const struct conf_data *d,
	    const char *request_id, const char *result);
};

/* Tries that are left of a request, and when the next one may be made. */
struct retry {
	unsigned immediate, delayed;
	struct monotime at;
};

/* A write that waits or is under way. */
struct remote_write {
	struct remote_write *next;
	const struct conf_data *data;
	char *request_id; /* owned */
	struct modbus_write steps;
	struct modbus_pdu pdu; /* the step that is to be sent */
	struct retry retry;
	uint8_t regs[2 * MODBUS_MAX_WRITE_REGS]; /* its data */
	uint8_t value[];
};

struct remote_range {
	struct plan_range plan;
	struct monotime due;
	uint32_t origin; /* index of the range it was split from */
	bool have_last;
	uint8_t last_len;
	uint8_t *last; /* the last answer's data; owned */
};

/* A range as it was planned. */
struct remote_origin {
	struct plan_range plan;
	uint32_t parts; /* ranges that it is split into now; 1: none */
	struct monotime whole_at;
	int64_t whole_ms;
};

struct remote_point {
	bool valid;	/* the last read succeeded, value is it */
	uint8_t *value; /* owned by remote->values */
};

struct remote {
	/* What the scheduler looks at comes first: it goes over all remote devices for each
	 * request. */
	bool online, enabled;
	bool suspect; /* its last request timed out, or it was asked nothing yet */
	enum remote_status status;
	struct remote_write *writes, **writes_end;
	struct remote_range *ranges; /* a heap by due time */
	size_t range_count;
	struct monotime resume_at; /* after a time-out */
	struct {
		bool active; /* a range is asked for, perhaps again */
		bool whole;  /* a split range as a whole, to see */
		uint32_t origin;
		struct retry retry;
		struct modbus_pdu req;
	} poll;
	size_t write_count;

	const struct conf_master *master; /* borrowed, as is conf */
	const struct conf_remote *conf;
	const struct remote_ops *ops;
	void *arg;
	struct plan_point *points; /* by data */
	struct remote_point *state;
	uint8_t *values;
	uint32_t *order;
	struct remote_origin *origins;
	size_t origin_count;
};

/* 0, or -1 when out of memory. */
int remote_init(struct remote *r, const struct conf_master *master, const struct conf_remote *conf,
    const struct remote_ops *ops, void *arg);
void remote_clear(struct remote *r);

/* The connection stands, or is lost (its writes are forgotten; returns how many). */
void remote_online(struct remote *r, struct monotime now);
size_t remote_offline(struct remote *r);
void remote_enable(struct remote *r, bool enable, struct monotime now);

/* When there is something to ask for; INT64_MAX ns for never. */
struct monotime remote_poll_at(const struct remote *r);
struct monotime remote_write_at(const struct remote *r);

/* The request that remote_poll_at() or remote_write_at() announced; stays valid until its result.
 */
const struct modbus_pdu *remote_poll(struct remote *r, struct monotime now);
const struct modbus_pdu *remote_write(struct remote *r);

/* What remote_poll() would say now, without taking it up. */
struct modbus_pdu remote_peek(const struct remote *r, struct monotime now);

/* Its result: res NULL for a time-out. A poll's result may come after the remote was disabled. */
void remote_on_poll(struct remote *r, const struct modbus_pdu *res, struct monotime now);
void remote_on_write(struct remote *r, const struct modbus_pdu *res, struct monotime now);

/* Queues a write. text: the value as a JSON number. It is answered by written(), at once where it
 * can not be. False where there is no such data, or it can not be written (nothing is answered
 * then). */
bool remote_add_write(
    struct remote *r, const char *name, const char *request_id, const char *text, size_t len);
const struct conf_data *remote_find(const struct remote *r, const char *name);

#endif
