/*
 * An SNMP manager's side of one agent: requests, each with its tries, and the answers that belong
 * to them; of version 3 the agent's engine, its time, and reports. Pure: (state, event, now), no
 * sockets. In the SNMP runner.
 *
 * Each try has an identifier of its own, and an answer to any try of a request that still lives is
 * its answer. A SET is sent once; only an authenticated report that says it was not taken for its
 * time has it sent again, once.
 */
#ifndef DEVICE_RUNNERS_SNMP_AGENT_H
#define DEVICE_RUNNERS_SNMP_AGENT_H

#include "common/monotime.h"
#include "protocols/snmp/message.h"

enum {
	AGENT_MAX_REQUESTS = 16, /* under way at once */
	AGENT_MAX_IDS = 8,	 /* last tries of a request whose answers are known */
};

struct agent_conf {
	enum snmp_version version;
	char *community; /* V1, V2C; owned */
	struct usm_user user;
	bool own_context; /* V3: the next two, else the agent's engine and no name */
	uint8_t context_engine[USM_MAX_ENGINE];
	size_t context_engine_len;
	char *context_name; /* owned; NULL: none */
	int64_t timeout_ns, retry_delay_ns;
	uint32_t retries;
	uint32_t boots; /* of our own engine, for salts: grows from start to start */
};

enum agent_result {
	AGENT_ANSWER,  /* pdu is a response */
	AGENT_REPORT,  /* the agent refuses the message: report */
	AGENT_TIMEOUT, /* no answer after all tries */
	AGENT_CLOSED,  /* agent_close() came before an answer */
};

struct agent_answer {
	enum agent_result result;
	const struct snmp_pdu *pdu; /* borrowed until the callback returns; only of an answer */
	enum usm_report report;
};

struct agent_ops {
	/* A datagram; borrowed. */
	void (*send)(void *arg, const uint8_t *data, size_t len);
	/* Requests may be asked. */
	void (*on_up)(void *arg);
	/* The agent's engine was not found in time. */
	void (*on_unknown)(void *arg);
	/* The request of that owner is over. */
	void (*on_done)(void *arg, void *owner, const struct agent_answer *answer);
};

struct agent_counts {
	uint64_t requests, timeouts, strangers, bad, wrong_digests, not_in_time, reports;
};

struct agent_request {
	void *owner; /* NULL: free */
	enum snmp_pdu_type type;
	uint8_t *bindings; /* content of the VarBindList; owned */
	size_t len;
	uint32_t tries;		    /* sent so far */
	int32_t ids[AGENT_MAX_IDS]; /* of the last tries; 0: none */
	bool pausing;		    /* between two tries, or after the last */
	bool repeated;		    /* for a report about its time */
	enum usm_report report;	    /* unproved: what it ends with if no answer comes */
	struct monotime deadline;
};

enum agent_state { AGENT_DOWN, AGENT_DISCOVERING, AGENT_UP };

/* The agent's engine as its messages show it: RFC 3414, 2.3. */
struct agent_engine {
	uint8_t id[USM_MAX_ENGINE];
	size_t len;
	int32_t boots, time, latest; /* time at `at`; latest: highest that was received */
	struct monotime at;
	bool proved; /* boots and time came authenticated */
	struct usm_keys keys;
};

struct agent {
	const struct agent_conf *conf; /* borrowed */
	const struct agent_ops *ops;
	void *arg;
	enum agent_state state;
	struct agent_request requests[AGENT_MAX_REQUESTS];
	uint32_t last_id, salt;
	int32_t discovery_id;
	struct monotime discovery_deadline;
	struct agent_engine engine;
	struct agent_counts counts;
};

/* seed: of identifiers and salts; from chance. */
void agent_init(struct agent *a, const struct agent_conf *conf, const struct agent_ops *ops,
    void *arg, uint64_t seed);
/* Begins: V1 and V2C are up at once, of V3 the engine is asked for. */
void agent_open(struct agent *a, struct monotime now);
/* Ends every request with AGENT_CLOSED. */
void agent_close(struct agent *a);

/* Asks; bindings are copied. owner: not NULL. False, and nothing is sent, where there is no room,
 * or the message does not fit a datagram. */
bool agent_ask(struct agent *a, enum snmp_pdu_type type, const uint8_t *bindings, size_t len,
    void *owner, struct monotime now);
/* A datagram came. */
void agent_receive(struct agent *a, const uint8_t *data, size_t len, struct monotime now);
/* Does what is due; call it at agent_deadline(). */
void agent_tick(struct agent *a, struct monotime now);
/* When something is due; ns INT64_MAX: nothing. */
struct monotime agent_deadline(const struct agent *a);

/* The PDU of an encrypted message to or from the agent, for people who trace: that it is the
 * agent's is not proved. pdu borrows memory until the next call. False where it cannot be read. */
bool agent_peek(const struct agent *a, const uint8_t *data, size_t len, struct snmp_pdu *pdu);

#endif
