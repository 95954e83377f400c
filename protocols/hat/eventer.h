/*
 * HatEventer, the Event Server's protocol: every message, both ways. Pure;
 * gatewayd is a client, gateway-eventd the server. Decoded structs borrow from
 * the message's data; nothing is allocated per event. Lists (event types,
 * events) are iterated over, or passed on encoded.
 *
 * Decoders answer DEC_OK for exactly one whole value, else DEC_BAD.
 */
#ifndef PROTOCOLS_HAT_EVENTER_H
#define PROTOCOLS_HAT_EVENTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/monotime.h"
#include "protocols/hat/chatter.h"
#include "protocols/hat/sbs.h"

enum {
	EVENTER_MAX_SEGMENTS =
	    32, /* of an event type that we look into; the protocol has no bound */
};

enum eventer_msg {
	EVENTER_INIT_REQ,
	EVENTER_INIT_RES,
	EVENTER_STATUS_NOTIFY,
	EVENTER_EVENTS_NOTIFY,
	EVENTER_EVENTS_ACK,
	EVENTER_REGISTER_REQ,
	EVENTER_REGISTER_RES,
	EVENTER_QUERY_REQ,
	EVENTER_QUERY_RES,
	EVENTER_MSG_COUNT,
};

enum eventer_status {
	EVENTER_STANDBY,
	EVENTER_STARTING,
	EVENTER_OPERATIONAL,
	EVENTER_STOPPING,
	EVENTER_STATUS_COUNT,
};

/* "HatEventer.MsgInitReq", ... */
const char *eventer_msg_name(enum eventer_msg msg);
/* enum eventer_msg, or -1 for a type that is not of this protocol. */
int eventer_msg_parse(struct sbs_str type);
/* "standby", ... */
const char *eventer_status_name(enum eventer_status status);

/* Event types. */
struct eventer_type {
	size_t count; /* segments; never more than EVENTER_MAX_SEGMENTS */
	bool cut;     /* it has more segments than that: well formed, but not to be matched */
	struct sbs_str segments[EVENTER_MAX_SEGMENTS];
	struct sbs_str raw; /* the encoded EventType */
};

/* Whether ? (any one segment) and * (last only: any rest, none too) of the pattern match the type.
 */
bool eventer_type_match(const struct sbs_str *type, size_t type_count,
    const struct sbs_str *pattern, size_t pattern_count);

/* Encoded event types, borrowed: what eventer_put_type wrote, and how many times. */
struct eventer_types {
	size_t count;
	struct sbs_str bytes;
};

struct eventer_types_iter {
	struct cursor c;
	size_t left;
};

struct eventer_types_iter eventer_types_begin(const struct eventer_types *types);
bool eventer_types_next(struct eventer_types_iter *it, struct eventer_type *type);

/* Appends an encoded EventType. */
void eventer_put_type(struct buffer *b, const struct sbs_str *segments, size_t count);
/* The same of a text with '/' between the segments; "" is the type without segments. */
void eventer_put_type_text(struct buffer *b, const char *text);
/* Appends segments without their count: the bytes of a struct eventer_prefix. */
void eventer_put_segments(struct buffer *b, const struct sbs_str *segments, size_t count);
size_t eventer_put_segments_text(struct buffer *b, const char *text); /* returns how many */

/* Events. */
struct eventer_id {
	int64_t server, session, instance;
};

/* -1, 0, 1 in the order of registration at one server. */
int eventer_id_cmp(const struct eventer_id *a, const struct eventer_id *b);
/* -1, 0, 1 */
int eventer_time_cmp(const struct timestamp *a, const struct timestamp *b);

struct eventer_time {
	bool set;
	struct timestamp t;
};

enum eventer_payload_kind { EVENTER_PAYLOAD_NONE, EVENTER_PAYLOAD_BINARY, EVENTER_PAYLOAD_JSON };

struct eventer_payload {
	enum eventer_payload_kind kind;
	struct sbs_str type; /* of a binary one */
	struct sbs_str data; /* bytes, or UTF-8 that should be JSON: that is not checked here */
};

struct eventer_event {
	struct eventer_id id;	    /* not of a RegisterEvent */
	struct timestamp timestamp; /* not of a RegisterEvent */
	struct eventer_type type;
	struct eventer_time source;
	struct eventer_payload payload;
	struct sbs_str rest; /* source timestamp and payload, encoded: the same in both kinds */
	struct sbs_str raw;  /* the whole, encoded */
};

struct eventer_events_iter {
	struct cursor c;
	size_t left;
	bool registered; /* Event, else RegisterEvent */
	size_t keep;	 /* bytes from the end that are not given out yet; 0: all are */
};

/* False at the end, and where an event is malformed: ask eventer_events_end(). Events before a
 * malformed one have been given out by then. */
bool eventer_events_next(struct eventer_events_iter *it, struct eventer_event *event);
/* The events are given out in parts: about len bytes now, others after the next call. */
void eventer_events_part(struct eventer_events_iter *it, size_t len);
/* Whether another part follows the one that is given out; it may be empty. */
bool eventer_events_more(const struct eventer_events_iter *it);
/* DEC_OK when all events were read and nothing follows them. */
enum dec eventer_events_end(const struct eventer_events_iter *it);

/* One Event, and nothing else, in len bytes. */
enum dec eventer_event_decode(struct sbs_str bytes, struct eventer_event *event);
/* Appends an Event whose type and rest are encoded already. */
void eventer_put_event(struct buffer *b, const struct eventer_id *id, struct sbs_str type,
    const struct timestamp *timestamp, struct sbs_str rest);
/* source: NULL for none. payload: NULL or kind NONE for none. Appends a "rest". */
void eventer_put_rest(
    struct buffer *b, const struct timestamp *source, const struct eventer_payload *payload);

/* The client's hot path. The type is count segments encoded beforehand (eventer_put_segments), then
 * the segments given. One reservation of b, no allocation otherwise. */
struct eventer_prefix {
	size_t count;
	struct sbs_str bytes;
};

void eventer_put_register_event(struct buffer *b, const struct eventer_prefix *prefix,
    const struct sbs_str *segments, size_t count, const struct timestamp *source,
    const struct eventer_payload *payload);
/* Frames a MsgRegisterReq of count events, which the caller appends to the chatter's out next:
 * exactly len bytes of what eventer_put_register_event wrote, in as many pieces as it likes.
 * Returns the conversation, for the answer where one is wanted, or -1 (chatter_begin). */
int64_t eventer_begin_register_req(struct chatter *c, size_t count, size_t len, bool want_answer);
/* The same with all the bytes at once. */
int64_t eventer_put_register_req(
    struct chatter *c, size_t count, struct sbs_str bytes, bool want_answer);

/* Messages. x_decode takes chatter_msg.data; send_x returns the conversation or -1 (chatter_send);
 * put_x appends the data alone. */
struct eventer_init_req {
	struct sbs_str client_name;
	bool has_token, has_server_id;
	struct sbs_str token;
	struct eventer_types subscriptions;
	int64_t server_id;
	bool persisted;
};

enum dec eventer_init_req_decode(struct sbs_str data, struct eventer_init_req *req);
void eventer_put_init_req(struct buffer *b, const struct eventer_init_req *req);
int64_t eventer_send_init_req(struct chatter *c, const struct eventer_init_req *req);

struct eventer_init_res {
	bool success;
	enum eventer_status status; /* on success */
	struct sbs_str error;	    /* else */
};

enum dec eventer_init_res_decode(struct sbs_str data, struct eventer_init_res *res);
void eventer_put_init_res(struct buffer *b, const struct eventer_init_res *res);
int64_t eventer_send_init_res(
    struct chatter *c, struct chatter_conv conv, const struct eventer_init_res *res);

enum dec eventer_status_decode(struct sbs_str data, enum eventer_status *status);
int64_t eventer_send_status_notify(struct chatter *c, enum eventer_status status);

/* The events of a MsgEventsNotify. If msg.last is false it wants MsgEventsAck. */
enum dec eventer_events_notify_decode(struct sbs_str data, struct eventer_events_iter *it);
int64_t eventer_send_events_ack(struct chatter *c, struct chatter_conv conv);
/* The caller appends count encoded Events of len bytes together to out next. */
int64_t eventer_begin_events_notify(struct chatter *c, size_t count, size_t len, bool want_ack);

/* The events of a MsgRegisterReq. */
enum dec eventer_register_req_decode(struct sbs_str data, struct eventer_events_iter *it);

struct eventer_register_res {
	bool success;
	struct eventer_events_iter events; /* on success */
};

enum dec eventer_register_res_decode(struct sbs_str data, struct eventer_register_res *res);
int64_t eventer_send_register_failure(struct chatter *c, struct chatter_conv conv);
/* The caller appends count encoded Events of len bytes together to out next. */
int64_t eventer_begin_register_res(
    struct chatter *c, struct chatter_conv conv, size_t count, size_t len);

enum eventer_query_kind { EVENTER_QUERY_LATEST, EVENTER_QUERY_TIMESERIES, EVENTER_QUERY_SERVER };
enum eventer_order { EVENTER_DESCENDING, EVENTER_ASCENDING };
enum eventer_order_by { EVENTER_BY_TIMESTAMP, EVENTER_BY_SOURCE_TIMESTAMP };

/* A field that the kind does not have is not encoded, and zero when decoded. */
struct eventer_query {
	enum eventer_query_kind kind;
	bool has_types; /* latest and time series; without: every type */
	struct eventer_types types;
	struct eventer_time from, to, source_from, source_to; /* time series, bounds included */
	enum eventer_order order;
	enum eventer_order_by order_by;
	int64_t server_id; /* server */
	bool persisted;	   /* server */
	bool has_max_results;
	int64_t max_results;
	bool has_last_id;
	struct eventer_id last_id;
};

enum dec eventer_query_req_decode(struct sbs_str data, struct eventer_query *query);
void eventer_put_query_req(struct buffer *b, const struct eventer_query *query);
int64_t eventer_send_query_req(struct chatter *c, const struct eventer_query *query);

/* Iterate over it->events, then ask eventer_query_res_end. */
enum dec eventer_query_res_decode(struct sbs_str data, struct eventer_events_iter *it);
/* Whether further results exist; of an iterator that eventer_query_res_decode made. */
bool eventer_query_res_more(const struct eventer_events_iter *it);
/* DEC_OK when all events were read; *more_follows is set then. */
enum dec eventer_query_res_end(const struct eventer_events_iter *it, bool *more_follows);
/* The caller appends count encoded Events of len bytes together, then eventer_put_query_more. */
int64_t eventer_begin_query_res(
    struct chatter *c, struct chatter_conv conv, size_t count, size_t len);
void eventer_put_query_more(struct chatter *c, bool more_follows);

#endif
