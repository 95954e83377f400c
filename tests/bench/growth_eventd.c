/*
 * What one thing costs gateway-eventd where there are N of what it is among: growth_eventd KIND N.
 * It prints how many things it did.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event-server/peer.h"
#include "event-server/query.h"
#include "event-server/server.h"
#include "tests/bench/growth_kind.h"

enum { PAGE = 256, BATCH = 1000, TURNS = 200, STEP_S = 1 };

static struct server server;
static struct query query;
static struct buffer bytes; /* of queried types, or of a request to register */
static size_t wanted;	    /* N */

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "growth_eventd: %s\n", what);
	exit(EXIT_FAILURE);
}

static void
put_type(struct buffer *b, size_t i)
{
	char text[96];

	snprintf(text, sizeof(text), "gateway/modbus_master/plc%zu/gateway/data/%zu", i / 1000, i);
	eventer_put_type_text(b, text);
}

/* Encodes a request to register types from <= i < to. */
static void
put_events(size_t from, size_t to)
{
	struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_JSON,
		.data = sbs_str("{\"value\":1}") };
	struct eventer_prefix none = { 0 };

	buffer_reset(&bytes);
	sbs_put_int(&bytes, (int64_t)(to - from));
	for (size_t i = from; i < to; i++) {
		char device[24], data[24];
		snprintf(device, sizeof(device), "plc%zu", i / 1000);
		snprintf(data, sizeof(data), "%zu", i);
		const struct sbs_str segments[] = { sbs_str("gateway"), sbs_str("modbus_master"),
			sbs_str(device), sbs_str("gateway"), sbs_str("data"), sbs_str(data) };
		eventer_put_register_event(&bytes, &none, segments, 6, NULL, &payload);
	}
}

static void
register_events(void)
{
	struct sbs_str data = { (const char *)buffer_data(&bytes), bytes.len };
	struct eventer_events_iter it;

	if (eventer_register_req_decode(data, &it) != DEC_OK)
		fail("its own request is malformed");
	server_register(&server, NULL, (struct chatter_conv){ 0 }, &it);
	server_commit(&server);
}

/* A second a batch: so that times tell them apart, whatever the clock says. */
static void
fill(void)
{
	for (size_t i = 0; i < wanted; i += BATCH) {
		put_events(i, i + BATCH < wanted ? i + BATCH : wanted);
		struct sbs_str data = { (const char *)buffer_data(&bytes), bytes.len };
		struct eventer_events_iter it;
		struct eventer_event e;
		struct timestamp now = { 1000 + (int64_t)i / BATCH * STEP_S, 0 }, before;
		store_begin_session(&server.store, now, &before);
		if (eventer_register_req_decode(data, &it) != DEC_OK)
			fail("its own request is malformed");
		while (eventer_events_next(&it, &e))
			if (store_stage(&server.store, &e) < 0)
				fail("the store is full");
		server_commit(&server);
	}
	buffer_reset(&bytes);
}

static void
ask(const struct eventer_query *p, size_t count)
{
	if (query_run(&query, &server.store, p) < 0 || query.count != count)
		fail("the answer is not as large as expected");
}

/* --- the kinds --- */

static struct eventer_query params;

static void
prepare_latest(void)
{
	fill();
	put_type(&bytes, wanted / 2);
	params = (struct eventer_query){ .kind = EVENTER_QUERY_LATEST,
		.has_types = true,
		.types = { 1, { (const char *)buffer_data(&bytes), bytes.len } } };
}

static size_t
measure_one(void)
{
	ask(&params, 1);
	return 1;
}

static void
prepare_last(void)
{
	fill();
	params = (struct eventer_query){
		.kind = EVENTER_QUERY_TIMESERIES, .has_max_results = true, .max_results = 1
	};
}

static void
prepare_page(void)
{
	fill();
	params = (struct eventer_query){ .kind = EVENTER_QUERY_TIMESERIES,
		.order = EVENTER_ASCENDING,
		.has_max_results = true,
		.max_results = PAGE,
		.has_last_id = true,
		.last_id = store_series(&server.store, wanted / 2)->id };
}

static void
prepare_since(void)
{
	fill();
	params = (struct eventer_query){ .kind = EVENTER_QUERY_TIMESERIES,
		.order = EVENTER_ASCENDING,
		.has_max_results = true,
		.max_results = PAGE,
		.from = { true, store_series(&server.store, wanted / 2)->timestamp } };
}

static size_t
measure_page(void)
{
	ask(&params, PAGE);
	return PAGE;
}

static void
prepare_all(void)
{
	fill();
	params =
	    (struct eventer_query){ .kind = EVENTER_QUERY_TIMESERIES, .order = EVENTER_ASCENDING };
}

static size_t
measure_all(void)
{
	size_t n = 0;

	do {
		if (query_run(&query, &server.store, &params) < 0)
			fail("a page is not answered");
		params.has_last_id = true;
		params.last_id = query.results[query.count - 1]->id;
		n += query.count;
	} while (query.more);
	return n;
}

static int observer; /* the end of the client that the events concern */

/* Says who it is, and what it wants to hear of. */
static void
add_client(size_t i)
{
	const struct access_client who = { .trusted = true };
	struct eventer_init_req req = { .client_name = sbs_str("c"), .subscriptions.count = 1 };
	struct buffer types, out;
	struct chatter chatter;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
		fail("no socket");
	struct peer *c = peer_new(&server, ends[0], &who);
	if (!c)
		fail("no memory");
	c->next = server.clients;
	server.clients = c;
	server.client_count++;
	buffer_init(&types, 1000);
	buffer_init(&out, 10000);
	put_type(&types, i);
	req.subscriptions.bytes = (struct sbs_str){ (const char *)buffer_data(&types), types.len };
	chatter_init(&chatter, &out, 1000, monotime_now());
	eventer_send_init_req(&chatter, &req);
	if (write(ends[1], buffer_data(&out), out.len) != (ssize_t)out.len)
		fail("a socket does not take a request");
	if (i == 0)
		observer = ends[1];
	chatter_clear(&chatter);
	buffer_clear(&types);
	buffer_clear(&out);
}

static size_t
read_all(void)
{
	static char text[1 << 16];
	size_t total = 0;
	ssize_t n;

	while ((n = read(observer, text, sizeof(text))) > 0)
		total += (size_t)n;
	return total;
}

static void
prepare_clients(void)
{
	for (size_t i = 0; i < wanted; i++)
		add_client(i);
	for (struct peer *c = server.clients; c; c = c->next)
		while (c->state != PEER_READY)
			ev_run(server.loop, EVRUN_ONCE);
	put_events(0, 1);
	register_events();
	ev_run(server.loop, EVRUN_NOWAIT);
	read_all();
}

static size_t
measure_clients(void)
{
	for (int i = 0; i < TURNS; i++) {
		for (int k = 0; k < 10; k++)
			register_events();
		ev_run(server.loop, EVRUN_NOWAIT);
		if (read_all() == 0)
			fail("the client was not notified");
	}
	return 10 * TURNS;
}

static const struct kind kinds[] = {
	{ .name = "latest", .prepare = prepare_latest, .measure = measure_one },
	{ .name = "last", .prepare = prepare_last, .measure = measure_one },
	{ .name = "page", .prepare = prepare_page, .measure = measure_page },
	{ .name = "since", .prepare = prepare_since, .measure = measure_page },
	{ .name = "all", .prepare = prepare_all, .measure = measure_all },
	{ .name = "clients", .prepare = prepare_clients, .measure = measure_clients },
};

int
main(int argc, char **argv)
{
	const struct access access = { 0 };
	char err[200];

	const struct kind *k =
	    argc == 3 ? kind_named(kinds, sizeof(kinds) / sizeof(kinds[0]), argv[1]) : NULL;
	wanted = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	if (!k || wanted == 0)
		fail("KIND N");
	buffer_init(&bytes, 1 << 20);
	if (server_init(&server, NULL, 1, STORE_MAX_SERIES, &access, err, sizeof(err)) < 0)
		fail(err);
	k->prepare();
	printf("%zu\n", measured(k));
	buffer_clear(&bytes);
	query_clear(&query);
	server_clear(&server);
	return 0;
}
