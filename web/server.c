#include "web/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "web/reply.h"
#include "web/target.h"

enum { TICK_MS = 1000, MAX_ROWS = 1000000 };

/* Marks a request whose header came and that has no answer yet. */
static const char first_seen;

static struct exchange *
as_exchange(void *seen)
{
	return seen == &first_seen ? NULL : seen;
}

static bool
has_body(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(
	    connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (length && strcmp(length, "0") != 0) ||
	       MHD_lookup_connection_value(
		   connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

static const char *
argument(struct MHD_Connection *connection, const char *name)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);

	return text ? text : "";
}

/* Its phase from now on. */
static void
enter(struct MHD_Connection *connection, enum guard_phase phase)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct server_connection *c = info ? info->socket_context : NULL;

	if (!c)
		return;
	c->phase = phase;
	c->since = monotime_now();
}

/* Those who watch the gateway do not wait for those who look at it. */
static bool
may_ask(struct server *s, const struct api_route *route)
{
	if (route->shape != API_ROWS)
		return guard_spend(&s->probes, GUARD_PROBES_A_SECOND, monotime_now());
	return guard_spend(&s->asks, GUARD_ASKS_A_SECOND, monotime_now());
}

static enum MHD_Result
pass_on(struct server *s, struct MHD_Connection *connection, const struct api_route *route,
    const char *encoded, void **seen)
{
	const char *limit = argument(connection, "limit");
	const char *accept =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	struct exchange_wish wish = {
		.all = strcmp(argument(connection, "all"), "true") == 0,
		.open = metrics_wants_open(accept),
		.limit = target_number(limit, MAX_ROWS),
	};

	if (!target_decode(encoded, wish.device))
		return reply_error(connection, MHD_HTTP_BAD_REQUEST, "the path is not valid");
	if (*limit && !wish.limit)
		return reply_error(
		    connection, MHD_HTTP_BAD_REQUEST, "limit: expected a number from 1 to 1000000");
	bool page = route->board && !*wish.device;
	if (s->exchange_count == EXCHANGES_MAX || (!page && !may_ask(s, route)))
		return reply_error(
		    connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many requests: try again later");
	if (route->streams)
		enter(connection, GUARD_STREAMS);
	struct exchange *x = page ? exchange_new_page(&s->board, connection, route)
				  : exchange_new(&s->upstreams, connection, route, &wish);
	if (!x)
		return MHD_NO;
	s->exchanges[s->exchange_count++] = x;
	*seen = x;
	return page ? exchange_respond(x) : MHD_YES;
}

static enum MHD_Result
begin(struct server *s, struct MHD_Connection *connection, const char *path, void **seen)
{
	const char *device;
	const struct api_route *route = api_find(path, &device);
	const struct asset *asset = path[0] == '/' ? assets_find(&s->assets, path + 1) : NULL;

	if (route)
		return pass_on(s, connection, route, device, seen);
	if (asset)
		return reply_asset(connection, asset);
	return reply_error(connection, MHD_HTTP_NOT_FOUND, "there is no such page");
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
    const char *version, const char *data, size_t *len, void **seen)
{
	struct server *s = arg;
	bool get =
	    strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

	(void)version, (void)data;
	if (*seen == NULL) {
		*seen = (void *)&first_seen;
		enter(connection, GUARD_ANSWERS);
		if (!get)
			return reply_error(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			    "this server only shows: GET and HEAD");
		if (!guard_allows_host(MHD_lookup_connection_value(
					   connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
			s->options.hosts, s->options.host_count))
			return reply_error(connection, MHD_HTTP_FORBIDDEN,
			    "this name is not one of this server's (--host)");
		if (has_body(connection))
			return reply_error(connection, MHD_HTTP_BAD_REQUEST,
			    "a request without a body is expected");
		return MHD_YES;
	}
	if (*len)
		return MHD_NO;
	struct exchange *x = as_exchange(*seen);
	return x ? exchange_respond(x) : begin(s, connection, path, seen);
}

static void
on_completed(
    void *arg, struct MHD_Connection *connection, void **seen, enum MHD_RequestTerminationCode how)
{
	struct server *s = arg;
	struct exchange *x = *seen ? as_exchange(*seen) : NULL;
	size_t i = 0;

	(void)how;
	enter(connection, GUARD_WAITS);
	*seen = NULL;
	if (!x)
		return;
	while (s->exchanges[i] != x)
		i++;
	s->exchanges[i] = s->exchanges[--s->exchange_count];
	exchange_free(x);
}

/* The connection that has waited for a request for longest: MHD sees its end. */
static void
end_oldest(struct server *s)
{
	struct server_connection *oldest = NULL;

	for (struct server_connection *c = s->connections; c; c = c->next)
		if (c->phase == GUARD_WAITS && !c->ended && c != s->connections)
			oldest = c;
	if (!oldest)
		oldest = s->connections; /* all are at work: the new one */
	oldest->ended = true;
	shutdown(oldest->fd, SHUT_RDWR);
}

static void
on_connection(void *arg, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct server *s = arg;
	struct server_connection *c = *context, **at = &s->connections;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
		    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		c = info ? calloc(1, sizeof(*c)) : NULL;
		if (!c)
			return;
		*c = (struct server_connection){
			.fd = info->connect_fd, .since = monotime_now(), .next = s->connections
		};
		*context = s->connections = c;
		if (++s->connection_count > SERVER_CONNECTIONS)
			end_oldest(s);
		return;
	}
	while (c && *at != c)
		at = &(*at)->next;
	if (c) {
		*at = c->next;
		s->connection_count--;
	}
	free(c);
	*context = NULL;
}

/* Paths and values are decoded where they are used, and refused where they are wrong. */
static size_t
keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
	(void)arg, (void)connection;
	return strlen(text);
}

/* To every page. */
static void
broadcast(void *arg, const char *message, size_t len)
{
	struct server *s = arg;

	for (size_t i = 0; i < s->exchange_count; i++)
		if (s->exchanges[i]->board)
			exchange_send(s->exchanges[i], message, len);
}

int
web_init(struct server *s, int fd, const struct server_options *options, char *err, size_t err_size)
{
	*s = (struct server){ .options = *options, .ticked = monotime_now() };
	if (assets_load(&s->assets, options->assets, err, err_size) < 0)
		return -1;
	board_init(&s->board, &s->upstreams, broadcast, s);
	if (upstreams_init(&s->upstreams, options->socket) == 0)
		s->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL,
		    NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		    (unsigned)(SERVER_CONNECTIONS + SERVER_ENDING), MHD_OPTION_CONNECTION_TIMEOUT,
		    (unsigned)SERVER_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		    (size_t)SERVER_REQUEST_BYTES, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		    MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_NOTIFY_CONNECTION,
		    on_connection, s, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (s->daemon)
		return 0;
	snprintf(err, err_size, "cannot start the HTTP server: %s",
	    errno ? strerror(errno) : "out of memory");
	upstreams_clear(&s->upstreams);
	assets_clear(&s->assets);
	return -1;
}

/* The earlier of two, of which -1 is never. */
static int
earlier(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int
next_timeout_ms(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG http;
	int least = earlier(upstreams_timeout_ms(&s->upstreams), board_timeout_ms(&s->board));

	if (MHD_get_timeout(s->daemon, &http) == MHD_YES)
		least = earlier(least, http > TICK_MS ? TICK_MS : (int)http);
	return s->connections ? earlier(least, TICK_MS) : least;
}

static void
tick(struct server *s)
{
	struct monotime now = monotime_now();

	if (monotime_diff_ms(now, s->ticked) < TICK_MS)
		return;
	s->ticked = now;
	for (size_t i = 0; i < s->exchange_count; i++)
		exchange_tick(s->exchanges[i], now);
	/* MHD sees its end then. */
	for (struct server_connection *c = s->connections; c; c = c->next)
		if (guard_is_over(c->phase, c->since, now))
			shutdown(c->fd, SHUT_RDWR);
}

void
web_run(struct server *s, const volatile sig_atomic_t *stop, const sigset_t *waiting)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd p[UPSTREAMS_MAX + 1];

	while (!*stop) {
		int ms = next_timeout_ms(s);
		struct timespec limit = { ms / 1000, ms % 1000 * 1000000L };
		upstreams_fill(&s->upstreams, p + 1);
		p[0] = (struct pollfd){ .fd = info->epoll_fd, .events = POLLIN };
		if (ppoll(p, UPSTREAMS_MAX + 1, ms < 0 ? NULL : &limit, waiting) < 0 &&
		    errno != EINTR) {
			log_error("ppoll: %s", strerror(errno));
			return;
		}
		upstreams_serve(&s->upstreams, p + 1);
		board_tick(&s->board, monotime_now());
		tick(s);
		MHD_run(s->daemon);
	}
}

void
web_clear(struct server *s)
{
	for (size_t i = 0; i < s->exchange_count; i++)
		exchange_abort(s->exchanges[i]);
	MHD_stop_daemon(s->daemon);
	board_clear(&s->board);
	upstreams_clear(&s->upstreams);
	assets_clear(&s->assets);
}
