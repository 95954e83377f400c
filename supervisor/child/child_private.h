/* The parts of a child, for the files of this folder only. */
#ifndef SUPERVISOR_CHILD_PRIVATE_H
#define SUPERVISOR_CHILD_PRIVATE_H

#include "ipc/channel.h"
#include "supervisor/child/child.h"
#include "supervisor/child/uplink.h"

/* A description that was asked for. */
struct child_describe {
	uint32_t id; /* 0: free */
	uint32_t from;
	child_description_cb *cb; /* NULL: nobody waits for it any more */
	void *arg;
};

/* Its resident memory as it was read last. */
struct child_memory {
	pid_t pid; /* whose */
	int64_t bytes;
	unsigned asked; /* times */
};

struct child {
	const struct child_host *host;
	const struct config_device *conf; /* borrowed; child_reconfigure() changes it */
	struct eventer_prefix prefix;	  /* encoded, owned: the device's event types begin so */
	void *owner;
	struct process *process;
	struct channel channel;
	bool verified; /* the kernel says that it is locked as its level says */
	bool gone;     /* the channel says nothing any more */
	ev_timer closed;
	struct requests requests;
	struct uplink uplink;
	struct stats stats;
	struct remotes remotes;
	struct child_describe describes[IPC_MAX_DESCRIBES];
	uint32_t last_describe;
	uint32_t faults; /* of its configuration, in this life */
	char link[40];
	bool tracing;
	struct child_memory memory;
};

/* child.c */
/* Whether a message of len bytes that costs no credit is one too many. */
bool child_is_flood(struct child *c, size_t len);
/* After channel_send(): a runner that does not read is killed. */
void child_sent(struct child *c, int result);

/* child_messages.c: the handlers of its channel. */
void child_on_message(
    void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len);
/* The answer to an OPEN. */
void child_on_opened(void *arg, uint32_t id, int fd, int error, const char *why);

/* description.c */
const char *child_on_description(struct child *c, uint32_t id, const msgpack_object *body);
/* Tells those who wait that there is none. */
void child_describe_clear(struct child *c);

/* child_events.c */
void child_on_register(void *arg, const void *body, size_t len);
/* Returns what is wrong with the QUERY, or NULL. */
const char *child_on_query(struct child *c, uint32_t id, const msgpack_object *body);

#endif
