/* Shared by remote.c, remote_poll.c and remote_write.c. In the Modbus runner. */
#ifndef DEVICE_RUNNERS_MODBUS_REMOTE_PRIVATE_H
#define DEVICE_RUNNERS_MODBUS_REMOTE_PRIVATE_H

#include "device-runners/modbus/remote.h"

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
	bool guessed;	/* split while nothing was answered at all */
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
	/* The fields that the scheduler reads come first: it goes over all remote devices for each
	 * request. */
	bool online, enabled;
	bool suspect; /* its last request timed out, or it was asked nothing yet */
	enum remote_status status;
	struct remote_write *writes, **writes_end;
	struct remote_range *ranges; /* a heap by due time */
	size_t range_count;
	bool judge;		   /* some range has failed */
	size_t unanswered;	   /* ranges, since the last answer */
	unsigned downs;		   /* how often it went down since then */
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

static const struct monotime remote_never = { INT64_MAX };

/* Says it where it is new. */
void remote_set_status(struct remote *r, enum remote_status status);
void remote_retry_start(struct retry *t, const struct conf_master *c);
/* Whether there is another try, and when. */
bool remote_retry_next(struct retry *t, const struct conf_master *c, struct monotime now);
/* Restores the heap below ranges[i], or all of it. */
void remote_sift(struct remote *r, size_t i);
void remote_heapify(struct remote *r);
void remote_drop_writes(struct remote *r);
/* Device is busy, and says so (exceptions 5 and 6). */
bool remote_is_busy(const struct modbus_pdu *res);
/* The range due first was not answered: it goes behind the others. */
void remote_put_back(struct remote *r, struct monotime now);
/* Deals with the writes when the connection is lost. */
void remote_keep_writes(struct remote *r, struct remote_loss loss, struct monotime now);

#endif
