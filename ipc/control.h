/*
 * The control socket's messages, in gatewayd and in gatewayctl. A packet of a
 * SOCK_SEQPACKET Unix socket is one JSON object.
 *
 *   request  {"command": "show", "names": ["plc1"]}
 *   reply    {"rows": [{...}, ...]}, any number of packets, the last one with
 *            "end": true, "code": N, "error": null or a text for people,
 *            "reason": null or a word for programs
 *
 * One table declares every command and its fields. A connection takes one
 * request after another; a streaming command runs until its client closes.
 */
#ifndef IPC_CONTROL_H
#define IPC_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"

enum {
	CONTROL_MAX_REQUEST = 64 * 1024, /* bytes of a packet to gatewayd */
	CONTROL_MAX_REPLY = 128 * 1024,	 /* bytes of a packet from it: less than a send buffer */
	CONTROL_MAX_NAMES = 1024,	 /* devices or types in one request */
	CONTROL_MAX_PAGE = 1000,	 /* events of the time series in one answer */
	CONTROL_MAX_SHOWN = 64,		 /* devices in one `show`: each costs a look into /proc */
	CONTROL_MAX_NODES = CONTROL_MAX_NAMES + 16, /* values in a request */
	CONTROL_MAX_ROW_NODES = 64 * 1024,	    /* values in a reply */
	CONTROL_MAX_TEXT = 4096,		    /* bytes of a name or an event type */
	CONTROL_MAX_ERROR = 512,
};

/* The result of a command, and gatewayctl's exit codes. */
enum control_code {
	CONTROL_DONE,
	CONTROL_REFUSED, /* or not running */
	CONTROL_USAGE,
	CONTROL_UNREACHABLE, /* no gatewayd at the socket */
};

/* Why a request was refused, for programs: the text of the error is for people. */
enum control_reason {
	REASON_NONE,	     /* it was not; or by a gatewayd that does not say why */
	REASON_REQUEST,	     /* it is not valid */
	REASON_DENIED,	     /* this client may not */
	REASON_NO_DEVICE,    /* there is none of that name */
	REASON_AMBIGUOUS,    /* several types have a device of that name */
	REASON_STATE,	     /* the device does not run, is disabled or has failed */
	REASON_EVENT_SERVER, /* it is not connected, or refuses */
	REASON_VALUE, /* the event type or the payload is not one that can be sent or queried */
	REASON_CONFIGURATION, /* the file is not valid, or cannot be reloaded now */
	REASON_BUSY,	      /* too many clients or requests; later */
	REASON_TOO_LONG,      /* the answer is; less at once */
	REASON_SYSTEM,	      /* out of memory, or what the system says */
	CONTROL_REASON_COUNT,
};

/* The exit codes of `health`: those of monitoring plugins. */
enum control_health { HEALTH_OK, HEALTH_WARNING, HEALTH_CRITICAL };

enum control_id {
	CONTROL_STATUS,
	CONTROL_TOP,
	CONTROL_SHOW,
	CONTROL_INFO,
	CONTROL_METRICS,
	CONTROL_HEALTH,
	CONTROL_DESCRIBE,
	CONTROL_WATCH,
	CONTROL_EVENTS,
	CONTROL_SEND,
	CONTROL_ENABLE,
	CONTROL_DISABLE,
	CONTROL_RESTART,
	CONTROL_WAIT,
	CONTROL_TRACE,
	CONTROL_LOG,
	CONTROL_RELOAD,
	CONTROL_COMMAND_COUNT,
};

/* The word of a command: "status". */
const char *control_command_name(enum control_id id);
/* The word of a reason: "no_device"; NULL of REASON_NONE. */
const char *control_reason_name(enum control_reason reason);
/* Whether it only looks. What does something is refused to observers. */
bool control_command_looks(enum control_id id);
/* enum control_id, or -1. */
int control_command_find(const char *name);

/*
 * Checks a whole request: size, JSON, a known command, its fields and no others. Returns its
 * document for json_free() and sets *id, or NULL with what is wrong in err.
 */
struct json_doc *control_request_decode(
    const void *packet, size_t len, enum control_id *id, char *err, size_t err_size);

struct control_reply {
	struct json_doc *doc;	 /* json_free() it */
	const struct json *rows; /* an array of objects; of doc, as all below */
	bool end;
	enum control_code code;
	const char *error; /* or NULL */
	enum control_reason reason;
};

/* Checks a whole reply. Returns 0, or -1 where it is none. */
int control_reply_decode(const void *packet, size_t len, struct control_reply *reply);

/* Writes a reply into b: begin, rows by the writer (objects, without key), then end. */
void control_put_begin(struct buffer *b, struct json_writer *w);
/* Ends this packet; another one follows. */
void control_put_more(struct json_writer *w);
/* Ends the last packet. error: NULL for none; it is cut at CONTROL_MAX_ERROR bytes. */
void control_put_end(
    struct json_writer *w, enum control_code code, enum control_reason reason, const char *error);

/* The name of the sockets in the folder below: for clients that may do what the table says, and for
 * those that may only look. */
#define CONTROL_NAME "control"
#define CONTROL_OBSERVE_NAME "observe"

/* gatewayd's folder for sockets: the first of $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR/gatewayd,
 * else /run/gatewayd. Returns 0, or -1 with ENAMETOOLONG. */
int control_runtime_folder(char *path, size_t size);
/* The path that a client uses: the socket in the folder above, or the system's where there is none.
 */
int control_find_socket(char *path, size_t size);
/* The observers' socket beside it, where there is one; else the same. */
int control_find_observe(char *path, size_t size);

#endif
