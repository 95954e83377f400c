/*
 * The description of a device's data for gatewayctl (read, write, command,
 * interrogate, describe, and the checks of send), in runner processes: a row for
 * each data, or for a pattern of them, with the event types that belong to it.
 * gatewayctl builds the events of its verbs from it and knows no protocol.
 *
 *   static const char *const takes[] = { "system", "remote_device", "1", "write", "x", NULL };
 *   describe_put(d, &(struct describe_data){
 *       .name = "1/x", .value = "integer 0..65535", .about = "holding register 7",
 *       .gives = read_type,
 *       .verbs = (const struct describe_verb[]){ {
 *           .verb = "write", .takes = takes, .request = "{\"request_id\":$id,\"value\":$value}",
 *           .result = write_type, .match = "{\"request_id\":$id}",
 *           .good = "{\"result\":\"SUCCESS\"}" } },
 *       .verb_count = 1 });
 */
#ifndef DEVICE_RUNNERS_DESCRIBE_H
#define DEVICE_RUNNERS_DESCRIBE_H

#include <stdbool.h>
#include <stddef.h>

struct describe;

/*
 * One thing that can be asked of a data by an event. Types are arrays of segments that end with
 * NULL, after the device's prefix. Texts of JSON may hold $id, which stands for a JSON text that is
 * new with each request, and $value, which stands for the value.
 */
struct describe_verb {
	const char *verb;	  /* "write", "select", "command", "interrogate", "enable", ... */
	const char *const *takes; /* the type of the request, "system" first */
	const char *request;	  /* its payload */
	const char *const
	    *result; /* the type of the answer, "gateway" first; NULL: there is none */
	/* The members of the answer's payload that show that it answers this request ("":
	 * each does), and that show success ("": each does). */
	const char *match, *good;
	/* What payloads it takes, for the check of send: JSON with kinds in place of values. NULL:
	 * such as the request, with any value of the data's. */
	const char *form;
};

/*
 * name: for people, unique in the device. A segment `?` stands for any one segment, and the same
 * one for each `?` in the types, in order.
 * value: "integer", "integer 0..65535", "number", "number -1..0.99", "boolean", "text", "json", or
 * words with a bar between them ("OFF|ON"). "": verbs take no value.
 * Forms and parts have these kinds, and "null", "oid", several with a bar between them, and
 * "GROUP01..16" for words that are numbered. In a form an array has a kind of all
 * its elements and, second, how many there are; a key that ends with '?' may be missing or null.
 */
struct describe_data {
	const char *name, *value, *about;
	const char *const *gives; /* the type of events that bring its value; NULL: none */
	const struct describe_verb *verbs;
	size_t verb_count;	  /* IPC_MAX_DESCRIBED_VERBS at most */
	const char *const *parts; /* what each '?' may be: kinds, ends with NULL; NULL: anything */
};

/* Once in a call of describe_data(). Copied. */
void describe_put(struct describe *d, const struct describe_data *data);

#endif
