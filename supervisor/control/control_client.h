/*
 * A client as the control socket's commands see it: its request, its answer.
 * Supervisor only; control.c owns the clients.
 */
#ifndef SUPERVISOR_CONTROL_CLIENT_H
#define SUPERVISOR_CONTROL_CLIENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "supervisor/control/control.h"

/* A row, or more, of one device. */
typedef void control_each(struct control_client *c, struct child *child);

/* The answer that is given device by device. */
struct control_walk {
	control_each *each;			/* NULL: none is */
	void (*done)(struct control_client *c); /* in place of the answer's end; NULL: that */
	bool named;
	const struct json *name; /* the next one, of the request */
	size_t next;		 /* device, where none is named */
	enum control_code code;	 /* how it ends */
};

struct control_client {
	struct control *control;
	int fd;
	ev_io readable, writable;
	ev_timer deadline;
	pid_t pid;
	uid_t uid;
	bool observes;		  /* it may only look */
	bool spoken;		  /* it asked something, ever */
	bool closing;		  /* nothing more is read; closed when all is sent */
	bool kill_pending;	  /* closed at the next turn of the loop */
	bool overrun;		  /* rows were left out: more than may wait */
	struct json_doc *request; /* that is being answered, or NULL */
	const char **names;	  /* of request, sorted; NULL: it has none */
	size_t name_count;
	enum control_id command; /* of request */
	struct buffer packet;	 /* rows of the packet that is being built */
	struct json_writer writer;
	size_t row_start; /* in packet */
	bool row_comma;
	struct buffer queue; /* u32 length and bytes of each packet that waits */
	struct control_walk walk;
};

/* The socket that clients come from; path NULL: there is none. */
struct control_socket {
	struct control *control;
	char *path;
	int fd, lock; /* -1: it is gone */
	ino_t inode;
	gid_t group;
	bool observes; /* whoever comes from here may only look */
	ev_io acceptable;
};

struct control {
	struct ev_loop *loop;
	struct engine *engine;
	struct control_hooks hooks;
	struct control_socket socket, observe;
	struct monotime started;
	ev_timer refill; /* of budget; runs while it is used up */
	ev_timer rates;
	ev_timer walk;	  /* runs while a client's answer is given in slices */
	ev_timer retrace; /* runs while devices are told whether they are traced */
	size_t retraced;  /* devices that were */
	size_t walked;	  /* the client that had the last slice */
	ev_prepare before_wait;
	unsigned budget, observer_budget;
	struct monotime budget_since;
	size_t waiting;	   /* bytes in all queues */
	struct buffer row; /* an event, for all who watch it */
	struct control_client *clients[CONTROL_MAX_CLIENTS];
	size_t client_count;
	uint64_t served, refused; /* requests; connections */
};

/* Ends the answer. The client may ask again. */
void control_finish(struct control_client *c, enum control_code code);
/* Ends the answer with an error: CONTROL_USAGE where the request is at fault, else CONTROL_REFUSED.
 */
void control_refuse(struct control_client *c, enum control_reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a row that is written already: an object. False where it does not fit, as
 * control_end_row(). */
bool control_put_row(struct control_client *c, const struct buffer *row);
/* Sends the packet of a client that streams. */
void control_flush(struct control_client *c);

/* A command's work: it finishes the answer, at once or later. */
typedef void control_handler(struct control_client *c, const struct json *request);

/* control_socket.c */
/* Makes the socket s->path, of that group (or NULL). Returns NULL, or what is wrong; then
 * control_socket_close() is still due. */
const char *control_socket_open(struct control_socket *s, const char *group);
void control_socket_close(struct control_socket *s);
/* Makes it again where somebody removed it, or its folder. Now and then. */
void control_socket_keep(struct control_socket *s);

/* control_view.c */
/* As [seconds, microseconds]. */
/* null where v is below 0, where there is no text, or an empty one. */
void control_put_optional(struct json_writer *w, const char *key, int64_t v);
void control_put_text(struct json_writer *w, const char *key, const char *text);
void control_put_time(struct json_writer *w, const char *key, const struct timestamp *t);
/* What the built-in Event Server counts; all null where there is none, or it does not run. */
void control_put_numbers(struct json_writer *w, const struct eventd *d);
control_handler control_on_top, control_on_status, control_on_show, control_on_info;
/* control_health.c */
control_handler control_on_health, control_on_describe;
/* "remotes": how many of a device's remote ends are up; null where there are none. */
void control_put_remotes(struct json_writer *w, const struct child *c);
/* Why no device runs, or why this one does not; "" where it runs or nobody enabled it. Returns
 * text. */
const char *control_explain_idle(const struct control *control, char text[IDLE_MAX_TEXT]);
const char *control_explain(
    const struct control *control, const struct child *c, char text[IDLE_MAX_TEXT]);
/* "remote_ends", the worst first, and how many were left out. */
void control_put_remote_ends(struct json_writer *w, const struct child *c);
/* Drops the description that a client waits for. */
void control_forget_describe(struct control_client *c);
/* control_commands.c */
control_handler control_on_send, control_on_enable, control_on_disable, control_on_restart,
    control_on_log, control_on_reload;
/* Drops the queries of a client that is gone. */
void control_forget_request(struct control_client *c);
/* The segments of text, borrowed from it; 0 where one is empty or there are more than max. */
size_t control_split_type(const char *text, struct sbs_str *segments, size_t max);
/* The segments that a device's types begin with, borrowed from it; returns how many. */
size_t control_prefix(const struct child *child, struct sbs_str *segments);
/* Finishes with errno: why nothing could be asked. */
void control_refuse_errno(struct control_client *c, const char *what);
/* control_events.c */
control_handler control_on_events;
/* control_metrics.c */
control_handler control_on_metrics;
/* control_walk.c */
/* Calls each for every device in "names" of the request (all, where there are none), in slices from
 * the loop, and then done, or finishes the answer with c->walk.code where that is NULL. Returns
 * false after control_refuse() where a name is unknown. */
bool control_walk(struct control_client *c, const struct json *request, control_each *each,
    void (*done)(struct control_client *c));
/* The callback of control->walk. */
void control_on_walk(struct ev_loop *loop, ev_timer *timer, int revents);
/* control_stream.c */
control_handler control_on_watch, control_on_trace, control_on_wait;
/* The callback of control->retrace. */
void control_on_retrace(struct ev_loop *loop, ev_timer *timer, int revents);
/* Whether the command runs until its client closes. */
bool control_streams(enum control_id command);
/* The rows of one event; payload left out where it would not fit. */
void control_put_event(struct control_client *c, const char *direction, const struct child *child,
    const struct timestamp *time, const struct eventer_event *e);

/* The device of that name, or NULL after control_refuse(). */
struct engine_device *control_find_device(struct control_client *c, const char *name);
/* Whether "names" of the request holds the device, or there are none. */
bool control_wants(const struct control_client *c, const struct child *child);
/* Takes the names of the request, for control_wants(). Returns 0, or -1 when out of memory. */
int control_take_names(struct control_client *c);

#endif
