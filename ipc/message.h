/*
 * The contract between supervisor and runner (gateway-ipc(7)): one table that
 * says what may be said, by whom, when, of which shape and size. One packet of
 * a SOCK_SEQPACKET socket is one message: an 8 byte header, then exactly one
 * msgpack value of the message's shape.
 */
#ifndef IPC_MESSAGE_H
#define IPC_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* The version of this table: it is raised with every change of a shape, of a meaning, or of
	 * what a side must understand. Both sides say theirs, INIT as a field and PLAN as its id,
	 * and neither goes on with another. 1 had no version in PLAN. */
	IPC_VERSION = 2,
	IPC_HEADER = 8,		     /* type u16, flags u16 (0), id u32; little endian */
	IPC_MAX_MESSAGE = 64 * 1024, /* bytes of a packet, header included */
	IPC_MAX_EVENT = 60 * 1024,   /* bytes of one event in a message */
	IPC_MAX_DEPTH = 8,	     /* nesting of arrays */
	IPC_MAX_COUNT = 16 * 1024,   /* elements of one array */
	IPC_MAX_TEXT = 512,	     /* bytes of a name, path, reason, segment */
	IPC_MAX_SEGMENTS = 16,	     /* of an event type, after the device's prefix */
	IPC_EVENT_COST = 96,	     /* credit that an event costs beside its bytes */
	IPC_MAX_ASKED = 64,	     /* opens, and queries, of one runner under way */
	IPC_MAX_QUERY_TYPES = 64,    /* of one query */
	/* Bytes of the types of all queries of one runner under way, each with the prefix. */
	IPC_MAX_QUERY_BYTES = 128 * 1024,
	IPC_MAX_REMOTES = 1024,	     /* remote ends of one device whose health is told */
	IPC_MAX_HEALTH_RATE = 64,    /* messages of HEALTH in one second */
	IPC_MAX_DESCRIBES = 4,	     /* unanswered requests for a description */
	IPC_MAX_DESCRIBED_VERBS = 8, /* of one data */
};

enum ipc_sender { IPC_SUPERVISOR = 1, IPC_RUNNER = 2 };

/* The runner's phase when a message may be sent; STOP follows RUN while messages are under way, so
 * what may be said in RUN is heard in STOP as well. */
enum ipc_phase {
	PHASE_INIT = 1,
	PHASE_RUN = 2,
	PHASE_STOP = 4,
	PHASE_LATER = PHASE_RUN | PHASE_STOP,
	PHASE_ANY = PHASE_INIT | PHASE_RUN | PHASE_STOP,
};

/* The severity of a CONFIG_ERROR: the first two are enum schema_severity. */
enum { IPC_CONFIG_WARNING, IPC_CONFIG_FAULT, IPC_CONFIG_NOTE };

/*
 * Shapes: u unsigned 32 bits, U unsigned 64 bits, b boolean, s UTF-8 text of at most IPC_MAX_TEXT,
 * B bytes, [...] an array of exactly these, *x an array of any number of x, ?x x or nil,
 * N an event type (1 to IPC_MAX_SEGMENTS texts), T a timestamp [seconds, microseconds],
 * P a payload: nil, JSON text, or [type, bytes]; E registered events, an array of [N?TP] whose
 * elements are checked by ipc_event_read() alone.
 */
/* name, number, sender, phases, fd may come along, shape */
#define IPC_MESSAGES(X)                                                                            \
	X(INIT, 1, IPC_SUPERVISOR, PHASE_INIT, 1, "[usssubuUuu]")                                  \
	X(OPENED, 2, IPC_SUPERVISOR, PHASE_LATER, 1, "[us]")                                       \
	X(EVENTS, 3, IPC_SUPERVISOR, PHASE_LATER, 0, "*[NT?TP]")                                   \
	X(QUERY_RESULT, 4, IPC_SUPERVISOR, PHASE_LATER, 0, "[b*[NT?TP]?s]")                        \
	X(CREDIT, 5, IPC_SUPERVISOR, PHASE_LATER, 0, "[u]")                                        \
	X(PING, 6, IPC_SUPERVISOR, PHASE_ANY, 0, "[]")                                             \
	X(STOP, 7, IPC_SUPERVISOR, PHASE_ANY, 0, "[]")                                             \
	X(SET_LOG_LEVEL, 8, IPC_SUPERVISOR, PHASE_ANY, 0, "[u]")                                   \
	X(TRACE, 9, IPC_SUPERVISOR, PHASE_ANY, 0, "[b]")                                           \
	X(DESCRIBE, 10, IPC_SUPERVISOR, PHASE_LATER, 0, "[u]")                                     \
	X(PLAN, 32, IPC_RUNNER, PHASE_INIT, 0, "*[usu]")                                           \
	X(CONFIG_ERROR, 33, IPC_RUNNER, PHASE_ANY, 0, "[uss]")                                     \
	X(READY, 34, IPC_RUNNER, PHASE_LATER, 0, "[]")                                             \
	X(OPEN, 35, IPC_RUNNER, PHASE_LATER, 0, "[u]")                                             \
	X(CANCEL, 36, IPC_RUNNER, PHASE_LATER, 0, "[]")                                            \
	X(REGISTER, 37, IPC_RUNNER, PHASE_LATER, 0, "E")                                           \
	X(QUERY, 38, IPC_RUNNER, PHASE_LATER, 0, "*N")                                             \
	X(PONG, 39, IPC_RUNNER, PHASE_ANY, 0, "[]")                                                \
	X(STATS, 40, IPC_RUNNER, PHASE_LATER, 0, "*[sU]")                                          \
	X(CLOSED, 42, IPC_RUNNER, PHASE_ANY, 0, "[s]")                                             \
	X(LINK, 43, IPC_RUNNER, PHASE_LATER, 0, "[s]")                                             \
	X(HEALTH, 44, IPC_RUNNER, PHASE_LATER, 0, "*[u?[suTss[UUUUUUUUU]]]")                       \
	X(DESCRIPTION, 45, IPC_RUNNER, PHASE_LATER, 0, "[?u*[sss?N*[sNs?Nsss]?N]]")                \
	X(TRACE_FRAME, 50, IPC_RUNNER, PHASE_LATER, 0, "[uUsbsssB]")

enum ipc_type {
#define X(name, number, ...) IPC_##name = number,
	IPC_MESSAGES(X)
#undef X
};

/* Fields of INIT, in order. The configuration comes along as a sealed memfd of JSON text. */
enum {
	IPC_INIT_VERSION,
	IPC_INIT_TYPE,
	IPC_INIT_NAME,
	IPC_INIT_ZONE, /* value for TZ */
	IPC_INIT_LOG_LEVEL,
	IPC_INIT_CHECK_ONLY,
	IPC_INIT_SANDBOX, /* enum ipc_sandbox */
	IPC_INIT_MEMORY,  /* bytes of address space */
	IPC_INIT_FILES,	  /* open file descriptors */
	IPC_INIT_CREDIT,
};

/* Fields of TRACE_FRAME, in order. */
enum {
	IPC_FRAME_DIRECTION, /* 0 received, 1 sent */
	IPC_FRAME_TIME,	     /* nanoseconds since 1970, UTC */
	IPC_FRAME_PROTOCOL,
	IPC_FRAME_SERVES, /* the device is the server of the connection */
	IPC_FRAME_LOCAL,
	IPC_FRAME_REMOTE,
	IPC_FRAME_TEXT,
	IPC_FRAME_BYTES,
	IPC_FRAME_FIELDS,
};

/* How the runner is to lock itself in; NAMESPACES is STRICT, and namespaces of its own. */
enum ipc_sandbox {
	IPC_SANDBOX_STRICT,
	IPC_SANDBOX_BEST_EFFORT,
	IPC_SANDBOX_OFF,
	IPC_SANDBOX_NAMESPACES,
};

/* First field of an element of PLAN. */
enum ipc_resource {
	IPC_RESOURCE_CONNECT,
	IPC_RESOURCE_LISTEN,
	IPC_RESOURCE_TTY,
	IPC_RESOURCE_FILE,
	IPC_RESOURCE_UDP,	 /* a datagram socket, connected */
	IPC_RESOURCE_UDP_LISTEN, /* a datagram socket, bound: it hears, and may answer, anybody */
	IPC_RESOURCE_ICMP,	 /* a socket for echo requests, connected */
	IPC_RESOURCE_COUNT,
};

/* The state of a remote end. OFF: it is not asked for anything, or nothing is known of it yet. */
enum ipc_remote_state {
	IPC_REMOTE_OFF,
	IPC_REMOTE_UP,
	IPC_REMOTE_DEGRADED, /* it answers, but not as it should */
	IPC_REMOTE_DOWN,
	IPC_REMOTE_STATE_COUNT,
};

/* Counters of a remote end, in the order of HEALTH. */
enum ipc_remote_counter {
	IPC_REMOTE_REQUESTS,
	IPC_REMOTE_ERRORS,
	IPC_REMOTE_TIMEOUTS,
	IPC_REMOTE_RETRIES,
	IPC_REMOTE_BYTES_IN,
	IPC_REMOTE_BYTES_OUT,
	IPC_REMOTE_RTT_MIN, /* round trips, in microseconds; 0: there was none */
	IPC_REMOTE_RTT_AVG,
	IPC_REMOTE_RTT_MAX,
	IPC_REMOTE_COUNTERS,
};

enum { IPC_MAX_PLAN = 1024 }; /* a device of ping may have hundreds of hosts */

struct ipc_rule {
	uint16_t type;
	uint8_t sender; /* enum ipc_sender */
	uint8_t phases; /* enum ipc_phase */
	uint8_t fd;	/* an fd may come along */
	const char *name;
	const char *shape;
};

/* The rule of a type, or NULL. */
const struct ipc_rule *ipc_rule_find(uint16_t type);
/* "connect", "listen", "tty", "file", "udp", "udp-listen", "icmp"; else "unknown". */
const char *ipc_resource_name(enum ipc_resource kind);
/* "off", "up", "degraded", "down"; else "unknown". */
const char *ipc_remote_state_name(uint64_t state);
/* True where a port belongs to the target. */
bool ipc_resource_has_port(enum ipc_resource kind);

struct ipc_header {
	uint16_t type;
	uint32_t id;
};

/*
 * Checks a whole packet from `sender`, whose runner is in `phase`: known type, right speaker, right
 * time, flags 0, and a body that is one msgpack value of the rule's shape within every limit, of
 * valid UTF-8 texts, with nothing after it (REGISTER's events are left to their reader). Only then
 * may msgpack-c see the bytes: it trusts announced sizes. Returns NULL when all is well, else what
 * is wrong, a constant text.
 */
const char *ipc_check(const void *packet, size_t len, enum ipc_sender sender, enum ipc_phase phase,
    struct ipc_header *header);

#endif
