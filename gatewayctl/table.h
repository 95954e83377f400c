/*
 * Tables of gatewayctl: rows are kept, sorted, fitted to the width of a
 * terminal and printed. Columns shrink first, then those that matter least are
 * left out, in the order of their `drop`. A cell of a column that folds is never
 * cut.
 */
#ifndef GATEWAYCTL_TABLE_H
#define GATEWAYCTL_TABLE_H

#include "gatewayctl/output.h"

enum { TABLE_MAX_COLUMNS = 24 };

struct table {
	const struct column *shown[TABLE_MAX_COLUMNS]; /* in their order */
	size_t columns;
	bool chosen;	     /* they were asked for */
	bool json;	     /* a row is one text: an object */
	struct buffer cells; /* texts, each with a NUL */
	struct table_row {
		size_t at;  /* of its first cell */
		size_t key; /* text to sort by, likewise */
		double number;
		bool is_number;
		const char *colour; /* of the whole row on a terminal, or NULL */
	} * row;		    /* owned */
	size_t rows, room;
	const struct column *sort; /* or NULL */
	bool descending;
};

struct table_style {
	const char *indent;
	size_t width; /* of the terminal; 0: nothing is cut or left out */
	bool colour;
};

/* All columns that have a header, or those whose keys `names` lists with commas. Returns false when
 * a name is none of them. json: rows are printed as JSON. */
bool table_init(struct table *t, const struct column *columns, const char *names, bool json);
/* Sorts by the column of that key, descending where it begins with '-'. false: there is none. */
bool table_sort_by(struct table *t, const struct column *columns, const char *key);
void table_add(struct table *t, const struct column *columns, const struct json *row);
/* Text: the header always, "-" for what there is not. */
void table_print(struct table *t, FILE *f, const struct table_style *style);
void table_clear(struct table *t);

/* The column of that key, or NULL. */
const struct column *column_find(const struct column *columns, const char *key, size_t len);

#endif
