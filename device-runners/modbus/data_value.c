#include "device-runners/modbus/data_value.h"

#include <errno.h>
#include <math.h>

static int
parse_number(const struct conf_data *d, const char *text, size_t len, uint8_t *out)
{
	if (d->typed.kind == MODBUS_KIND_NONE)
		return modbus_value_parse(text, len, d->bits, out);
	return modbus_typed_parse(&d->typed, text, len, out);
}

int
data_value_parse(const struct conf_data *d, const struct json *value, uint8_t *out)
{
	bool on, is_text = d->typed.kind == MODBUS_KIND_STRING;

	if (is_text && value && value->type == JSON_STRING)
		return modbus_typed_put_text(&d->typed, value->text, value->len, out, d->bits);
	if (!is_text && json_bool(value, &on))
		return parse_number(d, on ? "1" : "0", 1, out);
	if (!is_text && value && value->type == JSON_NUMBER)
		return parse_number(d, value->text, value->len, out);
	errno = EINVAL;
	return -1;
}

void
data_value_put(
    const struct conf_data *d, const uint8_t *value, struct json_writer *w, const char *key)
{
	char text[MODBUS_MAX_VALUE_TEXT];
	size_t n;

	if (d->typed.kind == MODBUS_KIND_STRING) {
		n = modbus_typed_get_text(&d->typed, value, d->bits, text);
		json_put_strn(w, key, text, n);
		return;
	}
	n = d->typed.kind == MODBUS_KIND_NONE ? modbus_value_format(value, d->bits, text)
					      : modbus_typed_format(&d->typed, value, text);
	if (n)
		json_put_raw(w, key, text, n);
	else
		json_put_null(w, key);
}

bool
data_value_is_same(const struct conf_data *d, const uint8_t *said, const uint8_t *value)
{
	if (memcmp(said, value, modbus_value_size(d->bits)) == 0)
		return true;
	if (d->deadband <= 0)
		return false;
	return fabs(modbus_typed_number(&d->typed, value) - modbus_typed_number(&d->typed, said)) <=
	       d->deadband;
}
