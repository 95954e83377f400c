#include "supervisor/check_report.h"

#include <stdio.h>

#include "common/json.h"

enum { MAX_ROWS = 16 * 1024 * 1024 }; /* bytes */

void
check_report_init(struct check_report *r, bool json)
{
	*r = (struct check_report){ .json = json };
	buffer_init(&r->rows, MAX_ROWS);
}

static void
put_place(struct json_writer *w, const char *key, uint32_t number)
{
	if (number)
		json_put_int(w, key, number);
	else
		json_put_null(w, key);
}

static void
put_row(struct check_report *r, enum schema_severity severity, const char *file, uint32_t line,
    uint32_t column, const char *path, const char *message)
{
	struct json_writer w = { .b = &r->rows, .comma = r->rows.len > 0 };

	json_begin_object(&w, NULL);
	json_put_str(&w, "severity", severity == SCHEMA_ERROR ? "error" : "warning");
	json_put_str(&w, "file", file);
	put_place(&w, "line", line);
	put_place(&w, "column", line ? column : 0);
	json_put_str(&w, "path", path);
	json_put_str(&w, "message", message);
	json_end_object(&w);
}

void
check_report_fault(void *arg, enum schema_severity severity, const char *file, uint32_t line,
    uint32_t column, const char *path, const char *message)
{
	struct check_report *r = arg;

	if (severity == SCHEMA_ERROR)
		r->errors++;
	else
		r->warnings++;
	if (r->json)
		put_row(r, severity, file, line, column, path, message);
	else
		config_report_print(stderr, severity, file, line, column, path, message);
}

void
check_report_end(struct check_report *r)
{
	if (r->json)
		printf("[%.*s]\n", (int)r->rows.len,
		    r->rows.len ? (const char *)buffer_data(&r->rows) : "");
	buffer_clear(&r->rows);
}
