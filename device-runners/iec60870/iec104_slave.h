/*
 * What the two files of iec104_slave share, in a runner process: the device
 * with its connections (iec104_slave.c), and what it answers to an ASDU
 * (iec104_answer.c).
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC104_SLAVE_H
#define DEVICE_RUNNERS_IEC60870_IEC104_SLAVE_H

#include "device-runners/runtime/acceptor.h"
#include "device-runners/iec60870/iec101_points.h"
#include "device-runners/iec60870/iec104_conf.h"
#include "device-runners/iec60870/iec104_conn.h"
#include "device-runners/iec60870/iec104_files.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/paced.h"

enum {
	SLAVE_MAX_CONNECTIONS =
	    200, /* within the open files of a runner, and one 'connections' event */
};

struct slave_conn {
	struct iec104_slave *slave;
	int64_t id;
	bool shown; /* in the 'connections' event: not before a TLS handshake is done */
	struct peer_address local, remote;
	struct iec104_conn conn;
	struct points_reader reader; /* of buffered changes */
	struct buffer in_flight; /* struct in_flight of buffered changes, in the order of sending */
	uint8_t originator;	 /* of the last command, for its responses */
};

/* A buffered change that was given to a connection. */
struct in_flight {
	uint64_t number; /* of iec104_conn_send() */
	uint64_t token;	 /* of points_keep() */
};

struct iec104_slave {
	struct runner *runner;
	struct ev_loop *loop;
	struct apci_params params;
	struct iec_map map;
	struct iec104_security security;
	struct iec104_files files;
	struct tls_context *tls;
	struct points points;
	struct slave_conn *conns[SLAVE_MAX_CONNECTIONS];
	size_t conn_count;
	int64_t next_id;
	int listen_index;
	uint32_t open_id;
	struct acceptor acceptor;
	struct paced listed; /* 'connections' events */
	size_t told;	     /* connections in the last of them */
	ev_prepare flusher;  /* writes what a turn of the loop queued */
	struct limit event_limit, input_limit, link_limit, info_limit;
	uint64_t *objects, *refused, *ignored, *accepted;
};

/* Serves one ASDU of a master. */
void iec104_answer(struct slave_conn *sc, const uint8_t *bytes, size_t len);
/* Sends an ASDU; a connection whose queue is full is broken. Returns its number, or 0. */
uint64_t iec104_slave_send(struct slave_conn *sc, const void *asdu, size_t len);

#endif
