#include "web/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/reply.h"

static void
resume(struct exchange *x)
{
	if (!x->suspended)
		return;
	x->suspended = false;
	MHD_resume_connection(x->connection);
}

static void
suspend(struct exchange *x)
{
	x->suspended = true;
	MHD_suspend_connection(x->connection);
}

static void
end(struct exchange *x)
{
	upstream_close(x->upstream);
	x->upstream = NULL;
	x->ended = true;
	resume(x);
}

/* Not all of what was asked for comes. */
static void
fail(struct exchange *x, unsigned status, const char *why)
{
	if (!x->queued) {
		x->status = status;
		snprintf(x->why, sizeof(x->why), "%s", why);
	}
	x->failed = true;
	end(x);
}

/* --- rows --- */

static void
take_metrics(struct exchange *x, const struct json *row)
{
	if (!metrics_add(x->metrics, row))
		x->body.failed = true;
}

static void
take_live(struct exchange *x, const struct json *row)
{
	(void)row;
	buffer_append_str(&x->body, "{\"status\":\"ok\"}\n");
}

/* The link is up, the Event Server is operational where it has to be, and a Monitor Server has
 * blessed us where there is one: the engine is there. */
static void
take_ready(struct exchange *x, const struct json *row)
{
	const char *why = json_str(json_get(row, "why_idle"));

	if (json_is_true(json_get(row, "engine"))) {
		take_live(x, row);
		return;
	}
	why = why ? why : json_str(json_get(row, "link_error"));
	x->status = MHD_HTTP_SERVICE_UNAVAILABLE;
	snprintf(x->why, sizeof(x->why), "devices do not run: %s",
	    why ? why : "the Event Server is not connected");
}

/* Between the rows of an array. */
static const char *
separator(const struct exchange *x)
{
	return x->rows ? ",\n " : "[\n ";
}

static void
take_top(struct exchange *x, const struct json *row)
{
	struct json_writer w = { .b = &x->body };

	if (!top_looks_again(x->top)) {
		x->body.failed |= !top_remember(x->top, row);
		return;
	}
	buffer_append_str(&x->body, separator(x));
	top_put(x->top, &w, row, monotime_now());
	x->rows++;
}

static void (*const take_row[])(struct exchange *x, const struct json *row) = {
	[API_METRICS] = take_metrics,
	[API_LIVE] = take_live,
	[API_READY] = take_ready,
	[API_TOP] = take_top,
};

static void
put_row(struct exchange *x, const struct json *row)
{
	struct json_writer w = { .b = &x->body };
	size_t before = x->body.len;

	if (x->route->shape != API_ROWS) {
		take_row[x->route->shape](x, row);
		return;
	}
	if (x->route->pages && json_get(row, "next")) {
		int64_t next = 0;
		json_int(json_get(row, "next"), 0, UINT32_MAX, &next);
		x->next = (uint32_t)next;
		return;
	}
	buffer_append_str(&x->body, x->route->streams ? "data: " : separator(x));
	if (!view_put_json(&w, x->route->view, row)) {
		buffer_truncate(&x->body, before);
		return;
	}
	if (x->route->streams)
		buffer_append_str(&x->body, "\n\n");
	x->rows++;
}

static void
finish(struct exchange *x)
{
	if (!x->route->streams && (x->route->shape == API_ROWS || x->top))
		buffer_append_str(&x->body, x->rows ? "\n]\n" : "[]\n");
	end(x);
}

/* The others are conflicts. */
static const unsigned statuses[CONTROL_REASON_COUNT] = {
	[REASON_REQUEST] = MHD_HTTP_BAD_REQUEST,
	[REASON_DENIED] = MHD_HTTP_FORBIDDEN,
	[REASON_NO_DEVICE] = MHD_HTTP_NOT_FOUND,
	[REASON_EVENT_SERVER] = MHD_HTTP_SERVICE_UNAVAILABLE,
	[REASON_VALUE] = MHD_HTTP_BAD_REQUEST,
	[REASON_BUSY] = MHD_HTTP_SERVICE_UNAVAILABLE,
	[REASON_SYSTEM] = MHD_HTTP_SERVICE_UNAVAILABLE,
};

static void
refuse(struct exchange *x, const struct control_reply *reply)
{
	unsigned status = statuses[reply->reason];

	x->reason = reply->reason;
	fail(x, status ? status : MHD_HTTP_CONFLICT, reply->error);
}

static void ask(struct exchange *x);

static void
on_end(struct exchange *x, const struct control_reply *reply)
{
	uint32_t next = x->next;

	x->upstream = NULL;
	x->next = 0;
	if (reply->error)
		refuse(x, reply);
	else if (next)
		ask(x);
	else if (x->top && !top_looks_again(x->top))
		top_look_again(x->top, monotime_now());
	else
		finish(x);
}

static void
on_reply(void *arg, const struct control_reply *reply, const char *why)
{
	struct exchange *x = arg;

	if (!reply) {
		x->upstream = NULL;
		fail(x, MHD_HTTP_SERVICE_UNAVAILABLE, why);
		return;
	}
	json_foreach (row, reply->rows)
		if (!x->wish.limit || x->rows < x->wish.limit)
			put_row(x, row);
	if (buffer_failed(&x->body))
		fail(x, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
	else if (x->route->streams && x->body.len > EXCHANGE_BEHIND_BYTES)
		fail(x, MHD_HTTP_SERVICE_UNAVAILABLE, "read too slowly");
	else if (reply->end)
		on_end(x, reply);
	else if (x->wish.limit && x->rows >= x->wish.limit)
		finish(x);
	else if (!x->route->streams && x->body.len > EXCHANGE_PAUSE_BYTES)
		upstream_pause(x->upstream, true);
	if (x->route->streams || x->queued || x->body.len > EXCHANGE_HOLD_BYTES)
		resume(x);
}

static void
ask(struct exchange *x)
{
	struct buffer b;
	char why[CONTROL_MAX_ERROR] = "out of memory";

	buffer_init(&b, CONTROL_MAX_REQUEST);
	api_put_request(&b, x->route, x->wish.device, x->next, x->wish.all);
	if (!buffer_failed(&b))
		x->upstream = upstream_open(x->upstreams, (const char *)buffer_data(&b), b.len,
		    x->route->streams, on_reply, x, why, sizeof(why));
	buffer_clear(&b);
	if (!x->upstream)
		fail(x, MHD_HTTP_SERVICE_UNAVAILABLE, why);
}

/* --- the response --- */

static void
write_metrics(struct exchange *x)
{
	if (!x->failed && metrics_write(x->metrics, &x->body))
		return;
	metrics_free(x->metrics);
	x->metrics = NULL;
}

static ssize_t
read_body(void *arg, uint64_t at, char *out, size_t most)
{
	struct exchange *x = arg;

	(void)at;
	if (x->metrics && x->ended && x->body.len == 0)
		write_metrics(x);
	size_t n = x->body.len < most ? x->body.len : most;
	if (n == 0 && x->ended)
		return x->failed ? MHD_CONTENT_READER_END_WITH_ERROR
				 : MHD_CONTENT_READER_END_OF_STREAM;
	if (n == 0) {
		suspend(x);
		return 0;
	}
	memcpy(out, buffer_data(&x->body), n);
	buffer_consume(&x->body, n);
	if (x->upstream && x->body.len < EXCHANGE_PAUSE_BYTES)
		upstream_pause(x->upstream, false);
	return (ssize_t)n;
}

enum MHD_Result
exchange_respond(struct exchange *x)
{
	const char *type = x->route->streams		    ? REPLY_EVENT_STREAM
			   : x->route->shape != API_METRICS ? REPLY_JSON
			   : x->wish.open		    ? METRICS_OPEN
							    : METRICS_TEXT;

	if (x->status)
		return reply_refusal(
		    x->connection, x->status, control_reason_name(x->reason), x->why);
	x->queued = true;
	if (x->ended && !x->route->streams && !x->metrics)
		return reply_bytes(
		    x->connection, MHD_HTTP_OK, type, buffer_data(&x->body), x->body.len);
	struct MHD_Response *response = MHD_create_response_from_callback(
	    MHD_SIZE_UNKNOWN, EXCHANGE_HOLD_BYTES, read_body, x, NULL);
	return reply_queue(x->connection, MHD_HTTP_OK, type, "no-store", response);
}

void
exchange_send(void *arg, const char *message, size_t len)
{
	struct exchange *x = arg;

	if (x->ended)
		return;
	buffer_append_str(&x->body, "data: ");
	buffer_append(&x->body, message, len);
	buffer_append_str(&x->body, "\n\n");
	if (buffer_failed(&x->body) || x->body.len > EXCHANGE_BOARD_BYTES)
		fail(x, MHD_HTTP_SERVICE_UNAVAILABLE, "read too slowly");
	else
		resume(x);
}

struct exchange *
exchange_new_page(
    struct board *board, struct MHD_Connection *connection, const struct api_route *route)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	*x = (struct exchange){ .connection = connection, .board = board, .route = route };
	x->begun = x->beat = monotime_now();
	buffer_init(&x->body, EXCHANGE_MAX_BYTES);
	buffer_append_str(&x->body, ":\n\n");
	board_join(board, exchange_send, x);
	return x;
}

struct exchange *
exchange_new(struct upstreams *upstreams, struct MHD_Connection *connection,
    const struct api_route *route, const struct exchange_wish *wish)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	*x = (struct exchange){
		.connection = connection, .upstreams = upstreams, .route = route, .wish = *wish
	};
	x->begun = x->beat = monotime_now();
	buffer_init(&x->body, EXCHANGE_MAX_BYTES);
	if ((route->shape == API_METRICS && !(x->metrics = metrics_new(wish->open))) ||
	    (route->shape == API_TOP && !(x->top = top_new()))) {
		free(x);
		return NULL;
	}
	suspend(x);
	ask(x);
	return x;
}

void
exchange_free(struct exchange *x)
{
	if (x->board)
		board_leave(x->board);
	upstream_close(x->upstream);
	metrics_free(x->metrics);
	top_free(x->top);
	buffer_clear(&x->body);
	free(x);
}

void
exchange_tick(struct exchange *x, struct monotime now)
{
	if (!x->route->streams && !x->ended && monotime_diff_ms(now, x->begun) > EXCHANGE_MS)
		fail(x, MHD_HTTP_SERVICE_UNAVAILABLE, "the answer takes too long");
	if (x->top && !x->ended && !x->upstream && top_is_due(x->top, now))
		ask(x);
	if (!x->route->streams || !x->queued || monotime_diff_ms(now, x->beat) < EXCHANGE_BEAT_MS)
		return;
	x->beat = now;
	if (x->body.len == 0)
		buffer_append_str(&x->body, ":\n\n");
	resume(x);
}

void
exchange_abort(struct exchange *x)
{
	fail(x, MHD_HTTP_SERVICE_UNAVAILABLE, "gateway-web ends");
}
