/*
 * HatObserver, the Monitor Server's protocol: its messages, and the rules by
 * which a component is active and an Event Server is the one to use. Pure;
 * used by gatewayd. Decoded structs borrow from the message's data.
 */
#ifndef PROTOCOLS_HAT_OBSERVER_H
#define PROTOCOLS_HAT_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocols/hat/chatter.h"
#include "protocols/hat/sbs.h"

enum {
	OBSERVER_MAX_HOST = 256,   /* with its NUL; a longer host is no Event Server */
	OBSERVER_MAX_TOKEN = 256,  /* with its NUL; likewise */
	OBSERVER_MAX_DATA = 65536, /* bytes of a component's data that are looked into */
};

enum observer_msg {
	OBSERVER_CLIENT,
	OBSERVER_SERVER,
	OBSERVER_CLOSE,
	OBSERVER_MSG_COUNT,
};

const char *observer_msg_name(enum observer_msg msg);
/* enum observer_msg, or -1. */
int observer_msg_parse(struct sbs_str type);

struct observer_token {
	bool set;
	int64_t v;
};

/* Set on both sides, and the same. */
bool observer_token_agree(struct observer_token a, struct observer_token b);

struct observer_client {
	struct sbs_str name, group;
	struct sbs_str data; /* JSON */
	struct observer_token token;
	bool ready;
};

struct observer_component {
	int64_t cid, mid;
	bool has_name, has_group;
	struct sbs_str name, group;
	struct sbs_str data; /* JSON */
	int64_t rank;
	struct observer_token req_token;
	bool has_timestamp;
	double timestamp;
	struct observer_token res_token;
	bool ready;
};

struct observer_server {
	int64_t cid, mid; /* of the client that it was sent to */
	size_t count;
	struct cursor components; /* for observer_component_next */
};

enum dec observer_client_decode(struct sbs_str data, struct observer_client *client);
void observer_put_client(struct buffer *b, const struct observer_client *client);
int64_t observer_send_client(struct chatter *c, const struct observer_client *client);

enum dec observer_server_decode(struct sbs_str data, struct observer_server *server);
/* False at the end, or where one is malformed: observer_server_end tells. */
bool observer_component_next(struct observer_server *server, struct observer_component *component);
enum dec observer_server_end(const struct observer_server *server);
void observer_put_component(struct buffer *b, const struct observer_component *component);

/* The address of the active Event Server of a group; copied. */
struct observer_event_server {
	bool found;
	int64_t server_id;
	uint16_t port;
	char host[OBSERVER_MAX_HOST];
	bool has_token;
	char token[OBSERVER_MAX_TOKEN];
};

bool observer_event_server_eq(
    const struct observer_event_server *a, const struct observer_event_server *b);

/* Why there is no Event Server to use. */
enum observer_lack {
	OBSERVER_LACKS_NOTHING,
	OBSERVER_LACKS_SERVER,	/* none of the group is active */
	OBSERVER_LACKS_ADDRESS, /* the active one's data does not say where it is */
	OBSERVER_LACKS_TOKEN,	/* the active one has another token than ours */
};

/* The blessing of one client component. */
struct observer {
	/* set by the owner */
	const char *event_group;  /* borrowed; NULL: no Event Server is looked for */
	const char *client_token; /* borrowed; NULL: any server_token will do */
	bool ready;		  /* change it with observer_set_ready */
	/* what the last MsgServer said */
	bool known; /* our component is in it */
	struct observer_token req_token, echo_token;
	struct observer_event_server event_server;
	enum observer_lack lack;
	/* what we answer */
	struct observer_token res_token;
	bool active;
	bool
	    releasing; /* activity ended, its token is still held: observer_release gives it back */
};

void observer_init(struct observer *o, const char *event_group, const char *client_token);
/* Takes in a MsgServer's data. DEC_OK: *answer says whether MsgClient is to be sent again
 * (res_token changed); then look at o->active and o->event_server. DEC_BAD: nothing has changed. */
enum dec observer_update(struct observer *o, struct sbs_str data, bool *answer);
/* Returns whether MsgClient is to be sent again. Not ready ends activity. */
bool observer_set_ready(struct observer *o, bool ready);
/* After activity ended and all that it did has stopped: only then may another be blessed. Returns
 * whether MsgClient is to be sent again. */
bool observer_release(struct observer *o);

#endif
