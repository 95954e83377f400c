/*
 * Values of SNMP as event payloads have them, {"type", "value"}, and back. In the SNMP runner.
 */
#ifndef DEVICE_RUNNERS_SNMP_VALUE_H
#define DEVICE_RUNNERS_SNMP_VALUE_H

#include "common/json.h"
#include "protocols/snmp/message.h"

/* The name of the error that stands in place of a value (NULL in a binding, noSuchObject, ...), or
 * NULL where it is a value. */
const char *value_error(const struct ber_element *v, enum snmp_version version);
/* The name of what a report says. NULL for one that is no error of a read. */
const char *value_report(enum usm_report report);

/* Writes the object. hex: an OCTET STRING becomes STRING_HEX. False, with nothing written, where
 * the value's type is unknown or its content is none of its type. */
bool value_put(struct json_writer *w, const char *key, const struct ber_element *v, bool hex,
    enum snmp_version version);
/* Writes the object of an ERROR. */
void value_put_error(struct json_writer *w, const char *key, const char *error);

/* Encodes the object for a SET; returns the bytes written. 0 where it is none, with a text in *why.
 */
size_t value_encode(uint8_t *out, size_t size, const struct json *data, enum snmp_version version,
    const char **why);

/* Octets of a text of hexadecimal digits, with or without space between octets, into out, at most
 * max; -1 where it is none. */
int value_hex(const char *text, uint8_t *out, size_t max);

#endif
