/* The value of a data in event payloads, and as the bits that its registers hold (value.h). In the
 * Modbus runner. */
#ifndef DEVICE_RUNNERS_MODBUS_DATA_VALUE_H
#define DEVICE_RUNNERS_MODBUS_DATA_VALUE_H

#include "common/json.h"
#include "device-runners/modbus/conf/conf.h"

/* Reads a payload's value: out of modbus_value_size(d->bits). 0, or -1 with EINVAL (not a value of
 * this data) or ERANGE (one that does not fit). value may be NULL. */
int data_value_parse(const struct conf_data *d, const struct json *value, uint8_t *out);

/* Writes it as a payload has it: a number, a string, or null for a float that is no number. */
void data_value_put(
    const struct conf_data *d, const uint8_t *value, struct json_writer *w, const char *key);
/* Whether a new value is as the one that was said last, or no farther from it than the deadband. */
bool data_value_is_same(const struct conf_data *d, const uint8_t *said, const uint8_t *value);

#endif
