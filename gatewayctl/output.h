/*
 * What gatewayctl prints. A table of columns fills text and JSON from the same
 * rows: each kind of cell has a function for either. Texts come from devices and
 * servers: nothing in them reaches a terminal as a control character.
 */
#ifndef GATEWAYCTL_OUTPUT_H
#define GATEWAYCTL_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

#include "common/json.h"

enum cell {
	CELL_TEXT,
	CELL_INT,
	CELL_RATE,     /* a number with one decimal */
	CELL_DURATION, /* milliseconds; JSON: seconds */
	CELL_TIME,     /* [seconds, microseconds]; JSON: UTC by RFC 3339 */
	CELL_FLAG,     /* a boolean: yes, no */
	CELL_LIST,     /* texts */
	CELL_TYPE,     /* an event type */
	CELL_PAYLOAD,  /* payload_json, or payload_type and payload_hex, or payload_cut */
	CELL_MEMORY,   /* KiB */
	CELL_BYTES,    /* bytes, or "unlimited" */
};

struct column {
	const char *key;    /* in the row, and in JSON */
	const char *header; /* NULL: JSON only */
	enum cell cell;
	bool right;  /* aligned */
	bool shrink; /* cut where the terminal is narrower than the table; the last line of defence
		      */
};

/* Columns end with key NULL. */
void output_cell_text(struct buffer *b, const struct column *col, const struct json *row);
void output_row_json(
    struct json_writer *w, const char *key, const struct column *columns, const struct json *row);

struct table {
	const struct column *columns;
	struct buffer cells; /* texts, each with a NUL */
	size_t rows;
};

void table_init(struct table *t, const struct column *columns);
void table_add(struct table *t, const struct json *row);
/* Prints the header always, "-" for what there is not; two spaces between columns, or one where the
 * terminal is narrow. width: of the terminal, or 0 where nothing may be cut. */
void table_print(const struct table *t, FILE *f, const char *indent, size_t width);
void table_clear(struct table *t);

/* "name  value" lines of one object, the names aligned. */
void output_pairs(
    FILE *f, const char *indent, const struct column *columns, const struct json *row);

/* The columns that the text takes on a terminal. It wants setlocale(LC_CTYPE, "C.UTF-8"). */
size_t output_width(const char *text);
/* Of the terminal at f, or 0 where it is none. */
size_t output_terminal_width(FILE *f);

#endif
