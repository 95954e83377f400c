#include "device-runners/modbus/data_value.h"

#include <errno.h>

int
data_value_parse(const struct conf_data *d, const struct json *value, uint8_t *out)
{
	bool on;

	if (json_bool(value, &on))
		return modbus_value_parse(on ? "1" : "0", 1, d->bits, out);
	if (value && value->type == JSON_NUMBER)
		return modbus_value_parse(value->text, value->len, d->bits, out);
	errno = EINVAL;
	return -1;
}
