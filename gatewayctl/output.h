/*
 * The output of gatewayctl. A table of columns fills text and JSON from the same
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
	CELL_SHARE,    /* {"up": .., "all": ..}: 3/4 */
	CELL_MICROS,   /* microseconds, as milliseconds */
	CELL_JSON,     /* any value, as JSON where it is not a text or a number */
	CELL_VERBS,    /* objects with a "verb" */
};

struct column {
	const char *key;    /* in the row, and in JSON */
	const char *header; /* NULL: JSON only */
	enum cell cell;
	bool right;    /* aligned */
	bool coloured; /* its words have colours on a terminal */
	bool quiet;    /* left out of a table where no row has it, unless it was asked for */
	bool folds;    /* goes on in the next line where others are cut */
	unsigned char
	    least; /* columns to which it may be cut where the terminal is narrow; 0: not */
	unsigned char drop; /* left out where that is not enough: the highest first; 0: never */
};

/* Columns end with key NULL. */
void output_cell_text(struct buffer *b, const struct column *col, const struct json *row);
/* The same, of a key without a column. */
void output_key_text(struct buffer *b, const char *key, enum cell cell, const struct json *row);
/* The width of the text in the buffer behind start; pads it with blanks up to width, and two more.
 */
size_t output_width_from(struct buffer *b, size_t start);
void output_pad(struct buffer *b, size_t start, size_t width);
void output_row_json(
    struct json_writer *w, const char *key, const struct column *columns, const struct json *row);

/* The first column from col on that has a header; the end otherwise. */
const struct column *output_shown(const struct column *col);
/* Prints JSON text; controls and what turns the direction of writing are escaped. */
void output_json(FILE *f, const char *text);

/* "name  value" lines of one object, the names aligned. Values that are too long for a terminal so
 * wide go on below themselves; 0: nothing is. */
void output_pairs(FILE *f, const char *indent, size_t terminal, const struct column *columns,
    const struct json *row);

/* The bytes of the first character of text, which is not empty, and the columns that it takes: none
 * for an accent of its own, two for most of Chinese, one for what is not known. */
size_t output_character(const char *text, size_t *columns);
/* The columns that the text takes on a terminal. It wants setlocale(LC_CTYPE, "C.UTF-8"). */
size_t output_width(const char *text);
/* Prints a line. On a terminal that is narrower it is broken, at a space where there is one late in
 * the line; what follows is indented. */
void output_folded(FILE *f, const char *text, size_t indent);
/* The width of the terminal at f, or 0 where it is none. */
size_t output_terminal_width(FILE *f);

#endif
