/*
 * One client of gateway-eventd: its connection, its subscriptions, what it
 * asks. Whatever it sends costs it its connection at worst.
 */
#ifndef EVENT_SERVER_PEER_H
#define EVENT_SERVER_PEER_H

#include <ev.h>

#include "event-server/server.h"
#include "event-server/subs.h"
#include "protocols/hat/chatter.h"

enum {
	PEER_MAX_FRAME = 16 << 20,	/* of a message to us */
	PEER_MAX_INIT_FRAME = 2 << 20,	/* of MsgInitReq, before we know who it is */
	PEER_MAX_OUT = 40 << 20,	/* bytes not yet taken: beyond it a client is cut off */
	PEER_HIGH_WATER = 1 << 20,	/* bytes not yet taken: beyond it we do not listen to it */
	PEER_MAX_EVENTS = 1 << 17,	/* of one MsgRegisterReq */
	PEER_MAX_SUBSCRIPTIONS = 16384, /* of one client */
	PEER_MAX_SUBSCRIPTION_BYTES = 1 << 20,
	PEER_MAX_NAME = 1024,
	PEER_READ_MIN = 4096,	     /* bytes a read, growing while there is more */
	PEER_READ_MAX = 256 << 10,   /* bytes a read, and bytes a turn of the loop, about */
	PEER_INIT_MS = 10000,	     /* from the connection to MsgInitReq */
	PEER_REFUSAL_MS = 1000,	     /* from a wrong token to the answer */
	PEER_IDLE_BUFFER = 64 << 10, /* bytes of empty buffers that are kept */
};

enum peer_state {
	PEER_NEW, /* nothing but MsgInitReq will do */
	PEER_READY,
	PEER_REFUSED, /* its token was wrong: it waits for the answer and is not read */
	PEER_LEAVING, /* was refused: closed when it has its answer */
	PEER_DEAD,    /* closed; freed before the loop sleeps */
};

struct peer {
	struct peer *next;
	struct server *server;
	int64_t id;
	int fd;
	enum peer_state state;
	ev_io readable, writable;
	ev_timer timer;
	struct chatter chatter;
	struct buffer out;
	size_t want; /* bytes of the next read */
	bool paused; /* is not listened to until it has taken what it was sent */
	bool again;  /* has unread messages, for the next turn */
	bool deaf;   /* takes nothing more; what it sent before it left still counts */
	struct monotime init_deadline; /* PEER_REFUSED: when the answer goes out */
	struct chatter_conv init;      /* PEER_REFUSED: the conversation to answer in */
	struct query_walk *walk;   /* owned: a query under way, which nothing overtakes; or NULL */
	struct chatter_conv asked; /* the conversation to answer it in */
	struct access_client who;
	char *name; /* owned, as the client gave it */
	struct subs subscriptions;
	size_t subscription_count; /* as the client counts them */
	bool foreign;		   /* wants the events of another server only: gets none */
	int slot;		   /* in server->slots, or -1 */
	size_t from;		   /* staged events before this one came before it subscribed */
};

/* Takes fd. NULL when out of memory. */
struct peer *peer_new(struct server *s, int fd, const struct access_client *who);
void peer_free(struct peer *c);
/* Ends the connection; reason is logged where it is not NULL. */
void peer_close(struct peer *c, const char *reason);
/* Handles what was read; at most one query. */
void peer_work(struct peer *c);
/* Writes what the socket takes, and watches for the rest. */
void peer_flush(struct peer *c);

#endif
