#include "gatewayctl/output.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

enum {
	MAX_TABLE = 64 * 1024 * 1024, /* bytes of a table's cells */
	MAX_CELL = 1024 * 1024,
	MIN_SHRUNK = 8,	  /* a column is cut to this, not further */
	MIN_STICKING = 4, /* one whose texts stick out */
	MAX_COLUMNS = 24,
};

/* --- cells --- */

static void
put_clean(struct buffer *b, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char ch = (unsigned char)text[i];
		/* C1 controls in UTF-8 are 0xc2 0x80 .. 0x9f. */
		bool c1 = ch >= 0x80 && ch < 0xa0 && i > 0 && (unsigned char)text[i - 1] == 0xc2;
		if (ch == '\n' || ch == '\t' || ch == '\r')
			buffer_u8(b, ' ');
		else
			buffer_u8(b, ch < 0x20 || ch == 0x7f ? '?' : c1 ? 0xbf : ch);
	}
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
	char text[32];
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

/* What is JSON goes in as it is; but a line is a row, so the white space in it is spaces. */
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

static const struct {
	void (*text)(struct buffer *b, const struct column *col, const struct json *row);
	void (*json)(struct json_writer *w, const struct column *col, const struct json *row);
} cells[] = {
	[CELL_TEXT] = { text_text, json_any },
	[CELL_INT] = { text_text, json_any },
	[CELL_RATE] = { rate_text, rate_json },
	[CELL_DURATION] = { duration_text, duration_json },
	[CELL_TIME] = { time_text, time_json },
	[CELL_FLAG] = { flag_text, json_any },
	[CELL_LIST] = { list_text, json_any },
	[CELL_TYPE] = { type_text, json_any },
	[CELL_PAYLOAD] = { payload_text, payload_json },
	[CELL_MEMORY] = { memory_text, json_any },
	[CELL_BYTES] = { bytes_text, json_any },
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
output_row_json(
    struct json_writer *w, const char *key, const struct column *columns, const struct json *row)
{
	json_begin_object(w, key);
	for (const struct column *col = columns; col->key; col++)
		cells[col->cell].json(w, col, row);
	json_end_object(w);
}

/* --- tables --- */

/* The bytes of the first character of text, which is not empty, and the columns that it takes: none
 * for an accent of its own, two for most of Chinese, one for what is not known. */
static size_t
character(const char *text, size_t *columns)
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
		text += character(text, &columns);
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

void
table_init(struct table *t, const struct column *columns)
{
	*t = (struct table){ .columns = columns };
	buffer_init(&t->cells, MAX_TABLE);
}

void
table_clear(struct table *t)
{
	buffer_clear(&t->cells);
	t->rows = 0;
}

void
table_add(struct table *t, const struct json *row)
{
	for (const struct column *col = t->columns; col->key; col++) {
		if (!col->header)
			continue;
		output_cell_text(&t->cells, col, row);
		buffer_u8(&t->cells, '\0');
	}
	t->rows++;
}

/* The bytes of what fits into so many columns; *have: the columns that it takes. */
static size_t
fitting(const char *text, size_t width, size_t *have)
{
	size_t bytes = 0, columns;

	for (*have = 0; text[bytes]; *have += columns) {
		size_t n = character(text + bytes, &columns);
		if (*have + columns > width)
			break;
		bytes += n;
	}
	return bytes;
}

/* Prints one cell padded, or cut with an ellipsis, to width, and the gap behind it; the last of a
 * line is not padded. What is too long and may not be cut pushes the rest of its line. */
static void
print_cell(FILE *f, const char *text, const struct column *col, size_t width, int gap, bool last)
{
	size_t have = output_width(text), bytes = strlen(text);

	if (have > width && col->shrink) {
		bytes = fitting(text, width - 1, &have);
		fprintf(f, "%.*s…", (int)bytes, text);
		have++;
	} else if (have > width) {
		fwrite(text, 1, bytes, f);
		have = width;
	} else if (col->right) {
		fprintf(f, "%*s%s", (int)(width - have), "", text);
		have = width;
	} else {
		fwrite(text, 1, bytes, f);
	}
	if (!last)
		fprintf(f, "%*s", (int)(width - have) + gap, "");
}

static const struct column *
next_shown(const struct column *col)
{
	while (col->key && !col->header)
		col++;
	return col;
}

static void
measure(const struct table *t, size_t widths[MAX_COLUMNS])
{
	const char *text = (const char *)buffer_data(&t->cells);
	size_t n = 0;

	for (const struct column *c = next_shown(t->columns); c->key; c = next_shown(c + 1))
		widths[n++] = output_width(c->header);
	for (size_t row = 0; row < t->rows; row++) {
		for (size_t i = 0; i < n; i++) {
			size_t w = output_width(text);
			if (w > widths[i])
				widths[i] = w;
			text += strlen(text) + 1;
		}
	}
}

/* Takes from a column what the line has too much. */
static void
narrow(size_t *column, size_t least, size_t *total, size_t width)
{
	if (*total <= width || *column <= least)
		return;
	size_t excess = *total - width;
	size_t cut = *column - least < excess ? *column - least : excess;
	*column -= cut;
	*total -= cut;
}

/* Fits the table into the width, as far as it can be done: with a gap of one space, then by columns
 * that may be cut, then by the widest of the others, whose longer texts stick out. Returns the gap.
 */
static int
shrink(const struct table *t, size_t widths[MAX_COLUMNS], size_t width)
{
	size_t total = 0, n = 0, widest = 0;

	for (const struct column *c = next_shown(t->columns); c->key; c = next_shown(c + 1)) {
		if (!c->right && !c->shrink && next_shown(c + 1)->key && widths[n] > widths[widest])
			widest = n;
		total += widths[n++];
	}
	if (total + 2 * (n - 1) <= width)
		return 2;
	total += n - 1;
	n = 0;
	for (const struct column *c = next_shown(t->columns); c->key; c = next_shown(c + 1), n++)
		if (c->shrink)
			narrow(&widths[n], MIN_SHRUNK, &total, width);
	narrow(&widths[widest], MIN_STICKING, &total, width);
	return 1;
}

void
table_print(const struct table *t, FILE *f, const char *indent, size_t width)
{
	size_t widths[MAX_COLUMNS], n = 0;
	const char *text = (const char *)buffer_data(&t->cells);
	int gap = 2;

	measure(t, widths);
	if (width)
		gap = shrink(t, widths, width);
	fputs(indent, f);
	for (const struct column *c = next_shown(t->columns); c->key; n++) {
		const struct column *next = next_shown(c + 1);
		print_cell(f, c->header, c, widths[n], gap, !next->key);
		c = next;
	}
	fputc('\n', f);
	for (size_t row = 0; row < t->rows; row++) {
		fputs(indent, f);
		n = 0;
		for (const struct column *c = next_shown(t->columns); c->key; n++) {
			const struct column *next = next_shown(c + 1);
			print_cell(f, text, c, widths[n], gap, !next->key);
			text += strlen(text) + 1;
			c = next;
		}
		fputc('\n', f);
	}
}

void
output_pairs(FILE *f, const char *indent, const struct column *columns, const struct json *row)
{
	struct buffer b;
	size_t width = 0;

	for (const struct column *c = next_shown(columns); c->key; c = next_shown(c + 1))
		if (output_width(c->header) > width)
			width = output_width(c->header);
	buffer_init(&b, MAX_CELL);
	for (const struct column *c = next_shown(columns); c->key; c = next_shown(c + 1)) {
		buffer_reset(&b);
		output_cell_text(&b, c, row);
		fprintf(f, "%s%-*s  %.*s\n", indent, (int)width, c->header, (int)b.len,
		    (const char *)buffer_data(&b));
	}
	buffer_clear(&b);
}
