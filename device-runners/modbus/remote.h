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
	bool resent;	  /* a connection was lost with it, and it is sent on the next one */
	unsigned step, step_count;
	struct monotime expires; /* without a connection */
	struct modbus_write steps;
	struct modbus_pdu pdu; /* the step that is to be sent */
	struct retry retry;
	uint8_t regs[2 * MODBUS_MAX_WRITE_REGS]; /* its data */
	uint8_t value[];
};

struct remote_range {
	struct plan_range plan;
	struct monotime due;
	struct monotime answered_at;
	uint64_t asked;	  /* the remote's count of requests when it was asked last */
	uint32_t origin;  /* index of the range it was split from */
	uint8_t silences; /* how often it was not answered while others were */
	bool failed;	  /* not answered; whether others are is not known yet */
	bool halved;	  /* exceptions 1 and 4 are believed */
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

/* The read under way. */
struct remote_poll {
	bool active; /* a range is asked for, perhaps again */
	bool whole;  /* a split range as a whole, to see */
	uint32_t origin;
	struct monotime since;
	struct retry retry;
	struct modbus_pdu req;
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
	bool judge;		   /* some range has failed */
	size_t unanswered;	   /* ranges, since the last answer */
	uint64_t asked;		   /* requests, ever */
	struct monotime resume_at; /* after a time-out */
	struct remote_poll poll;
	size_t write_count, id_bytes;

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

/* What was under way for the remote when its connection was lost. */
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
 */
const struct modbus_pdu *remote_poll(struct remote *r, struct monotime now);
const struct modbus_pdu *remote_write(struct remote *r);

/* What remote_poll() would say now, without taking it up. */
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
