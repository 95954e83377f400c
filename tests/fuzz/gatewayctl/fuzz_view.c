/*
 * Rows as gatewayd gives them, but of anybody's making, shown by each of gatewayctl's views: the
 * first byte chooses the view, the second its options, the rest is a JSON array. What reaches the
 * terminal is UTF-8 without controls but newlines; what goes to scripts is JSON.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "gatewayctl/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct view_format *const formats[] = { &view_top, &view_status, &view_health,
	&view_describe, &view_read, &view_show, &view_info, &view_events, &view_results,
	&view_stream, &view_reload };
static const size_t widths[] = { 0, 20, 40, 80 };

/* U+202A to U+202E and U+2066 to U+2069 turn the direction of writing; colours begin with ESC. */
static bool
is_harmless(wchar_t c, bool coloured)
{
	if (c == L'\n' || (c == 0x1b && coloured))
		return true;
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	return !(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069);
}

static void
check_text(const char *text, size_t size, bool coloured)
{
	for (size_t at = 0; at < size;) {
		wchar_t c;
		int n = mbtowc(&c, text + at, size - at);
		if (n <= 0 || !is_harmless(c, coloured))
			abort();
		at += (size_t)n;
	}
}

static void
check_json(const struct view_format *format, const char *text, size_t size)
{
	while (size) {
		const char *end =
		    format->kind == VIEW_STREAM ? memchr(text, '\n', size) : text + size - 1;
		size_t len = end ? (size_t)(end - text) + 1 : size;
		if (!json_valid(text, len))
			abort();
		text += len;
		size -= len;
	}
}

static void
show(const struct view_format *format, const struct view_options *options, const struct json *rows)
{
	struct view v;

	if (!view_begin(&v, format, options))
		abort();
	json_foreach (row, rows)
		view_add(&v, row);
	view_end(&v, false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[100], *text = NULL;
	size_t len;
	FILE *terminal = stdout;

	if (size < 2)
		return 0;
	setlocale(LC_CTYPE, "C.UTF-8");
	const struct view_format *format =
	    formats[data[0] % (sizeof(formats) / sizeof(formats[0]))];
	const struct view_options options = {
		.json = data[1] & 1, .colour = data[1] & 2, .width = widths[data[1] >> 2 & 3]
	};
	struct json_doc *doc = json_parse((const char *)data + 2, size - 2, 4000, err, sizeof(err));
	if (!doc)
		return 0;
	if (json_root(doc)->type == JSON_ARRAY) {
		stdout = open_memstream(&text, &len);
		show(format, &options, json_root(doc));
		fclose(stdout);
		stdout = terminal;
		if (options.json)
			check_json(format, text, len);
		else
			check_text(text, len, options.colour);
		free(text);
	}
	json_free(doc);
	return 0;
}
