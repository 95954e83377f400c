#include "web/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayctl/view.h"

#define WATCH "{\"command\":\"watch\",\"events\":false}"
#define STATUS "{\"command\":\"status\"}"
#define HEALTH "{\"command\":\"health\"}"

/* FNV-1a. Two rows that differ and have the same hash are a page that shows the older one for a
 * while: of 2^64. */
#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t
hash(uint64_t h, const void *p, size_t len)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* A row without the age of its data. A quote in a string has a backslash before it, so that
 * this is the key. */
static uint64_t
hash_row(uint64_t h, const char *row, size_t len)
{
	static const char key[] = "\"since\":";
	const char *at = memmem(row, len, key, sizeof(key) - 1);

	if (!at)
		return hash(h, row, len);
	const char *rest = at + sizeof(key) - 1, *end = row + len;
	while (rest < end && *rest != ',' && *rest != '}')
		rest++;
	return hash(hash(h, row, (size_t)(at - row)), rest, (size_t)(end - rest));
}

/* --- messages --- */

static void
say(struct board *b, board_send *send, void *arg, const char *head, const struct buffer *rows)
{
	struct buffer m;

	buffer_init(&m, BOARD_MAX_BYTES + 256);
	buffer_append_str(&m, head);
	buffer_append(&m, buffer_data(rows), rows->len);
	buffer_append_str(&m, "]}");
	if (!buffer_failed(&m))
		send(arg, (const char *)buffer_data(&m), m.len);
	buffer_clear(&m);
	(void)b;
}

static void
say_all(struct board *b, board_send *send, void *arg)
{
	say(b, send, arg, "{\"kind\":\"rows\",\"all\":true,\"rows\":[", &b->rows);
}

static void
say_health(struct board *b, board_send *send, void *arg)
{
	say(b, send, arg, "{\"kind\":\"health\",\"rows\":[", &b->health);
}

static void
say_down(struct board *b, board_send *send, void *arg)
{
	struct buffer m;
	struct json_writer w = { .b = &m };

	buffer_init(&m, 4 * CONTROL_MAX_ERROR);
	json_begin_object(&w, NULL);
	json_put_str(&w, "kind", "down");
	json_put_str(&w, "error", b->why);
	json_end_object(&w);
	if (!buffer_failed(&m))
		send(arg, (const char *)buffer_data(&m), m.len);
	buffer_clear(&m);
}

static void
fail(struct board *b, const char *why)
{
	snprintf(b->why, sizeof(b->why), "%s", why);
	b->poll = NULL;
	b->health_next = b->known = false;
	b->due = monotime_add_ms(monotime_now(), BOARD_RETRY_MS);
	upstream_close(b->watch);
	b->watch = NULL;
	if (!b->down)
		say_down(b, b->send, b->arg);
	b->down = true;
}

/* --- the poll --- */

static void
swap(struct buffer *a, struct buffer *b)
{
	struct buffer was = *a;

	*a = *b;
	*b = was;
	buffer_reset(b);
}

static bool
add_mark(struct board_marks *m, struct board_mark mark)
{
	if (m->count == m->room) {
		size_t room = m->room ? 2 * m->room : 64;
		struct board_mark *all = realloc(m->all, room * sizeof(*all));
		if (!all)
			return false;
		m->all = all;
		m->room = room;
	}
	m->all[m->count++] = mark;
	return true;
}

/* Adds the row as JSON behind those that are there; returns where it begins. */
static size_t
put_row(struct buffer *b, const struct view_format *view, const struct json *row)
{
	struct json_writer w = { .b = b };

	if (b->len)
		buffer_u8(b, ',');
	size_t at = b->len;
	view_put_json(&w, view, row);
	return at;
}

static uint64_t
hash_text(uint64_t h, const char *text)
{
	return text ? hash(h, text, strlen(text) + 1) : h;
}

static void
take_status(struct board *b, const struct json *row)
{
	size_t at = put_row(&b->fresh, &view_status, row), i = b->fresh_marks.count;
	const char *text = (const char *)buffer_data(&b->fresh) + at;
	size_t len = b->fresh.len - at;
	struct board_mark mark = { .device = HASH_START };

	if (buffer_failed(&b->fresh))
		return;
	mark.device = hash_text(mark.device, json_str(json_get(row, "type")));
	mark.device = hash_text(mark.device, json_str(json_get(row, "name")));
	mark.row = hash_row(HASH_START, text, len);
	if (!add_mark(&b->fresh_marks, mark))
		b->fresh.failed = true;
	if (!b->known)
		return;
	if (i >= b->marks.count || b->marks.all[i].device != mark.device) {
		b->known = false; /* other devices than before */
		return;
	}
	if (b->marks.all[i].row == mark.row)
		return;
	if (b->changed.len)
		buffer_u8(&b->changed, ',');
	buffer_append(&b->changed, text, len);
}

static void
end_status(struct board *b)
{
	bool same = b->known && b->fresh_marks.count == b->marks.count;
	struct board_marks was = b->marks;

	b->marks = b->fresh_marks;
	b->fresh_marks = was;
	b->fresh_marks.count = 0;
	swap(&b->rows, &b->fresh);
	b->down = false;
	if (same)
		say(b, b->send, b->arg, "{\"kind\":\"rows\",\"rows\":[", &b->changed);
	else
		say_all(b, b->send, b->arg);
	buffer_reset(&b->changed);
	b->health_next = true;
}

static void
take_health(struct board *b, const struct json *row)
{
	size_t at = put_row(&b->fresh_health, &view_health, row);

	if (!buffer_failed(&b->fresh_health))
		b->fresh_hash = hash_row(b->fresh_hash,
		    (const char *)buffer_data(&b->fresh_health) + at, b->fresh_health.len - at);
}

static void
end_health(struct board *b)
{
	bool same = b->known && b->fresh_hash == b->health_hash;

	swap(&b->health, &b->fresh_health);
	b->health_hash = b->fresh_hash;
	b->health_next = false;
	b->known = true;
	b->due = monotime_add_ms(monotime_now(), BOARD_POLL_MS);
	if (!same)
		say_health(b, b->send, b->arg);
}

static void
on_poll(void *arg, const struct control_reply *reply, const char *why)
{
	struct board *b = arg;

	if (!reply || reply->error) {
		fail(b, reply ? reply->error : why);
		return;
	}
	json_foreach (row, reply->rows)
		(b->health_next ? take_health : take_status)(b, row);
	if (buffer_failed(&b->fresh) || buffer_failed(&b->fresh_health)) {
		if (!reply->end)
			upstream_close(b->poll);
		fail(b, "too much to show, or out of memory");
	} else if (reply->end) {
		b->poll = NULL;
		(b->health_next ? end_health : end_status)(b);
	}
}

static void
on_watch(void *arg, const struct control_reply *reply, const char *why)
{
	struct board *b = arg;
	struct buffer m;

	if (!reply || reply->end) {
		b->watch = NULL;
		upstream_close(b->poll);
		fail(b, reply ? "gatewayd ended the watch" : why);
		return;
	}
	json_foreach (row, reply->rows) {
		struct json_writer w = { .b = &m };
		const char *kind = json_str(json_get(row, "kind"));
		buffer_init(&m, CONTROL_MAX_REPLY);
		bool shown = view_put_json(&w, &view_stream, row) && !buffer_failed(&m);
		if (shown && kind && strcmp(kind, "link") == 0 && m.len < sizeof(b->link))
			snprintf(b->link, sizeof(b->link), "%.*s", (int)m.len,
			    (const char *)buffer_data(&m));
		if (shown)
			b->send(b->arg, (const char *)buffer_data(&m), m.len);
		buffer_clear(&m);
	}
}

static struct upstream *
ask(struct board *b, const char *request, bool streams, upstream_reply *on_reply)
{
	char why[CONTROL_MAX_ERROR];
	struct upstream *u = upstream_open(
	    b->upstreams, request, strlen(request), streams, on_reply, b, why, sizeof(why));

	if (!u) {
		upstream_close(b->poll);
		fail(b, why);
	}
	return u;
}

void
board_tick(struct board *b, struct monotime now)
{
	if (!b->pages || b->poll || (!b->health_next && monotime_cmp(now, b->due) < 0))
		return;
	if (!b->watch && !(b->watch = ask(b, WATCH, true, on_watch)))
		return;
	if (b->health_next) {
		buffer_reset(&b->fresh_health);
		b->fresh_hash = HASH_START;
		b->poll = ask(b, HEALTH, false, on_poll);
		return;
	}
	buffer_reset(&b->fresh);
	buffer_reset(&b->changed);
	b->fresh_marks.count = 0;
	b->poll = ask(b, STATUS, false, on_poll);
}

int
board_timeout_ms(const struct board *b)
{
	if (!b->pages || b->poll)
		return -1;
	int64_t ms = b->health_next ? 0 : monotime_diff_ms(b->due, monotime_now()) + 1;
	return ms < 0 ? 0 : (int)ms;
}

/* --- pages --- */

void
board_init(struct board *b, struct upstreams *upstreams, board_send *send, void *arg)
{
	*b = (struct board){ .upstreams = upstreams, .send = send, .arg = arg };
	buffer_init(&b->rows, BOARD_MAX_BYTES);
	buffer_init(&b->fresh, BOARD_MAX_BYTES);
	buffer_init(&b->changed, BOARD_MAX_BYTES);
	buffer_init(&b->health, BOARD_MAX_BYTES);
	buffer_init(&b->fresh_health, BOARD_MAX_BYTES);
}

void
board_clear(struct board *b)
{
	upstream_close(b->watch);
	upstream_close(b->poll);
	buffer_clear(&b->rows);
	buffer_clear(&b->fresh);
	buffer_clear(&b->changed);
	buffer_clear(&b->health);
	buffer_clear(&b->fresh_health);
	free(b->marks.all);
	free(b->fresh_marks.all);
}

void
board_join(struct board *b, board_send *send, void *arg)
{
	if (b->pages++ == 0)
		b->due = monotime_now();
	if (b->down)
		say_down(b, send, arg);
	if (!b->known)
		return;
	if (b->link[0])
		send(arg, b->link, strlen(b->link));
	say_all(b, send, arg);
	say_health(b, send, arg);
}

void
board_leave(struct board *b)
{
	if (--b->pages)
		return;
	board_clear(b);
	board_init(b, b->upstreams, b->send, b->arg);
}
