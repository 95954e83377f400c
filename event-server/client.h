/*
 * One client of gateway-eventd: its connection, its subscriptions, what it
 * asks. Whatever it sends costs it its connection at worst.
 */
#ifndef EVENT_SERVER_CLIENT_H
#define EVENT_SERVER_CLIENT_H

#include <ev.h>

#include "event-server/server.h"
#include "protocols/hat/chatter.h"

enum {
	CLIENT_MAX_FRAME = 16 << 20, /* of a message to us */
	CLIENT_MAX_OUT = 40 << 20,   /* bytes not yet taken: beyond it a client is cut off */
	CLIENT_HIGH_WATER = 1 << 20, /* bytes not yet taken: beyond it we do not listen to it */
	CLIENT_MAX_EVENTS = 1 << 17, /* of one MsgRegisterReq */
	CLIENT_MAX_SUBSCRIPTIONS = 16384, /* of one client */
	CLIENT_MAX_SUBSCRIPTION_BYTES = 1 << 20,
	CLIENT_MAX_NAME = 1024,
	CLIENT_READ_MIN = 4096,	       /* bytes a read, growing while there is more */
	CLIENT_READ_MAX = 256 << 10,   /* bytes a read, and bytes a turn of the loop, about */
	CLIENT_INIT_MS = 10000,	       /* from the connection to MsgInitReq */
	CLIENT_IDLE_BUFFER = 64 << 10, /* bytes of empty buffers that are kept */
};

enum client_state {
	CLIENT_NEW, /* nothing but MsgInitReq will do */
	CLIENT_READY,
	CLIENT_LEAVING, /* was refused: closed when it has its answer */
	CLIENT_DEAD,	/* closed; freed before the loop sleeps */
};

struct client {
	struct client *next;
	struct server *server;
	int64_t id;
	int fd;
	enum client_state state;
	ev_io readable, writable;
	ev_timer timer;
	struct chatter chatter;
	struct buffer out;
	size_t want; /* bytes of the next read */
	bool paused; /* is not listened to until it has taken what it was sent */
	bool again;  /* has unread messages, for the next turn */
	struct monotime init_deadline;
	char *name;		     /* owned, as the client gave it */
	struct buffer subscriptions; /* encoded types */
	size_t subscription_count;
	bool foreign; /* wants the events of another server only: gets none */
	int slot;     /* in server->slots, or -1 */
	size_t from;  /* staged events before this one came before it subscribed */
};

/* Takes fd. NULL when out of memory. */
struct client *client_new(struct server *s, int fd);
void client_free(struct client *c);
/* Ends the connection; reason is logged where it is not NULL. */
void client_close(struct client *c, const char *reason);
/* Handles what was read; at most one query. */
void client_work(struct client *c);
/* Writes what the socket takes, and watches for the rest. */
void client_flush(struct client *c);
/* Whether its subscriptions match. */
bool client_wants(const struct client *c, const struct eventer_type *type);

#endif
