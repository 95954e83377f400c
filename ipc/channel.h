/*
 * One end of the socket between supervisor and runner, on a libev loop. Checks
 * every packet (ipc_check) before anybody sees it. Used by both sides.
 */
#ifndef IPC_CHANNEL_H
#define IPC_CHANNEL_H

#include <ev.h>
#include <msgpack.h>
#include <stdbool.h>

#include "common/buffer.h"
#include "common/monotime.h"
#include "ipc/message.h"

enum {
	IPC_MAX_QUEUE =
	    4 * 1024 * 1024, /* bytes that wait for a reader; beyond it, it is "not reading" */
	/* Bytes of answers to queries that may wait beside those. The peer asked for them, and they
	 * come at once: of one message of the Event Server, 32 MiB at most, which grow on the way.
	 */
	IPC_MAX_ANSWERS = 64 * 1024 * 1024,
	IPC_MAX_QUEUED_FDS = 64,
	IPC_RETRY_MS =
	    50, /* after a send for which the kernel had no memory, until it is tried again */
	IPC_TURN_MS = 8,     /* of a turn of the supervisor's loop, after which no other is read */
	IPC_READ_BURST = 32, /* packets read in one turn, so that no channel starves the others */
};

struct channel;

struct channel_handler {
	/* One checked message. body is a tree of the rule's shape, borrowed until the return. fd >=
	 * 0 where one came along, the handler's. The channel may be closed in here, not freed. */
	void (*on_message)(
	    void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len);
	/* A checked REGISTER; body is borrowed, to be read with ipc/event.h. May be NULL on the
	 * side that is sent none. */
	void (*on_register)(void *arg, const void *body, size_t len);
	/* The peer violated the protocol: nothing more is read. packet is borrowed. */
	void (*on_violation)(void *arg, const char *why, const void *packet, size_t len);
	/* The peer closed, and everything it sent before was handled. */
	void (*on_close)(void *arg);
	/* The queue that had formed is empty again. May be NULL. */
	void (*on_drained)(void *arg);
};

struct queued_fd {
	uint64_t packet; /* the number of the packet that it belongs to */
	int fd;
};

struct channel {
	struct ev_loop *loop;
	int fd; /* -1 when closed */
	enum ipc_sender peer;
	enum ipc_phase phase; /* of the runner: set by the owner */
	const struct channel_handler *handler;
	void *arg;
	ev_io readable, writable;
	ev_timer retry;	   /* in place of writable, where the kernel is short of room */
	struct buffer out; /* the message that is being built */
	msgpack_packer packer;
	struct buffer queue;   /* length u32 and bytes of each packet that waits */
	struct queued_fd *fds; /* of the queue; owned; NULL: none */
	size_t fd_count;
	size_t answers;	       /* bytes of answers that were queued since it was last empty */
	uint64_t sent, queued; /* packets sent, packets ever queued or sent */
	unsigned turn; /* the loop's count when packets came last, and the last one's type */
	uint16_t heard;
	bool stalled;	    /* the queue overflowed: nothing more is sent */
	const void *packet; /* while on_message() runs: what it is about, as it came */
	uint32_t round;	    /* in which it was read last */
	bool read_now;	    /* channel_read_now() */
};

/* Takes fd (non-blocking). peer: who is at the other end. */
void channel_open(struct channel *c, struct ev_loop *loop, int fd, enum ipc_sender peer,
    const struct channel_handler *handler, void *arg);
/* Packets from the peer are handled before everything else that is due in a turn of the loop. */
void channel_come_first(struct channel *c);
/* Reads waiting packets in this turn of the loop, even if epoll has not reported them. */
void channel_read_now(struct channel *c);
/* Closes and frees; callbacks do not come any more. May be called twice. */
void channel_close(struct channel *c);

/* Begins a message; pack its body with msgpack_pack_*(), then channel_send(). Borrowed. */
msgpack_packer *channel_begin(struct channel *c, enum ipc_type type, uint32_t id);
/* Bytes of the message so far, header included. */
size_t channel_length(const struct channel *c);
/* Sends or queues what was begun, with fd (taken; -1 for none). Returns 0, or -1 with errno:
 * EMSGSIZE over IPC_MAX_MESSAGE, ENOBUFS when the peer is not reading, EPIPE when it is gone. */
int channel_send(struct channel *c, int fd);
/* The message that was begun is an answer, of which IPC_MAX_ANSWERS bytes may wait. Call it before
 * channel_send(). */
void channel_is_answer(struct channel *c);
/* An empty-bodied message. */
int channel_send_empty(struct channel *c, enum ipc_type type, uint32_t id);
/* Waits (blocking, at most ms) until the queue is sent; for the end of a process. */
void channel_flush(struct channel *c, int ms);

/* Small packers for what several messages share. */
void ipc_pack_text(msgpack_packer *p, const char *text, size_t len);
void ipc_pack_str(msgpack_packer *p, const char *text);
/* A text for people, of whatever it was made: cut to IPC_MAX_TEXT between two characters, and plain
 * ASCII where it is not UTF-8. */
void ipc_pack_reason(msgpack_packer *p, const char *text);
void ipc_pack_timestamp(msgpack_packer *p, const struct timestamp *t); /* nil where NULL */
/* Copies a text with a NUL behind it, cut to size - 1 bytes. (The pointer of an empty one is NULL.)
 */
void ipc_copy_text(char *to, size_t size, const msgpack_object_str *s);
/* A checked [s, us]. */
struct timestamp ipc_timestamp(const msgpack_object *o);

#endif
