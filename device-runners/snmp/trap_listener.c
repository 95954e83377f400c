/*
 * snmp_trap_listener (gateway-snmp(7)), a device in a runner process: hears traps and informs on
 * one bound socket, makes events of the objects that it is configured for, answers informs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/fdutil.h"
#include "device-runners/runtime/limit.h"
#include "device-runners/runtime/peer_address.h"
#include "device-runners/runtime/report/describe.h"
#include "device-runners/runtime/report/health.h"
#include "device-runners/runtime/report/trace.h"
#include "device-runners/snmp/describe.h"
#include "device-runners/snmp/snmp.h"
#include "device-runners/snmp/trap_conf.h"
#include "device-runners/snmp/value.h"

enum {
	TRAP_BURST = 64, /* datagrams that are read in one turn of the loop */
	/* Bytes of payload that one turn may make: far below what ends a runner, and what is above
	 * it is a datagram that many devices take. */
	TRAP_TURN_BYTES = 4 * 1024 * 1024,
};

struct trap_listener {
	struct runner *runner;
	struct ev_loop *loop;
	struct trap_conf conf;
	struct listener listener;
	struct health_end **healths; /* by device: up once something was heard; owned */
	struct trace trace;
	int resource, fd;
	uint32_t open_id;
	ev_io io;
	struct sockaddr_storage from; /* of the datagram that is looked at */
	socklen_t from_len;
	size_t turn_bytes;
	uint32_t overflow; /* the kernel's count of what it lost, as it was last */
	struct limit input_limit, loss_limit;
	uint64_t *traps, *informs, *bad, *unknown_users, *wrong_levels, *wrong_digests,
	    *undecryptable, *unknown_engines, *not_in_time, *reports, *reports_left_out, *dropped,
	    *events, *left_out, *unanswered;
};

/* --- Events --- */

static void
register_binding(struct trap_listener *t, const struct trap_device *d, const struct snmp_binding *b)
{
	char oid_text[BER_OID_TEXT];
	const char *const type[] = { "gateway", "data", d->name, oid_text };
	struct json_writer *w = runner_payload(t->runner);
	bool hex = snmp_conf_oids_has(&d->hex, b->name.data, b->name.len);
	struct ber_oid oid;

	if (t->turn_bytes > TRAP_TURN_BYTES || !ber_oid_read(&oid, b->name.data, b->name.len) ||
	    !value_put(w, NULL, &b->value, hex, d->version)) {
		++*t->left_out;
		limit_warning(&t->input_limit,
		    "an object for %s makes no event: its value is none of its type, or too many "
		    "devices take it",
		    d->name);
		return;
	}
	ber_oid_text(&oid, oid_text);
	t->turn_bytes += w->b->len;
	++*t->events;
	runner_register_payload(t->runner, type, 4, NULL);
}

static bool
takes(const struct trap_device *d, const struct listener_heard *h)
{
	if (d->version != h->version || d->any)
		return false;
	if (d->version == SNMP_V3)
		return snmp_text_is(h->context_engine, d->context.id, d->context.len) &&
		       snmp_text_is(h->context_name, d->context_name, strlen(d->context_name));
	return snmp_text_is(h->community, d->community, strlen(d->community));
}

static void
register_for(struct trap_listener *t, const struct trap_device *d, const struct listener_heard *h)
{
	health_answered(t->healths[d - t->conf.devices], 0, 0);
	for (size_t i = 0; i < h->count; i++)
		if (snmp_conf_oids_has(&d->oids, h->bindings[i].name.data, h->bindings[i].name.len))
			register_binding(t, d, &h->bindings[i]);
}

/* Devices that name the community or context come first, then those that take every one. */
static void
on_heard(void *arg, const struct listener_heard *h)
{
	struct trap_listener *t = arg;

	for (size_t i = 0; i < t->conf.device_count; i++)
		if (takes(&t->conf.devices[i], h))
			register_for(t, &t->conf.devices[i], h);
	for (size_t i = 0; i < t->conf.device_count; i++)
		if (t->conf.devices[i].any && t->conf.devices[i].version == h->version)
			register_for(t, &t->conf.devices[i], h);
}

/* A sender that gets no answer sends its inform again. */
static void
reply(void *arg, const uint8_t *data, size_t len)
{
	struct trap_listener *t = arg;

	trace_frame(&t->trace, TRACE_TX, data, len);
	if (sendto(t->fd, data, len, MSG_NOSIGNAL, (const struct sockaddr *)&t->from, t->from_len) <
	    0)
		++*t->unanswered;
}

static const struct listener_ops listener_ops = { .on_heard = on_heard, .reply = reply };

/* --- Receiving --- */

static void
copy_counts(struct trap_listener *t)
{
	const struct listener_counts *c = &t->listener.counts;

	*t->traps = c->traps;
	*t->informs = c->informs;
	*t->bad = c->bad;
	*t->unknown_users = c->unknown_users;
	*t->wrong_levels = c->wrong_levels;
	*t->wrong_digests = c->wrong_digests;
	*t->undecryptable = c->undecryptable;
	*t->unknown_engines = c->unknown_engines;
	*t->not_in_time = c->not_in_time;
	*t->reports = c->reports;
	*t->reports_left_out = c->reports_left_out;
}

/* SO_RXQ_OVFL: how many datagrams the socket has lost ever. */
static void
count_lost(struct trap_listener *t, struct msghdr *m)
{
	uint32_t overflow;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&overflow, CMSG_DATA(c), sizeof(overflow));
		uint32_t lost = overflow - t->overflow;
		t->overflow = overflow;
		*t->dropped += lost;
		if (lost)
			limit_warning(&t->loss_limit,
			    "%u datagrams came faster than they are taken, and are lost", lost);
	}
}

static void
log_dropped(struct trap_listener *t, const char *why)
{
	struct peer_address from;

	peer_address_read(&from, &t->from);
	limit_warning(
	    &t->input_limit, "a datagram of %s port %u is dropped: %s", from.host, from.port, why);
}

/* One datagram; false where there is none. */
static bool
receive_one(struct trap_listener *t, struct monotime now)
{
	static uint8_t data[SNMP_MAX_DATAGRAM + 1];
	union {
		char room[CMSG_SPACE(sizeof(uint32_t))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { .msg_name = &t->from,
		.msg_namelen = sizeof(t->from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(t->fd, &m, MSG_DONTWAIT);

	if (n < 0)
		return errno != EAGAIN;
	t->from_len = m.msg_namelen;
	count_lost(t, &m);
	if (trace_is_wanted(&t->trace))
		trace_set_remote(&t->trace, &t->from);
	trace_frame(&t->trace, TRACE_RX, data, (size_t)n);
	const char *why = listener_receive(&t->listener, data, (size_t)n, now);
	if (why)
		log_dropped(t, why);
	return true;
}

/* Without a way to the Event Server the kernel holds what comes, and counts what it loses. */
static void
on_readable(struct ev_loop *loop, ev_io *w, int events)
{
	struct trap_listener *t = w->data;
	struct monotime now = monotime_now();

	(void)events;
	if (runner_congested(t->runner)) {
		ev_io_stop(loop, w);
		return;
	}
	t->turn_bytes = 0;
	for (int i = 0; i < TRAP_BURST && t->turn_bytes < TRAP_TURN_BYTES / 4; i++)
		if (!receive_one(t, now))
			break;
	copy_counts(t);
}

static void
trap_listener_on_credit(void *device)
{
	struct trap_listener *t = device;

	if (t->fd >= 0)
		ev_io_start(t->loop, &t->io);
}

static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct trap_listener *t = arg;

	t->open_id = 0;
	if (fd < 0)
		runner_fail(t->runner, "%s", why ? why : strerror(error));
	t->fd = fd;
	ev_io_set(&t->io, fd, EV_READ);
	ev_io_start(t->loop, &t->io);
	trace_set_socket(&t->trace, fd);
	runner_ready(t->runner);
	runner_set_link(t->runner, "listening");
}

/* --- Life --- */

static void
trap_listener_start(void *device)
{
	struct trap_listener *t = device;

	t->open_id = runner_open(t->runner, t->resource, on_opened, t);
}

static void
trap_listener_on_event(void *device, const struct runner_event *event)
{
	(void)device, (void)event;
}

static void
trap_listener_stop(void *device)
{
	struct trap_listener *t = device;

	runner_cancel(t->runner, t->open_id);
	ev_io_stop(t->loop, &t->io);
	fd_close(t->fd);
	t->fd = -1;
	copy_counts(t);
}

static void
trap_listener_free(void *device)
{
	struct trap_listener *t = device;

	if (!t)
		return;
	listener_clear(&t->listener);
	free(t->healths);
	trap_conf_clear(&t->conf);
	free(t);
}

static void
make_counters(struct trap_listener *t)
{
	t->traps = runner_counter(t->runner, "traps");
	t->informs = runner_counter(t->runner, "informs");
	t->events = runner_counter(t->runner, "events");
	t->left_out = runner_counter(t->runner, "objects_left_out");
	t->bad = runner_counter(t->runner, "bad_messages");
	t->unknown_users = runner_counter(t->runner, "unknown_users");
	t->wrong_levels = runner_counter(t->runner, "wrong_level");
	t->wrong_digests = runner_counter(t->runner, "wrong_digests");
	t->undecryptable = runner_counter(t->runner, "decryption_errors");
	t->unknown_engines = runner_counter(t->runner, "unknown_engines");
	t->not_in_time = runner_counter(t->runner, "not_in_time_window");
	t->reports = runner_counter(t->runner, "reports");
	t->reports_left_out = runner_counter(t->runner, "reports_left_out");
	t->dropped = runner_counter(t->runner, "lost_in_socket");
	t->unanswered = runner_counter(t->runner, "answers_not_sent");
}

static void *
trap_listener_create(struct runner *r, const struct json *conf)
{
	struct trap_listener *t = runner_alloc(r, 1, sizeof(*t));

	t->runner = r;
	t->loop = runner_loop(r);
	t->fd = -1;
	if (trap_conf_load(&t->conf, r, conf) < 0) {
		trap_listener_free(t);
		return NULL;
	}
	trace_init(&t->trace, r, "snmp", true, describe_frame, NULL);
	if (listener_init(&t->listener, &t->conf.listener, &listener_ops, t, monotime_now(),
		(uint32_t)snmp_conf_chance()) < 0)
		runner_fail(r, "out of memory");
	make_counters(t);
	t->healths = runner_alloc(r, t->conf.device_count + 1, sizeof(*t->healths));
	for (size_t i = 0; i < t->conf.device_count; i++) {
		t->healths[i] = health_add(r, "%s", t->conf.devices[i].name);
		health_off(t->healths[i], "nothing was heard of it yet");
	}
	t->resource = runner_plan_udp_listen(r, t->conf.host, t->conf.port);
	ev_init(&t->io, on_readable);
	t->io.data = t;
	return t;
}

static bool
trap_listener_describe_data(void *device, struct describe *d, size_t i)
{
	const struct trap_listener *t = device;
	char name[300];

	if (i >= t->conf.device_count)
		return false;
	const char *const gives[] = { "gateway", "data", t->conf.devices[i].name, "?", NULL };
	snprintf(name, sizeof(name), "%s/?", t->conf.devices[i].name);
	describe_put(d,
	    &(struct describe_data){
		.name = name, .value = "json", .about = "objects that it sent", .gives = gives });
	return true;
}

const struct runner_device snmp_trap_listener_device = {
	.type = "snmp_trap_listener",
	.schema = &trap_conf_schema,
	.create = trap_listener_create,
	.describe = describe_trap_listener,
	.describe_data = trap_listener_describe_data,
	.start = trap_listener_start,
	.on_event = trap_listener_on_event,
	.on_credit = trap_listener_on_credit,
	.stop = trap_listener_stop,
	.free = trap_listener_free,
};
