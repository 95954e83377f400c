/*
 * Receives traps and informs of every version (RFC 3413, 3.4; RFC 3414, 3.2): checks who sent a
 * datagram, hands on what is proved, answers informs and the questions of engines. Pure: datagrams
 * in, bindings and datagrams out. In the SNMP runner.
 *
 * The sender's engine is authoritative for a trap of version 3: its time is learned from its first
 * authentic message. This engine, or one that the configuration names, is authoritative for an
 * inform. Keys are kept of engines that have proved to have them, so that senders of random engine
 * IDs cost two digests each and no memory.
 */
#ifndef DEVICE_RUNNERS_SNMP_LISTENER_H
#define DEVICE_RUNNERS_SNMP_LISTENER_H

#include "common/monotime.h"
#include "protocols/snmp/message.h"

enum {
	LISTENER_MAX_ENGINES = 1024, /* of which keys and time are kept */
	LISTENER_REPORTS = 200,	     /* sent in a second: anybody can ask for them */
};

struct listener_engine_id {
	uint8_t id[USM_MAX_ENGINE];
	size_t len;
};

struct listener_conf {
	struct usm_user *users; /* owned by who made it */
	size_t user_count;
	struct listener_engine_id engine; /* ours */
	uint32_t boots;
	struct listener_engine_id *known; /* others whose informs are taken */
	size_t known_count;
	bool time_window; /* of traps: RFC 3414, 3.2.7 b */
};

/* Something that was heard; borrowed until the callback returns. */
struct listener_heard {
	enum snmp_version version;
	struct snmp_text community;		       /* V1, V2C */
	struct snmp_text context_engine, context_name; /* V3 */
	const struct snmp_binding *bindings;
	size_t count;
};

struct listener_ops {
	void (*on_heard)(void *arg, const struct listener_heard *heard);
	/* A datagram to who sent the one that is received now. */
	void (*reply)(void *arg, const uint8_t *data, size_t len);
};

struct listener_counts {
	uint64_t traps, informs, bad, unknown_users, wrong_levels, wrong_digests, undecryptable,
	    unknown_engines, not_in_time, reports, reports_left_out;
};

/* Another engine, as one user's messages show it. */
struct listener_peer {
	uint32_t hash; /* 0: free */
	size_t user;
	struct listener_engine_id engine;
	struct usm_keys keys;
	int32_t boots, time, latest;
	struct monotime at, used;
};

struct listener {
	const struct listener_conf *conf; /* borrowed */
	const struct listener_ops *ops;
	void *arg;
	struct monotime start;	     /* our engine's time began */
	struct usm_keys *own;	     /* of each user at our engine; owned */
	struct listener_peer *peers; /* owned */
	uint32_t salt;
	struct {
		struct monotime since;
		unsigned count;
	} reported;
	struct listener_counts counts;
};

/* -1 with ENOMEM. */
int listener_init(struct listener *l, const struct listener_conf *conf,
    const struct listener_ops *ops, void *arg, struct monotime now, uint32_t seed);
void listener_clear(struct listener *l);
/* A datagram came. Returns NULL, or why it was dropped, for a log line. */
const char *listener_receive(
    struct listener *l, const uint8_t *data, size_t len, struct monotime now);

#endif
