/*
 * What the IEC 60870-5 devices of 101 and 104 take, as forms and parts of a description
 * (describe.h): the mirror of iec_json_read.c. In the iec60870 runner.
 */
#ifndef DEVICE_RUNNERS_IEC60870_DESCRIBE_FORM_H
#define DEVICE_RUNNERS_IEC60870_DESCRIBE_FORM_H

#include "device-runners/iec60870/iec_json.h"

enum { DESCRIBE_FORM = 512 };

/* The payload of an event of data, or of a command: to a station, or, where slave is set, the
 * answer of a station. Returns text. */
const char *describe_form_data(enum iec_kind kind, char text[DESCRIBE_FORM]);
const char *describe_form_command(enum iec_kind kind, bool slave, char text[DESCRIBE_FORM]);
const char *describe_form_interrogation(bool counters);

/* The addresses in a type. */
struct describe_parts {
	char common[32], object[32];
	const char *list[3]; /* common, object, NULL */
};

void describe_parts_make(struct describe_parts *p, const struct asdu_sizes *sizes);

#endif
