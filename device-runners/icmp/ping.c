/*
 * ping (gateway-ping(7)), a device in a runner process: asks hosts for an echo and registers which
 * of them answer. Each host has a socket of its own, connected to it, so that the kernel looks at
 * who answers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "common/fdutil.h"
#include "device-runners/icmp/heap.h"
#include "device-runners/icmp/ping.h"
#include "device-runners/icmp/ping_conf.h"
#include "device-runners/runtime/report/describe.h"
#include "device-runners/runtime/report/health.h"
#include "device-runners/runtime/peer_address.h"
#include "device-runners/runtime/report/trace.h"
#include "protocols/icmp/icmp_text.h"

enum {
	PING_OPENS = 32, /* sockets asked for at once */
	/* Sockets asked for in a second: who asks for 500 is ended (CHILD_FREE_OPENS). Two of our
	 * seconds may fall into one of the supervisor's. */
	PING_OPENS_A_SECOND = 200,
	PING_SPREAD_NS =
	    1000000000 / PING_OPENS_A_SECOND, /* between the first series of two hosts */
	PING_TURN_NS = 4000000, /* what is due within it is done in one turn of the loop */
	/* Requests that are sent before replies are read: what those wait for is part of their
	 * round trips. */
	PING_BATCH = 8,
	PING_BURST = 8, /* replies of one host that are read before a time-out is believed */
};

struct host {
	struct heap_entry entry; /* first: the heap gives it back */
	struct ping *ping;
	struct probe probe;
	const struct ping_host *conf;
	struct health_end *health;
	bool failed; /* the last try failed by an error, not by a time-out */
	int resource, fd;
	uint32_t open_id; /* 0: not asked for */
	bool wants_open;
	enum icmp_family family;
	uint16_t id; /* of its requests; a datagram socket has its own */
	bool told;   /* AVAILABLE was registered */
	ev_io io;
};

_Static_assert(offsetof(struct host, entry) == 0, "the heap's entry comes first");

struct ping {
	struct runner *runner;
	struct ev_loop *loop;
	struct host *hosts; /* owned */
	size_t count, opening, next_open, available;
	bool opened;	  /* a socket was given ever */
	const char *link; /* as it was told */
	struct ping_conf conf;
	struct trace trace; /* of the host at hand */
	struct heap heap;
	ev_timer timer;
	struct monotime last_turn, armed, opens_since;
	bool behind;	    /* that turn left what was due */
	unsigned opens;	    /* since then */
	struct host **held; /* who waits to ask for a socket, a ring of count; owned */
	size_t held_first, held_count;
	uint64_t *requests, *replies, *lost, *strangers, *available_hosts, *least_us, *average_us,
	    *most_us, *last_us;
	int64_t sum_ns; /* of all round trips */
	uint8_t random[16 * ICMP_DATA];
	size_t random_left;
};

static void open_waiting(struct ping *p);

static void
tell_link(struct ping *p)
{
	const char *link = p->count == 0	      ? "no_hosts"
			   : p->available == p->count ? "available"
			   : p->available	      ? "some_available"
						      : "not_available";

	if (p->link != link)
		runner_set_link(p->runner, link);
	p->link = link;
}

static void
tell(struct host *h, bool available)
{
	const char *const type[] = { "gateway", "status", h->conf->name };
	struct ping *p = h->ping;

	json_put_str(runner_payload(p->runner), NULL, available ? "AVAILABLE" : "NOT_AVAILABLE");
	runner_register_payload(p->runner, type, 3, NULL);
	p->available += available;
	p->available -= h->told;
	h->told = available;
	*p->available_hosts = p->available;
	tell_link(p);
}

/* --- Sockets --- */

static void
close_socket(struct host *h)
{
	struct ping *p = h->ping;

	if (h->open_id) {
		runner_cancel(p->runner, h->open_id);
		h->open_id = 0;
		p->opening--;
	}
	h->wants_open = false;
	ev_io_stop(p->loop, &h->io);
	fd_close(h->fd);
	h->fd = -1;
}

/* The timer may be early, which costs a turn of the loop; it is a little late, so that one turn
 * does what is due in some milliseconds. */
static void
arm(struct ping *p)
{
	const struct heap_entry *first = heap_first(&p->heap);

	if (!first)
		return;
	int64_t next = p->last_turn.ns + (p->behind ? 0 : PING_TURN_NS), at = first->at.ns;
	int64_t held = monotime_add_ms(p->opens_since, 1000).ns;
	if (p->held_count && held < at)
		at = held;
	at = at > next ? at : next;
	if (ev_is_active(&p->timer) && p->armed.ns <= at)
		return;
	p->armed.ns = at;
	double in = (double)(at - monotime_now().ns) * 1e-9;
	ev_now_update(p->loop);
	ev_timer_stop(p->loop, &p->timer);
	ev_timer_set(&p->timer, in > 0 ? in : 0, 0);
	ev_timer_start(p->loop, &p->timer);
}

/* A turn of the loop for one host: its place in the heap and what is news of it. */
static void
settle(struct host *h)
{
	heap_move(&h->ping->heap, &h->entry, h->probe.deadline);
	if (h->probe.available != h->told && !runner_congested(h->ping->runner))
		tell(h, h->probe.available);
}

static void
fail_try(struct host *h, const char *why)
{
	log_debug("%s (%s): %s", h->conf->name, h->conf->address, why);
	health_note_error(h->health, "%s", why);
	h->failed = true;
	probe_failed(&h->probe, monotime_now());
}

/* Octets that nobody can know who does not see the request. */
static void
random_data(struct ping *p, uint8_t data[ICMP_DATA])
{
	if (p->random_left < ICMP_DATA) {
		if (getrandom(p->random, sizeof(p->random), 0) != sizeof(p->random))
			runner_fail(p->runner, "no random numbers: %s", strerror(errno));
		p->random_left = sizeof(p->random);
	}
	p->random_left -= ICMP_DATA;
	memcpy(data, p->random + p->random_left, ICMP_DATA);
}

static void
decode(struct textbuf *out, const void *arg, enum trace_direction dir, const uint8_t *p, size_t len)
{
	(void)dir;
	icmp_text(out, *(const enum icmp_family *)arg, p, len);
}

static void
show(struct host *h, enum trace_direction dir, const uint8_t *data, size_t len)
{
	struct trace *t = &h->ping->trace;

	if (!trace_is_wanted(t))
		return;
	const uint8_t *message = icmp_message(h->family, data, &len);
	t->protocol = h->family == ICMP_V4 ? "icmp" : "icmpv6";
	t->arg = &h->family;
	trace_set_socket(t, h->fd);
	trace_set_name(t, h->conf->address);
	if (message)
		trace_frame(t, dir, message, len);
}

static void
send_request(struct host *h)
{
	uint8_t data[ICMP_DATA], out[ICMP_ECHO];
	struct ping *p = h->ping;

	random_data(p, data);
	icmp_request_encode(out, h->family, h->id, probe_send(&h->probe, data, monotime_now()));
	++*p->requests;
	health_sent(h->health, sizeof(out));
	if (h->probe.tries > 1)
		health_retried(h->health);
	show(h, TRACE_TX, out, sizeof(out));
	ssize_t n = send(h->fd, out, sizeof(out), MSG_NOSIGNAL);
	/* The kernel reports the error of an earlier request to this one. */
	if (n < 0 && (errno == ECONNREFUSED || errno == EHOSTUNREACH))
		n = send(h->fd, out, sizeof(out), MSG_NOSIGNAL);
	if (n < 0)
		fail_try(h, strerror(errno));
}

static void
do_task(struct host *h, enum probe_task task)
{
	switch (task) {
	case PROBE_OPEN:
		h->wants_open = true;
		open_waiting(h->ping);
		break;
	case PROBE_SEND:
		send_request(h);
		break;
	case PROBE_CLOSE:
		close_socket(h);
		open_waiting(h->ping);
		break;
	default:
		break;
	}
}

/* One message of the socket; false where there is none. */
static bool
receive_one(struct host *h)
{
	struct ping *p = h->ping;
	uint8_t data[ICMP_MAX];
	struct icmp_echo reply;
	ssize_t n = recv(h->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0)
		return errno != EAGAIN && errno != EBADF;
	show(h, TRACE_RX, data, (size_t)n);
	struct monotime now = monotime_now();
	if (icmp_reply_decode(&reply, h->family, data, (size_t)n) != DEC_OK ||
	    !probe_received(&h->probe, &reply, now)) {
		++*p->strangers;
		return true;
	}
	health_answered(h->health, h->probe.times.last_ns, (size_t)n);
	int64_t us = h->probe.times.last_ns / 1000;
	++*p->replies;
	p->sum_ns += h->probe.times.last_ns;
	*p->last_us = (uint64_t)us;
	*p->average_us = (uint64_t)(p->sum_ns / 1000 / (int64_t)*p->replies);
	if (*p->replies == 1 || (uint64_t)us < *p->least_us)
		*p->least_us = (uint64_t)us;
	if ((uint64_t)us > *p->most_us)
		*p->most_us = (uint64_t)us;
	return true;
}

static void
receive(struct host *h)
{
	for (int i = 0; i < PING_BURST && h->fd >= 0; i++)
		if (!receive_one(h))
			break;
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct host *h = w->data;

	(void)loop, (void)events;
	receive_one(h);
	settle(h);
	arm(h->ping);
}

/* The identifier that a datagram socket puts into its requests is its port. */
static uint16_t
identifier(const struct host *h, int fd, const struct sockaddr_storage *ss)
{
	struct peer_address own;
	int type = 0;
	socklen_t len = sizeof(type);

	peer_address_read(&own, ss);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM)
		return own.port;
	return (uint16_t)(h - h->ping->hosts);
}

static void
use_socket(struct host *h, int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	h->fd = fd;
	/* The family is that of its own address: a socket without ports has no peer name. */
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		runner_fail(h->ping->runner, "getsockname: %s", strerror(errno));
	h->family = ss.ss_family == AF_INET6 ? ICMP_V6 : ICMP_V4;
	h->id = identifier(h, fd, &ss);
	ev_io_set(&h->io, fd, EV_READ);
	ev_io_start(h->ping->loop, &h->io);
}

static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct host *h = arg;
	struct ping *p = h->ping;

	h->open_id = 0;
	p->opening--;
	if (fd >= 0) {
		p->opened = true;
		use_socket(h, fd);
		do_task(h, probe_opened(&h->probe));
	} else if (!p->opened && (error == EACCES || error == EPERM)) {
		/* No host will get one: an operator has to do something. */
		runner_fail(p->runner, "%s", why);
	} else {
		fail_try(h, why ? why : strerror(error));
	}
	settle(h);
	open_waiting(p);
	arm(p);
}

/* Asks for the sockets that are wanted, some at once, in turn. */
static void
open_waiting(struct ping *p)
{
	for (size_t i = 0; i < p->count && p->opening < PING_OPENS; i++) {
		struct host *h = &p->hosts[p->next_open];
		p->next_open = (p->next_open + 1) % p->count;
		if (!h->wants_open)
			continue;
		h->open_id = runner_open(p->runner, h->resource, on_opened, h);
		if (!h->open_id)
			return;
		h->wants_open = false;
		p->opening++;
	}
}

/* --- The timer --- */

/* Whether another socket may be asked for now. */
static bool
may_open(struct ping *p, struct monotime now)
{
	if (monotime_diff_ms(now, p->opens_since) >= 1000) {
		p->opens_since = now;
		p->opens = 0;
	}
	return p->opens < PING_OPENS_A_SECOND;
}

/* It waits for its turn behind those that wait already, and is not due meanwhile. */
static void
hold(struct host *h)
{
	struct ping *p = h->ping;

	heap_move(&p->heap, &h->entry, (struct monotime){ INT64_MAX });
	p->held[(p->held_first + p->held_count++) % p->count] = h;
}

static void
tick(struct host *h, struct monotime now)
{
	struct ping *p = h->ping;

	if (probe_opens_next(&h->probe)) {
		if (!may_open(p, now)) {
			hold(h);
			return;
		}
		p->opens++;
	}
	/* A reply that is there came in time. */
	if (h->probe.state == PROBE_WAITING)
		receive(h);
	if (h->probe.state == PROBE_WAITING && monotime_cmp(h->probe.deadline, now) <= 0) {
		++*p->lost;
		h->failed = false;
		health_lost(h->health);
	}
	enum probe_task task = probe_tick(&h->probe, now);
	/* A series ended without a reply. */
	if (task == PROBE_CLOSE && h->probe.state == PROBE_IDLE)
		health_down(h->health, "no reply to %u requests%s%s",
		    (unsigned)h->conf->probe.retries + 1, h->failed ? ": " : "",
		    h->failed ? health_last_error(h->health) : "");
	do_task(h, task);
	settle(h);
}

static struct heap_entry *
first_due(const struct ping *p, struct monotime now)
{
	struct heap_entry *first = heap_first(&p->heap);

	return first && monotime_cmp(first->at, now) <= 0 ? first : NULL;
}

static void
on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct ping *p = w->data;
	struct monotime now = monotime_now();
	struct heap_entry *first;

	(void)loop, (void)events;
	p->last_turn = now;
	for (size_t i = 0; i < PING_BATCH && (first = first_due(p, now)); i++)
		tick((struct host *)first, now);
	p->behind = first_due(p, now);
	while (p->held_count && may_open(p, now)) {
		struct host *h = p->held[p->held_first];
		p->held_first = (p->held_first + 1) % p->count;
		p->held_count--;
		tick(h, now);
	}
	arm(p);
}

/* --- Life --- */

static void
ping_start(void *device)
{
	struct ping *p = device;
	struct monotime now = monotime_now();

	runner_ready(p->runner);
	for (size_t i = 0; i < p->count; i++) {
		struct host *h = &p->hosts[i];
		probe_init(&h->probe, &h->conf->probe,
		    (struct monotime){ now.ns + (int64_t)i * PING_SPREAD_NS });
		heap_add(&p->heap, &h->entry, h->probe.deadline);
		tell(h, false);
	}
	tell_link(p);
	arm(p);
}

static void
ping_on_event(void *device, const struct runner_event *event)
{
	(void)device, (void)event;
}

/* Tells the changes that came while there was no way to the Event Server. */
static void
ping_on_credit(void *device)
{
	struct ping *p = device;

	for (size_t i = 0; i < p->count; i++)
		if (p->hosts[i].probe.available != p->hosts[i].told)
			tell(&p->hosts[i], p->hosts[i].probe.available);
}

static void
ping_stop(void *device)
{
	struct ping *p = device;

	ev_timer_stop(p->loop, &p->timer);
	for (size_t i = 0; i < p->count; i++) {
		close_socket(&p->hosts[i]);
		if (p->hosts[i].told)
			tell(&p->hosts[i], false);
	}
}

static void
ping_free(void *device)
{
	struct ping *p = device;

	if (!p)
		return;
	free(p->hosts);
	free(p->held);
	heap_clear(&p->heap);
	ping_conf_clear(&p->conf);
	free(p);
}

/* --- Making --- */

static void
make_counters(struct ping *p)
{
	p->requests = runner_counter(p->runner, "requests");
	p->replies = runner_counter(p->runner, "replies");
	p->lost = runner_counter(p->runner, "lost");
	p->strangers = runner_counter(p->runner, "unexpected_messages");
	p->available_hosts = runner_counter(p->runner, "hosts_available");
	p->least_us = runner_counter(p->runner, "round_trip_min_us");
	p->average_us = runner_counter(p->runner, "round_trip_avg_us");
	p->most_us = runner_counter(p->runner, "round_trip_max_us");
	p->last_us = runner_counter(p->runner, "round_trip_last_us");
}

static void *
ping_create(struct runner *r, const struct json *conf)
{
	struct ping *p = runner_alloc(r, 1, sizeof(*p));

	p->runner = r;
	p->loop = runner_loop(r);
	if (ping_conf_load(&p->conf, r, conf) < 0) {
		ping_free(p);
		return NULL;
	}
	trace_init(&p->trace, r, "icmp", false, decode, NULL);
	p->count = p->conf.count;
	p->hosts = calloc(p->count + 1, sizeof(*p->hosts));
	p->held = calloc(p->count + 1, sizeof(struct host *));
	if (!p->hosts || !p->held || heap_init(&p->heap, p->count) < 0)
		runner_fail(r, "out of memory");
	for (size_t i = 0; i < p->count; i++) {
		struct host *h = &p->hosts[i];
		*h = (struct host){ .ping = p, .conf = &p->conf.hosts[i], .fd = -1 };
		h->resource = runner_plan_icmp(r, h->conf->address);
		h->health = health_add(r, "%s (%s)", h->conf->name, h->conf->address);
		ev_init(&h->io, on_readable);
		h->io.data = h;
	}
	make_counters(p);
	ev_init(&p->timer, on_timer);
	ev_set_priority(&p->timer, EV_MINPRI); /* after the replies to what was sent before */
	p->timer.data = p;
	return p;
}

static bool
ping_describe_data(void *device, struct describe *d, size_t i)
{
	const struct ping *p = device;

	if (i >= p->count)
		return false;
	const char *const gives[] = { "gateway", "status", p->hosts[i].conf->name, NULL };
	describe_put(d, &(struct describe_data){ .name = p->hosts[i].conf->name,
			    .value = "AVAILABLE|NOT_AVAILABLE",
			    .about = p->hosts[i].conf->address,
			    .gives = gives });
	return true;
}

const struct runner_device ping_device = {
	.type = "ping",
	.schema = &ping_conf_schema,
	.create = ping_create,
	.describe = ping_conf_describe,
	.describe_data = ping_describe_data,
	.start = ping_start,
	.on_event = ping_on_event,
	.on_credit = ping_on_credit,
	.stop = ping_stop,
	.free = ping_free,
};
