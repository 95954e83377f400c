/* The names of the schema that both halves of iec_json.h use. */
#ifndef DEVICE_RUNNERS_IEC60870_IEC_JSON_PRIVATE_H
#define DEVICE_RUNNERS_IEC60870_IEC_JSON_PRIVATE_H

#include "device-runners/iec60870/iec_json.h"

/* By kind: what an enumerated value is called, what the bits of a value are, what the CP16Time2a of
 * a protection event is; NULL where the kind has none. An empty name is no value. */
extern const char *const *const iec_json_values[IEC_KINDS];
extern const char *const *const iec_json_bits[IEC_KINDS];
extern const char *const iec_json_elapsed[IEC_KINDS];
extern const char *const iec_json_freezes[];

/* Whether the schema names the cause in such a message; else it is a number. request: of
 * a command or interrogation, else its response. */
bool iec_json_cause_named(enum iec_class class, bool request, unsigned cause);

#endif
