/* The writer. */
#include <math.h>
#include <string.h>

#include "common/json.h"
#include "common/number.h"
#include "common/utf8.h"

static void
put_quoted(struct buffer *b, const char *s, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t start = 0;

	buffer_u8(b, '"');
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)s[i];
		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		buffer_append(b, s + start, i - start);
		start = i + 1;
		if (c == '"' || c == '\\') {
			buffer_append(b, (char[]){ '\\', (char)c }, 2);
		} else {
			char esc[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
			buffer_append(b, esc, sizeof(esc));
		}
	}
	buffer_append(b, s + start, len - start);
	buffer_u8(b, '"');
}

static void
put_key(struct json_writer *w, const char *key)
{
	if (w->comma)
		buffer_u8(w->b, ',');
	w->comma = true;
	if (key) {
		put_quoted(w->b, key, strlen(key));
		buffer_u8(w->b, ':');
	}
}

static void
begin(struct json_writer *w, const char *key, uint8_t c)
{
	put_key(w, key);
	buffer_u8(w->b, c);
	w->comma = false;
}

static void
end(struct json_writer *w, uint8_t c)
{
	buffer_u8(w->b, c);
	w->comma = true;
}

void
json_begin_object(struct json_writer *w, const char *key)
{
	begin(w, key, '{');
}

void
json_end_object(struct json_writer *w)
{
	end(w, '}');
}

void
json_begin_array(struct json_writer *w, const char *key)
{
	begin(w, key, '[');
}

void
json_end_array(struct json_writer *w)
{
	end(w, ']');
}

void
json_put_raw(struct json_writer *w, const char *key, const char *v, size_t len)
{
	put_key(w, key);
	buffer_append(w->b, v, len);
}

void
json_put_null(struct json_writer *w, const char *key)
{
	json_put_raw(w, key, "null", 4);
}

void
json_put_bool(struct json_writer *w, const char *key, bool v)
{
	json_put_raw(w, key, v ? "true" : "false", v ? 4 : 5);
}

void
json_put_int(struct json_writer *w, const char *key, int64_t v)
{
	char text[NUMBER_MAX_INT];

	json_put_raw(w, key, text, (size_t)(number_put_int(text, v) - text));
}

void
json_put_double(struct json_writer *w, const char *key, double v)
{
	char text[NUMBER_MAX_DOUBLE];

	if (isfinite(v))
		json_put_raw(w, key, text, (size_t)(number_put_double(text, v) - text));
	else
		json_put_null(w, key);
}

void
json_put_strn(struct json_writer *w, const char *key, const char *v, size_t len)
{
	put_key(w, key);
	if (utf8_valid(v, len)) {
		put_quoted(w->b, v, len);
		return;
	}
	struct buffer clean;
	buffer_init(&clean, len * 3);
	for (size_t i = 0; i < len; i++) {
		if ((uint8_t)v[i] < 0x80)
			buffer_u8(&clean, (uint8_t)v[i]);
		else
			buffer_append(&clean, "\xef\xbf\xbd", 3);
	}
	put_quoted(w->b, (const char *)buffer_data(&clean), clean.len);
	buffer_clear(&clean);
}

void
json_put_str(struct json_writer *w, const char *key, const char *v)
{
	if (v)
		json_put_strn(w, key, v, strlen(v));
	else
		json_put_null(w, key);
}

void
json_put_tree(struct json_writer *w, const char *key, const struct json *j)
{
	switch (j->type) {
	case JSON_NULL:
		json_put_null(w, key);
		break;
	case JSON_BOOL:
		json_put_bool(w, key, j->boolean);
		break;
	case JSON_NUMBER:
		json_put_raw(w, key, j->text, j->len);
		break;
	case JSON_STRING:
		json_put_strn(w, key, j->text, j->len);
		break;
	case JSON_ARRAY:
		json_begin_array(w, key);
		json_foreach (item, j)
			json_put_tree(w, NULL, item);
		json_end_array(w);
		break;
	case JSON_OBJECT:
		json_begin_object(w, key);
		json_foreach (item, j)
			json_put_tree(w, item->key, item);
		json_end_object(w);
		break;
	}
}
