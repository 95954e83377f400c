/*
 * The masters of a Modbus slave, each on its connection, or the one on a serial line: their
 * requests one after another, answered from the cache, or, for writes, when somebody said how they
 * went. In the Modbus runner.
 */
#ifndef DEVICE_RUNNERS_MODBUS_PEER_H
#define DEVICE_RUNNERS_MODBUS_PEER_H

#include "device-runners/runtime/peer_address.h"
#include "device-runners/runtime/runner.h"
#include "device-runners/runtime/tty.h"
#include "common/buffer.h"
#include "device-runners/modbus/cache.h"

enum {
	/* Beyond the line's silence: adapters hand over what they received up to 16 ms late. */
	PEER_GAP_MS = 20,
	/* In an ASCII frame (MODBUS over Serial Line, clause 2.5.2.1), and in what came over TCP,
	 * which cuts and delays as it likes. */
	PEER_LONG_GAP_MS = 1000,
	PEER_MAX_REQUEST_ID = 64,
	PEER_MAX_WRITE = 48 * 1024,		 /* bytes of JSON that one write's data may take */
	PEER_MAX_PENDING = 2 * MODBUS_MAX_FRAME, /* bytes that the kernel has not taken */
};

struct peer_ops {
	/* A request for a configured unit came. */
	void (*request)(void *arg, uint32_t connection_id);
	/* A write touches data: registers it, and names it in request_id. False: nobody takes it
	 * now. */
	bool (*write)(void *arg, uint32_t connection_id, char request_id[PEER_MAX_REQUEST_ID],
	    const char *data_json, size_t len);
	/* peers_list() lists something else now. */
	void (*changed)(void *arg);
	/* A connection broke, broke the framing, or fell silent, and was closed. remote: of TCP. */
	void (*lost)(
	    void *arg, uint32_t connection_id, const struct peer_address *remote, const char *why);
};

struct health_masters;
struct peer;

/* All masters of a slave. */
struct peers {
	struct runner *runner;
	const struct conf_slave *conf; /* borrowed, as are cache and ops */
	const struct cache *cache;
	const struct peer_ops *ops;
	void *arg;
	struct peer *first;
	uint32_t last_id;
	struct health_masters *health;
	struct tty_alarm *alarm; /* when a serial answer may go; NULL over TCP */
	struct buffer data;	 /* where the data of a write gather */
	ev_prepare reap;	 /* frees those that were lost, at the end of a turn */
};

/* Exits when out of memory. */
void peers_init(struct peers *s, struct runner *r, const struct conf_slave *conf,
    const struct cache *cache, const struct peer_ops *ops, void *arg);
void peers_clear(struct peers *s);
/* A connection over TCP, or the serial line (no addresses). Takes fd. Returns its id, of TCP. Exits
 * when out of memory. */
uint32_t peers_add(
    struct peers *s, int fd, const struct peer_address *local, const struct peer_address *remote);
/* Writes an object for each connection; returns how many. A serial line is one while its master is
 * not silent. */
size_t peers_list(const struct peers *s, struct json_writer *w);
/* The write of that request_id was done, or not. */
void peers_written(struct peers *s, const char *request_id, bool success);
/* Closes the connection of this id; lost() comes. */
void peers_drop(struct peers *s, uint32_t connection_id, const char *why);
/* Closes all; no callback comes. */
void peers_close(struct peers *s);

#endif
