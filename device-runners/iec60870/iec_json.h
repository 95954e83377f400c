/*
 * Information objects <-> event payloads of iec101.yaml and iec104.yaml, in
 * runner processes; one module for 101 and 104, master and slave. The payload
 * text of an object is written by fixed fragments: no formatting by the C
 * library, no allocation.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC_JSON_H
#define DEVICE_RUNNERS_IEC60870_IEC_JSON_H

#include "common/json.h"
#include "protocols/iec60870/asdu.h"

enum {
	IEC_JSON_MAX = 768,	  /* bytes of the longest payload */
	IEC_JSON_MAX_NODES = 128, /* values in a payload that is read */
	IEC_JSON_WHY = 160,	  /* bytes of a reason */
};

/* The parameters of a device's mapping. */
struct iec_map {
	struct asdu_sizes sizes;
	struct iec_zone zone;
	bool slave; /* of a slave: it receives command requests and sends data and responses */
	bool command_times; /* commands may carry a time tag (part 104) */
};

/* "single", "double", ..., of a kind of data or command. */
const char *iec_kind_name(enum iec_kind kind);
/* The kind of a name, as in event types; IEC_NO_VALUE when there is none of that class
 * (IEC_CLASS_DATA or IEC_CLASS_COMMAND). */
enum iec_kind iec_kind_find(enum iec_class class, const char *name);
/* The same of a configuration's "SINGLE", "DOUBLE", ...; a NULL-terminated list by enum iec_kind.
 */
extern const char *const iec_kind_conf_names[];

/* An event made of an object: after "gateway" (104) or the remote device's segments (101) come
 * type[0..type_len). All points into the struct itself, which must not move. */
struct iec_event {
	const char *type[4]; /* "data", "single", "1", "100" */
	size_t type_len;
	bool has_timestamp;
	struct timestamp timestamp;
	size_t len;
	char text[IEC_JSON_MAX]; /* the payload */
	char common[8], address[12];
};

/* Makes the event of one object. connection: of a slave's command, else -1. now completes CP24
 * times; a time that is marked invalid or is impossible gives an event without timestamp. Returns
 * NULL, or why there is no event: the class has none, the object a defect, a command to a slave
 * such a time. */
const char *iec_event_make(struct iec_event *e, struct iec_map *map, const struct asdu_head *head,
    const struct iec_object *o, int64_t connection, struct timestamp now);

/* A system event taken apart: what to send, or to keep. */
struct iec_request {
	struct asdu_head head;
	struct iec_object object;
	enum iec_kind kind; /* of data and commands */
	int64_t connection; /* a slave's command response: connection_id, else -1 */
};

/* Reads a system event: segments after "system" (and after the remote device's), its source
 * timestamp or NULL, its JSON payload. Master: command, interrogation, counter_interrogation;
 * slave: data, command. Everything is checked, nothing is masked. Returns 0, or -1 with EINVAL and
 * why. */
int iec_request_read(struct iec_request *q, struct iec_map *map, const char *const segments[],
    size_t count, const struct timestamp *ts, const char *text, size_t len, char why[IEC_JSON_WHY]);

/* The same with a parsed payload and known addresses; for tests, and for data events of a query. */
int iec_request_fill(struct iec_request *q, struct iec_map *map, enum iec_class class,
    const struct timestamp *ts, const struct json *payload, char why[IEC_JSON_WHY]);

/* The payload alone: {"is_test":..,"cause":..,"data":..}, a command's, an interrogation's. out has
 * IEC_JSON_MAX bytes; returns the length, 0 when the class has no payload. */
size_t iec_json_write(char *out, bool slave, const struct asdu_head *head,
    const struct iec_object *o, int64_t connection);

#endif
