#include "gatewayctl/table.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TABLE = 64 * 1024 * 1024 /* bytes of cells */ };

/* Words that an operator looks for, and how a terminal shows them. */
static const struct {
	const char *word, *colour;
} colours[] = {
	{ .word = "running", .colour = "\033[32m" },
	{ .word = "connected", .colour = "\033[32m" },
	{ .word = "starting", .colour = "\033[33m" },
	{ .word = "stopping", .colour = "\033[33m" },
	{ .word = "connecting", .colour = "\033[33m" },
	{ .word = "disconnected", .colour = "\033[31m" },
	{ .word = "backoff", .colour = "\033[31m" },
	{ .word = "failed", .colour = "\033[1;31m" },
	{ .word = "disabled", .colour = "\033[2m" },
	{ .word = "up", .colour = "\033[32m" },
	{ .word = "degraded", .colour = "\033[33m" },
	{ .word = "down", .colour = "\033[31m" },
	{ .word = "off", .colour = "\033[2m" },
};

const struct column *
column_find(const struct column *columns, const char *key, size_t len)
{
	for (const struct column *c = columns; c->key; c++)
		if (strlen(c->key) == len && strncmp(c->key, key, len) == 0)
			return c;
	return NULL;
}

static bool
choose(struct table *t, const struct column *columns, const char *names)
{
	for (const char *name = names; *name && t->columns < TABLE_MAX_COLUMNS;) {
		size_t len = strcspn(name, ",");
		const struct column *c = column_find(columns, name, len);
		if (!c)
			return false;
		t->shown[t->columns++] = c;
		name += len + (name[len] == ',');
	}
	return t->columns > 0;
}

bool
table_init(struct table *t, const struct column *columns, const char *names, bool json)
{
	*t = (struct table){ .json = json, .chosen = names };
	buffer_init(&t->cells, MAX_TABLE);
	if (names)
		return choose(t, columns, names);
	for (const struct column *c = output_shown(columns); c->key; c = output_shown(c + 1))
		t->shown[t->columns++] = c;
	return true;
}

bool
table_sort_by(struct table *t, const struct column *columns, const char *key)
{
	t->descending = key[0] == '-';
	key += t->descending;
	t->sort = column_find(columns, key, strlen(key));
	return t->sort;
}

void
table_clear(struct table *t)
{
	buffer_clear(&t->cells);
	free(t->row);
	t->row = NULL;
	t->rows = t->room = 0;
}

static struct table_row *
new_row(struct table *t)
{
	if (t->rows == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct table_row *row = realloc(t->row, room * sizeof(*row));
		if (!row)
			return NULL;
		t->row = row;
		t->room = room;
	}
	return &t->row[t->rows++];
}

static void
add_key(struct table *t, struct table_row *r, const struct json *row)
{
	const struct json *j = json_get(row, t->sort->key);

	/* A pair of seconds and microseconds too. */
	if (j && j->type == JSON_ARRAY && j->child)
		j = j->child;
	r->is_number = json_double(j, &r->number);
	r->key = t->cells.len;
	output_cell_text(&t->cells, t->sort, row);
	buffer_u8(&t->cells, '\0');
}

static const char *colour_of(const char *text);

/* A device whose remote ends are not all up has the colour of the worst of them. */
static const char *
row_colour(const struct json *row)
{
	const char *worst = json_str(json_get(json_get(row, "remotes"), "state"));

	return worst && strcmp(worst, "up") != 0 ? colour_of(worst) : NULL;
}

void
table_add(struct table *t, const struct column *columns, const struct json *row)
{
	struct json_writer w = { .b = &t->cells };
	struct table_row *r = new_row(t);

	if (!r)
		return;
	*r = (struct table_row){ .colour = row_colour(row) };
	if (t->sort)
		add_key(t, r, row);
	r->at = t->cells.len;
	if (t->json) {
		output_row_json(&w, NULL, columns, row);
		buffer_u8(&t->cells, '\0');
	}
	for (size_t i = 0; !t->json && i < t->columns; i++) {
		output_cell_text(&t->cells, t->shown[i], row);
		buffer_u8(&t->cells, '\0');
	}
}

static const char *
text_at(const struct table *t, size_t at)
{
	return at < t->cells.len ? (const char *)buffer_data(&t->cells) + at : "";
}

static int
compare(const void *pa, const void *pb, void *arg)
{
	const struct table_row *a = pa, *b = pb;
	const struct table *t = arg;
	int order;

	if (a->is_number && b->is_number)
		order = (a->number > b->number) - (a->number < b->number);
	else if (a->is_number != b->is_number)
		order = a->is_number ? 1 : -1;
	else
		order = strcmp(text_at(t, a->key), text_at(t, b->key));
	if (order == 0) /* as they came */
		return (a->at > b->at) - (a->at < b->at);
	return t->descending ? -order : order;
}

/* --- widths --- */

struct layout {
	size_t width[TABLE_MAX_COLUMNS];
	bool out[TABLE_MAX_COLUMNS]; /* left out */
	size_t gap;
};

static void
measure(const struct table *t, struct layout *l)
{
	bool full[TABLE_MAX_COLUMNS] = { false };

	for (size_t i = 0; i < t->columns; i++)
		l->width[i] = t->shown[i]->header ? output_width(t->shown[i]->header) : 0;
	for (size_t n = 0; n < t->rows; n++) {
		const char *text = text_at(t, t->row[n].at);
		for (size_t i = 0; i < t->columns; i++, text += strlen(text) + 1) {
			size_t w = output_width(text);
			if (w > l->width[i])
				l->width[i] = w;
			full[i] |= strcmp(text, "-") != 0;
		}
	}
	for (size_t i = 0; i < t->columns; i++)
		l->out[i] = t->shown[i]->quiet && !t->chosen && !full[i];
}

static size_t
total(const struct table *t, const struct layout *l)
{
	size_t sum = 0, n = 0;

	for (size_t i = 0; i < t->columns; i++) {
		if (l->out[i])
			continue;
		sum += l->width[i];
		n++;
	}
	return sum + (n ? (n - 1) * l->gap : 0);
}

/* Shortens the columns that may be shortened, as far as is needed. */
static void
narrow(const struct table *t, struct layout *l, size_t width)
{
	for (size_t i = t->columns; i-- > 0;) {
		size_t sum = total(t, l), least = t->shown[i]->least;
		if (sum <= width || l->out[i] || least == 0 || l->width[i] <= least)
			continue;
		size_t cut = l->width[i] - least;
		l->width[i] -= cut < sum - width ? cut : sum - width;
	}
}

/* Leaves out the column that matters least. false: all that are left matter. */
static bool
drop(const struct table *t, struct layout *l)
{
	size_t worst = t->columns;

	for (size_t i = 0; i < t->columns; i++)
		if (!l->out[i] && t->shown[i]->drop &&
		    (worst == t->columns || t->shown[i]->drop > t->shown[worst]->drop))
			worst = i;
	if (worst == t->columns)
		return false;
	l->out[worst] = true;
	return true;
}

static void
fit(const struct table *t, struct layout *l, size_t width)
{
	const struct layout natural = *l;

	while (width && total(t, l) > width) {
		l->gap = 1;
		narrow(t, l, width);
		if (total(t, l) <= width || !drop(t, l))
			return;
		memcpy(l->width, natural.width, sizeof(l->width));
		l->gap = natural.gap;
	}
}

/* --- printing --- */

static const char *
colour_of(const char *text)
{
	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(colours[i].word, text) == 0)
			return colours[i].colour;
	return NULL;
}

/* The bytes of what fits into so many columns; *have: the columns that it takes. */
static size_t
fitting(const char *text, size_t width, size_t *have)
{
	size_t bytes = 0, columns;

	for (*have = 0; text[bytes]; *have += columns) {
		size_t n = output_character(text + bytes, &columns);
		if (*have + columns > width)
			break;
		bytes += n;
	}
	return bytes;
}

/* The same, up to the last space where that is not too early. */
static size_t
folding(const char *text, size_t width, size_t *have)
{
	size_t bytes = fitting(text, width, have), space = bytes, columns;

	while (space > 0 && text[space - 1] != ' ')
		space--;
	if (!text[bytes] || space <= bytes / 2)
		return bytes;
	*have = 0;
	for (size_t at = 0; at < space; *have += columns)
		at += output_character(text + at, &columns);
	return space;
}

/* One cell, padded to width; what is too long is cut with an ellipsis, or goes on in the next line.
 * Returns what is left of it, or NULL. */
static const char *
print_cell(
    FILE *f, const char *text, const struct column *c, size_t width, bool last, const char *colour)
{
	size_t have = output_width(text), bytes = strlen(text);
	bool long_ = have > width, cut = long_ && !c->folds;

	if (long_)
		bytes = c->folds ? folding(text, width, &have) : fitting(text, width - 1, &have);
	have += cut;
	size_t pad = width > have ? width - have : 0;
	fprintf(f, "%*s%s%.*s%s%s%*s", (int)(c->right ? pad : 0), "", colour ? colour : "",
	    (int)bytes, text, cut ? "…" : "", colour ? "\033[0m" : "",
	    (int)(c->right || last ? 0 : pad), "");
	return long_ && !cut ? text + bytes + strspn(text + bytes, " ") : NULL;
}

static size_t
last_column(const struct table *t, const struct layout *l)
{
	size_t last = t->columns;

	while (last-- > 0 && l->out[last])
		;
	return last;
}

/* Prints what is left of the cells, and leaves what does not fit. Returns whether that is any. */
static bool
print_cells(const struct table *t, const struct layout *l, FILE *f, const struct table_style *style,
    const char *left[TABLE_MAX_COLUMNS], const char *const colour[TABLE_MAX_COLUMNS])
{
	size_t last = last_column(t, l);
	bool begun = false, more = false;

	fputs(style->indent, f);
	for (size_t i = 0; i <= last && i < t->columns; i++) {
		if (l->out[i])
			continue;
		fprintf(f, "%*s", begun ? (int)l->gap : 0, "");
		begun = true;
		left[i] = print_cell(f, left[i] ? left[i] : "", t->shown[i], l->width[i], i == last,
		    style->colour && left[i] ? colour[i] : NULL);
		more |= left[i] != NULL;
	}
	fputc('\n', f);
	return more;
}

/* text: the cells of a row; NULL: the headers. */
static void
print_row(const struct table *t, const struct layout *l, FILE *f, const struct table_style *style,
    const char *text, const char *colour)
{
	const char *left[TABLE_MAX_COLUMNS], *own[TABLE_MAX_COLUMNS];

	for (size_t i = 0; i < t->columns; i++) {
		const struct column *c = t->shown[i];
		left[i] = text ? text : c->header ? c->header : c->key;
		own[i] = text && c->coloured && !colour ? colour_of(left[i]) : colour;
		text = text ? text + strlen(text) + 1 : NULL;
	}
	while (print_cells(t, l, f, style, left, own))
		;
}

void
table_print(struct table *t, FILE *f, const struct table_style *style)
{
	struct layout l = { .gap = 2 };

	if (t->sort)
		qsort_r(t->row, t->rows, sizeof(t->row[0]), compare, t);
	if (t->json) {
		for (size_t n = 0; n < t->rows; n++) {
			fputs(n ? ",\n " : "\n ", f);
			output_json(f, text_at(t, t->row[n].at));
		}
		return;
	}
	measure(t, &l);
	fit(t, &l, style->width);
	print_row(t, &l, f, style, NULL, NULL);
	for (size_t n = 0; n < t->rows; n++)
		print_row(t, &l, f, style, text_at(t, t->row[n].at), t->row[n].colour);
}
