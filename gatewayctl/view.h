/* How gatewayctl shows the rows of each command: text for people, JSON for scripts. */
#ifndef GATEWAYCTL_VIEW_H
#define GATEWAYCTL_VIEW_H

#include "gatewayctl/table.h"

enum view_kind {
	VIEW_TABLE,    /* a table; JSON: an array */
	VIEW_SECTIONS, /* each row in sections; JSON: an array */
	VIEW_RESULTS,  /* "name: result"; JSON: an array */
	VIEW_STREAM,   /* a line a row as it comes; JSON: an object a line */
};

enum section_kind { SECTION_PAIRS, SECTION_TABLE, SECTION_MAP };

struct section {
	const char *key; /* of the row; NULL: the row itself */
	const char *title;
	enum section_kind kind;
	const struct column *columns; /* MAP: NULL */
	bool may_be_empty;	      /* text: it is left out then */
};

struct view_format {
	enum view_kind kind;
	const struct column *columns;	/* TABLE, RESULTS */
	const struct section *sections; /* SECTIONS; ends with title NULL */
	const char *empty;		/* TABLE: said in place of a header without rows */
};

enum { VIEW_MAX_FILTERS = 8 };

/* The user's options for it. */
struct view_options {
	bool json, colour;
	size_t width;	     /* of the terminal; 0: none */
	const char *columns; /* TABLE: keys with commas, or NULL */
	const char *sort;    /* TABLE: a key, '-' before it for descending, or NULL */
	const char *filter[VIEW_MAX_FILTERS]; /* TABLE: KEY=GLOB, all of which must fit */
	size_t filters;
	struct pcapng *capture; /* STREAM: where frames go instead, or NULL; borrowed */
};

struct view {
	const struct view_format *format;
	const struct view_options *options;
	size_t rows;
	struct table table;
	size_t device_width; /* STREAM: of the device column so far */
};

extern const struct view_format view_top, view_status, view_health, view_describe, view_read,
    view_show, view_info, view_events, view_results, view_stream, view_reload;

/* The row as --json shows it: an object. False, and nothing is put, for a row of a stream that is
 * not of a known kind. */
bool view_put_json(struct json_writer *w, const struct view_format *format, const struct json *row);

/* Borrows options. Returns false, having said so, when they name what is no column. */
bool view_begin(
    struct view *v, const struct view_format *format, const struct view_options *options);
/* Adds a row that came; true when it is one that --count counts. */
bool view_add(struct view *v, const struct json *row);
/* failed: an error was said; a table without rows then says nothing. */
void view_end(struct view *v, bool failed);

#endif
