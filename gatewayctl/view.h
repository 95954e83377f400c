/* How gatewayctl shows the rows of each command: text for people, JSON for scripts. */
#ifndef GATEWAYCTL_VIEW_H
#define GATEWAYCTL_VIEW_H

#include "gatewayctl/output.h"

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
};

struct view_format {
	enum view_kind kind;
	const struct column *columns;	/* TABLE, RESULTS */
	const struct section *sections; /* SECTIONS; ends with title NULL */
};

struct view {
	const struct view_format *format;
	bool json, begun;
	size_t rows;
	struct table table;
	size_t device_width; /* STREAM: of the device column so far */
};

extern const struct view_format view_status, view_show, view_info, view_events, view_results,
    view_stream, view_reload;

void view_begin(struct view *v, const struct view_format *format, bool json);
/* What came as a row; true when it is one that --count counts. */
bool view_add(struct view *v, const struct json *row);
/* failed: an error was said; a table without rows then says nothing. */
void view_end(struct view *v, bool failed);

#endif
