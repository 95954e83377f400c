#include "gatewayctl/output.h"

#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

enum { MAX_CELL = 1024 * 1024 };

/* --- cells --- */

/* Finds bytes that a terminal takes for a command, or that turn the direction of writing: a line
 * would show what it does not say. These are C1 controls, and the bidirectional controls of Unicode
 * (UAX 9, 2). p: left bytes of UTF-8. Returns their bytes, 0 where there is none, and the code
 * point. */
static size_t
deceiving(const uint8_t *p, size_t left, unsigned *point)
{
	if (left >= 2 && p[0] >= 0xc2 && p[0] < 0xe0)
		*point = (p[0] & 0x1fu) << 6 | (p[1] & 0x3f);
	else if (left >= 3 && (p[0] & 0xf0) == 0xe0)
		*point = (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3f);
	else
		return 0;
	bool bad = (*point >= 0x80 && *point < 0xa0) || *point == 0x61c || *point == 0x200e ||
		   *point == 0x200f || (*point >= 0x2028 && *point <= 0x202e) ||
		   (*point >= 0x2066 && *point <= 0x2069);
	return !bad ? 0 : *point < 0x800 ? 2 : 3;
}

static void
put_clean(struct buffer *b, const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text;
	unsigned point;

	for (size_t i = 0; i < len; i++) {
		size_t bad = deceiving(p + i, len - i, &point);
		if (p[i] == '\n' || p[i] == '\t' || p[i] == '\r')
			buffer_u8(b, ' ');
		else
			buffer_u8(b, bad || p[i] < 0x20 || p[i] == 0x7f ? '?' : p[i]);
		i += bad ? bad - 1 : 0;
	}
}

void
output_json(FILE *f, const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t len = strlen(text), from = 0, bad;
	unsigned point;

	/* They stand in strings only. */
	for (size_t i = 0; i < len; i++) {
		if (!(bad = deceiving(p + i, len - i, &point)))
			continue;
		fprintf(f, "%.*s\\u%04x", (int)(i - from), text + from, point);
		i += bad - 1;
		from = i + 1;
	}
	fputs(text + from, f);
}

static void
text_text(struct buffer *b, const struct column *col, const struct json *row)
{
	const struct json *j = json_get(row, col->key);

	if (j && (j->type == JSON_STRING || j->type == JSON_NUMBER))
		put_clean(b, j->text, j->len);
}

static void
json_any(struct json_writer *w, const struct column *col, const struct json *row)
{
	const struct json *j = json_get(row, col->key);

	if (j)
		json_put_tree(w, col->key, j);
	else
		json_put_null(w, col->key);
}

static void
rate_text(struct buffer *b, const struct column *col, const struct json *row)
{
	double v;

	if (json_double(json_get(row, col->key), &v))
		buffer_printf(b, "%.1f", v);
}

static void
rate_json(struct json_writer *w, const struct column *col, const struct json *row)
{
	/* Room for any double. */
	char text[DBL_MAX_10_EXP + 8];
	double v;

	if (!json_double(json_get(row, col->key), &v)) {
		json_put_null(w, col->key);
		return;
	}
	int n = snprintf(text, sizeof(text), "%.3f", v);
	json_put_raw(w, col->key, text, (size_t)n);
}

static void
duration_text(struct buffer *b, const struct column *col, const struct json *row)
{
	int64_t ms;

	if (!json_int(json_get(row, col->key), 0, INT64_MAX, &ms))
		return;
	int64_t s = ms / 1000;
	if (s < 86400)
		buffer_printf(
		    b, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
	else
		buffer_printf(b, "%" PRId64 "d%02dh", s / 86400, (int)(s / 3600 % 24));
}

static void
duration_json(struct json_writer *w, const struct column *col, const struct json *row)
{
	char text[32];
	int64_t ms;

	if (!json_int(json_get(row, col->key), 0, INT64_MAX, &ms)) {
		json_put_null(w, col->key);
		return;
	}
	int n = snprintf(text, sizeof(text), "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
	json_put_raw(w, col->key, text, (size_t)n);
}

static bool
get_time(const struct json *row, const char *key, int64_t *s, int64_t *us)
{
	const struct json *j = json_get(row, key);

	return j && j->type == JSON_ARRAY && j->count == 2 &&
	       json_int(j->child, INT64_MIN, INT64_MAX, s) && json_int(j->last, 0, 999999, us);
}

static void
time_text(struct buffer *b, const struct column *col, const struct json *row)
{
	int64_t s, us;
	struct tm tm, today;
	char text[40];

	if (!get_time(row, col->key, &s, &us))
		return;
	time_t t = s, now = time(NULL);
	if (!localtime_r(&t, &tm) || !localtime_r(&now, &today))
		return;
	bool is_today = tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday;
	if (strftime(text, sizeof(text), is_today ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm) == 0)
		return;
	buffer_printf(b, "%s.%03d", text, (int)(us / 1000));
}

static void
time_json(struct json_writer *w, const struct column *col, const struct json *row)
{
	int64_t s, us;
	struct tm tm;
	char text[64], full[80];

	if (!get_time(row, col->key, &s, &us) || !gmtime_r(&(time_t){ s }, &tm) ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
		json_put_null(w, col->key);
		return;
	}
	snprintf(full, sizeof(full), "%s.%06dZ", text, (int)us);
	json_put_str(w, col->key, full);
}

static void
flag_text(struct buffer *b, const struct column *col, const struct json *row)
{
	bool v;

	if (json_bool(json_get(row, col->key), &v))
		buffer_append_str(b, v ? "yes" : "no");
}

static void
join_text(struct buffer *b, const struct json *list, const char *separator)
{
	if (!list || list->type != JSON_ARRAY)
		return;
	json_foreach (item, list) {
		if (item != list->child)
			buffer_append_str(b, separator);
		if (item->type == JSON_STRING)
			put_clean(b, item->text, item->len);
	}
}

static void
list_text(struct buffer *b, const struct column *col, const struct json *row)
{
	const struct json *list = json_get(row, col->key);

	if (list && list->type == JSON_ARRAY && list->count == 0)
		buffer_append_str(b, "none");
	join_text(b, list, ",");
}

static void
type_text(struct buffer *b, const struct column *col, const struct json *row)
{
	join_text(b, json_get(row, col->key), "/");
}

static void
payload_text(struct buffer *b, const struct column *col, const struct json *row)
{
	const struct json *text = json_get(row, "payload_json"),
			  *type = json_get(row, "payload_type");
	const char *hex = json_str(json_get(row, "payload_hex"));
	int64_t cut;

	(void)col;
	if (text && text->type == JSON_STRING) {
		put_clean(b, text->text, text->len);
	} else if (type && type->type == JSON_STRING && hex) {
		put_clean(b, type->text, type->len);
		buffer_printf(b, " 0x%s", hex);
	} else if (json_int(json_get(row, "payload_cut"), 0, INT64_MAX, &cut)) {
		buffer_printf(b, "(%" PRId64 " bytes, too long to show)", cut);
	}
}

/* JSON goes in as it is; but a line is a row, so the white space in it is spaces. */
static void
payload_json(struct json_writer *w, const struct column *col, const struct json *row)
{
	const struct json *text = json_get(row, "payload_json"),
			  *type = json_get(row, "payload_type");
	struct buffer clean;

	if (type) {
		json_begin_object(w, col->key);
		json_put_tree(w, "type", type);
		json_put_str(w, "hex", json_str(json_get(row, "payload_hex")));
		json_end_object(w);
		return;
	}
	if (!text || text->type != JSON_STRING || !json_valid(text->text, text->len)) {
		json_put_null(w, col->key);
		return;
	}
	buffer_init(&clean, MAX_CELL);
	put_clean(&clean, text->text, text->len);
	json_put_raw(w, col->key, (const char *)buffer_data(&clean), clean.len);
	buffer_clear(&clean);
}

static void
memory_text(struct buffer *b, const struct column *col, const struct json *row)
{
	int64_t kib;

	if (json_int(json_get(row, col->key), 0, INT64_MAX, &kib))
		buffer_printf(b, "%" PRId64 " KiB", kib);
}

static void
bytes_text(struct buffer *b, const struct column *col, const struct json *row)
{
	int64_t v;

	if (!json_int(json_get(row, col->key), 0, INT64_MAX, &v))
		text_text(b, col, row);
	else if (v >= 1024 * 1024)
		buffer_printf(b, "%.1f MiB", (double)v / (1024 * 1024));
	else
		buffer_printf(b, "%" PRId64 " bytes", v);
}

static void
share_text(struct buffer *b, const struct column *col, const struct json *row)
{
	const struct json *share = json_get(row, col->key);
	int64_t up, all;

	if (json_int(json_get(share, "up"), 0, INT64_MAX, &up) &&
	    json_int(json_get(share, "all"), 0, INT64_MAX, &all))
		buffer_printf(b, "%" PRId64 "/%" PRId64, up, all);
}

static void
micros_text(struct buffer *b, const struct column *col, const struct json *row)
{
	int64_t us;

	if (json_int(json_get(row, col->key), 0, INT64_MAX, &us))
		buffer_printf(b, "%" PRId64 ".%02d ms", us / 1000, (int)(us % 1000 / 10));
}

static void
json_text(struct buffer *b, const struct column *col, const struct json *row)
{
	const struct json *j = json_get(row, col->key);
	struct buffer any;
	struct json_writer w = { .b = &any };

	if (!j || j->type == JSON_NULL || j->type == JSON_STRING || j->type == JSON_NUMBER) {
		text_text(b, col, row);
		return;
	}
	buffer_init(&any, MAX_CELL);
	json_put_tree(&w, NULL, j);
	put_clean(b, (const char *)buffer_data(&any), any.len);
	buffer_clear(&any);
}

static void
verbs_text(struct buffer *b, const struct column *col, const struct json *row)
{
	const struct json *list = json_get(row, col->key);

	if (!list || list->type != JSON_ARRAY)
		return;
	json_foreach (item, list) {
		const struct json *verb = json_get(item, "verb");
		if (item != list->child)
			buffer_u8(b, ',');
		if (json_str(verb))
			put_clean(b, verb->text, verb->len);
	}
}

static const struct {
	void (*text)(struct buffer *b, const struct column *col, const struct json *row);
	void (*json)(struct json_writer *w, const struct column *col, const struct json *row);
} cells[] = {
	[CELL_TEXT] = { .text = text_text, .json = json_any },
	[CELL_INT] = { .text = text_text, .json = json_any },
	[CELL_RATE] = { .text = rate_text, .json = rate_json },
	[CELL_DURATION] = { .text = duration_text, .json = duration_json },
	[CELL_TIME] = { .text = time_text, .json = time_json },
	[CELL_FLAG] = { .text = flag_text, .json = json_any },
	[CELL_LIST] = { .text = list_text, .json = json_any },
	[CELL_TYPE] = { .text = type_text, .json = json_any },
	[CELL_PAYLOAD] = { .text = payload_text, .json = payload_json },
	[CELL_MEMORY] = { .text = memory_text, .json = json_any },
	[CELL_BYTES] = { .text = bytes_text, .json = json_any },
	[CELL_SHARE] = { .text = share_text, .json = json_any },
	[CELL_MICROS] = { .text = micros_text, .json = json_any },
	[CELL_JSON] = { .text = json_text, .json = json_any },
	[CELL_VERBS] = { .text = verbs_text, .json = json_any },
};

void
output_cell_text(struct buffer *b, const struct column *col, const struct json *row)
{
	size_t before = b->len;

	cells[col->cell].text(b, col, row);
	if (b->len == before)
		buffer_u8(b, '-');
}

void
output_key_text(struct buffer *b, const char *key, enum cell cell, const struct json *row)
{
	const struct column col = { .key = key, .header = "", .cell = cell };

	output_cell_text(b, &col, row);
}

size_t
output_width_from(struct buffer *b, size_t start)
{
	buffer_u8(b, '\0');
	size_t width = output_width((const char *)buffer_data(b) + start);

	buffer_truncate(b, b->len - 1);
	return width;
}

void
output_pad(struct buffer *b, size_t start, size_t width)
{
	size_t have = output_width_from(b, start);

	buffer_printf(b, "%*s", (int)(have < width ? width - have : 0) + 2, "");
}

void
output_row_json(
    struct json_writer *w, const char *key, const struct column *columns, const struct json *row)
{
	json_begin_object(w, key);
	for (const struct column *col = columns; col->key; col++)
		cells[col->cell].json(w, col, row);
	json_end_object(w);
}

/* --- widths --- */

size_t
output_character(const char *text, size_t *columns)
{
	mbstate_t state = { 0 };
	wchar_t c;
	size_t n = mbrtowc(&c, text, strlen(text), &state);
	int width = n - 1 < MB_LEN_MAX ? wcwidth(c) : -1;

	*columns = width < 0 ? 1 : (size_t)width;
	if (n - 1 < MB_LEN_MAX)
		return n;
	for (n = 1; ((unsigned char)text[n] & 0xc0) == 0x80; n++)
		;
	return n;
}

size_t
output_width(const char *text)
{
	size_t n = 0, columns;

	for (; *text; n += columns)
		text += output_character(text, &columns);
	return n;
}

size_t
output_terminal_width(FILE *f)
{
	struct winsize size;

	if (ioctl(fileno(f), TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

/* The bytes of text that fit. */
static size_t
fitting(const char *text, size_t width)
{
	size_t len = 0, space = 0, used = 0, columns;

	while (text[len]) {
		size_t bytes = output_character(text + len, &columns);
		if (used + columns > width)
			return space > len / 2 ? space : len;
		used += columns;
		len += bytes;
		if (text[len - 1] == ' ')
			space = len;
	}
	return len;
}

/* width 0: not at all. */
static void
put_folded(FILE *f, const char *text, size_t indent, size_t width)
{
	bool folds = width > 2 * indent;

	for (size_t before = 0;; before = indent) {
		size_t len = folds ? fitting(text, width - before) : strlen(text);
		fprintf(f, "%*s%.*s\n", (int)before, "", (int)len, text);
		text += len;
		if (!*text)
			return;
	}
}

void
output_folded(FILE *f, const char *text, size_t indent)
{
	put_folded(f, text, indent, output_terminal_width(f));
}

const struct column *
output_shown(const struct column *col)
{
	while (col->key && !col->header)
		col++;
	return col;
}

void
output_pairs(FILE *f, const char *indent, size_t terminal, const struct column *columns,
    const struct json *row)
{
	struct buffer b;
	size_t width = 0;

	for (const struct column *c = output_shown(columns); c->key; c = output_shown(c + 1))
		if (output_width(c->header) > width)
			width = output_width(c->header);
	buffer_init(&b, MAX_CELL);
	for (const struct column *c = output_shown(columns); c->key; c = output_shown(c + 1)) {
		buffer_reset(&b);
		buffer_printf(&b, "%s%-*s  ", indent, (int)width, c->header);
		output_cell_text(&b, c, row);
		buffer_u8(&b, '\0');
		if (!buffer_failed(&b))
			put_folded(
			    f, (const char *)buffer_data(&b), strlen(indent) + width + 2, terminal);
	}
	buffer_clear(&b);
}
