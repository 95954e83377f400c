#include "event-server/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/json.h"
#include "common/log.h"
#include "common/remedy.h"
#include "event-server/peer.h"

void
server_warn(struct server *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	double now = ev_now(s->loop);

	if (now - s->warnings.last < 1) {
		s->warnings.suppressed++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (s->warnings.suppressed)
		log_warning("%s (%lu more warnings suppressed)", text, s->warnings.suppressed);
	else
		log_warning("%s", text);
	s->warnings.last = now;
	s->warnings.suppressed = 0;
}

static void
find_watchers(struct server *s, struct store_type *type)
{
	struct eventer_types one = { 1, type->raw };
	struct eventer_types_iter it = eventer_types_begin(&one);
	struct eventer_type t;

	memset(type->watch_mask, 0, sizeof(type->watch_mask));
	type->watch_epoch = s->subscribers.epoch;
	if (!eventer_types_next(&it, &t))
		return;
	for (int i = 0; i < SERVER_SLOTS; i++)
		if (s->subscribers.slots[i] &&
		    subs_match(&s->subscribers.slots[i]->subscriptions, &t))
			type->watch_mask[i / 64] |= UINT64_C(1) << i % 64;
}

/* A bit for each slot. */
static const uint64_t *
watchers(struct server *s, struct store_type *type)
{
	if (type->watch_epoch != s->subscribers.epoch)
		find_watchers(s, type);
	return type->watch_mask;
}

static bool
has_slot(const uint64_t *mask, int slot)
{
	return mask[slot / 64] >> slot % 64 & 1;
}

/* The subscribers that any staged event concerns. */
static void
find_concerned(struct server *s, uint64_t *mask)
{
	memset(mask, 0, SERVER_SLOTS / 64 * sizeof(*mask));
	for (size_t i = 0; i < s->store.staged_count; i++) {
		const uint64_t *one = watchers(s, s->store.staged[i]->type);
		for (size_t k = 0; k < SERVER_SLOTS / 64; k++)
			mask[k] |= one[k];
	}
}

/* A subscriber beyond the slots is matched event by event. */
static bool
concerns(struct server *s, const struct peer *c, struct store_type *type)
{
	if (c->slot >= 0)
		return has_slot(watchers(s, type), c->slot);
	struct eventer_types one = { 1, type->raw };
	struct eventer_types_iter it = eventer_types_begin(&one);
	struct eventer_type t;

	return eventer_types_next(&it, &t) && subs_match(&c->subscriptions, &t);
}

static void
send_events(struct server *s, struct peer *c, size_t count, size_t bytes)
{
	if (count == 0 || eventer_begin_events_notify(&c->chatter, count, bytes, false) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct record *r = s->store.staged[s->picked.at[i]];
		buffer_append(&c->out, r->bytes, r->len);
	}
}

static void
notify_client(struct server *s, struct peer *c)
{
	size_t count = 0, bytes = 0;

	if (c->state != PEER_READY || c->subscription_count == 0 || c->foreign)
		return;
	for (size_t i = c->from; i < s->store.staged_count; i++) {
		const struct record *r = s->store.staged[i];
		if (!concerns(s, c, r->type))
			continue;
		if (bytes > SERVER_MAX_NOTIFY) {
			send_events(s, c, count, bytes);
			count = bytes = 0;
		}
		s->picked.at[count++] = i;
		bytes += r->len;
	}
	send_events(s, c, count, bytes);
}

/* Costs what is concerned, however many clients there are; beyond the slots each is looked at. */
static void
notify(struct server *s)
{
	uint64_t concerned[SERVER_SLOTS / 64];

	find_concerned(s, concerned);
	for (int k = 0; k < SERVER_SLOTS / 64; k++)
		for (uint64_t left = concerned[k]; left; left &= left - 1)
			notify_client(s, s->subscribers.slots[64 * k + __builtin_ctzll(left)]);
	if (s->subscribers.unslotted == 0)
		return;
	for (struct peer *c = s->clients; c; c = c->next)
		if (c->slot < 0)
			notify_client(s, c);
}

static void
answer(struct server *s, const struct request *r, bool committed)
{
	struct peer *c = r->client;
	size_t bytes = 0;

	if (!c)
		return;
	if (r->failed || !committed) {
		eventer_send_register_failure(&c->chatter, r->conv);
		return;
	}
	for (size_t i = r->first; i < r->first + r->count; i++)
		bytes += s->store.staged[i]->len;
	if (eventer_begin_register_res(&c->chatter, r->conv, r->count, bytes) < 0)
		return;
	for (size_t i = r->first; i < r->first + r->count; i++)
		buffer_append(&c->out, s->store.staged[i]->bytes, s->store.staged[i]->len);
}

static int
reserve_picked(struct server *s)
{
	if (s->store.staged_count <= s->picked.size)
		return 0;
	size_t *picked = realloc(s->picked.at, s->store.staged_size * sizeof(*picked));
	if (!picked)
		return -1;
	s->picked.at = picked;
	s->picked.size = s->store.staged_size;
	return 0;
}

static void
check_broken(struct server *s)
{
	if (!s->store.db || !db_is_broken(s->store.db) || s->broken)
		return;
	log_error("cannot write to the store any more: exiting; a restart loads the stored events");
	s->broken = true;
	ev_break(s->loop, EVBREAK_ALL);
}

/* The disk is full, or cannot be written: subscribers go on hearing of events. */
static void
begin_saving(struct server *s)
{
	if (ev_is_active(&s->save))
		return;
	log_error(
	    "cannot write to the store: %s%s. Events are kept in memory alone until it can be "
	    "written; requests that want an answer fail.",
	    db_error(s->store.db),
	    db_is_full(s->store.db) ? remedy_text(REMEDY_FOLDER, ENOSPC) : "");
	ev_timer_set(&s->save, SERVER_SAVE_S, 0);
	ev_timer_start(s->loop, &s->save);
}

static void
on_save(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct server *s = w->data;
	bool good = store_save(&s->store);

	(void)revents;
	check_broken(s);
	if (good && !s->store.behind) {
		log_notice("the store is written again: it has all events that are kept");
		return;
	}
	ev_timer_set(w, good ? 0 : SERVER_SAVE_S, 0);
	ev_timer_start(loop, w);
}

/* Does not close a client, which would register an event: the flush does that. */
void
server_commit(struct server *s)
{
	if (s->store.staged_count == 0 && s->request_count == 0)
		return;
	int result = reserve_picked(s) < 0 ? -1 : store_commit(&s->store);

	if (result == 1)
		begin_saving(s);
	if (result < 0)
		server_warn(s, "cannot store %zu events: %s", s->store.staged_count,
		    s->store.db ? db_error(s->store.db) : "out of memory");
	check_broken(s);
	if (result >= 0) {
		s->counts.commits += s->store.staged_count != 0;
		s->counts.events += s->store.staged_count;
		notify(s);
	}
	for (struct peer *c = s->subscribers.new ? s->clients : NULL; c; c = c->next)
		c->from = 0;
	s->subscribers.new = false;
	for (size_t i = 0; i < s->request_count; i++)
		answer(s, &s->requests[i], result == 0);
	s->request_count = 0;
	store_release(&s->store);
}

static struct request *
request_add(struct server *s)
{
	if (s->request_count == s->request_size) {
		size_t size = s->request_size ? s->request_size * 2 : 64;
		struct request *requests = realloc(s->requests, size * sizeof(*requests));
		if (!requests)
			return NULL;
		s->requests = requests;
		s->request_size = size;
	}
	return &s->requests[s->request_count++];
}

/* Said once of a device: in the log, and by an event that stays. */
static void
tell_full(struct server *s, const struct eventer_event *e)
{
	struct quota *device = quotas_get(&s->store.quotas, &e->type);
	char name[256];

	if (!device || device->told)
		return;
	device->told = true;
	quota_name(device, name, sizeof(name));
	log_warning("%s has %zu event types and %zu bytes of events: no more is kept of it "
		    "(--device-types, --device-bytes); what it has is replaced",
	    name, device->types, device->bytes);
}

/* NULL, or why the event cannot be registered. */
static const char *
stage(struct server *s, const struct eventer_event *e)
{
	if (e->payload.kind == EVENTER_PAYLOAD_JSON &&
	    !json_valid(e->payload.data.p, e->payload.data.len))
		return "a payload is not JSON";
	if (store_stage(&s->store, e) == 0)
		return NULL;
	if (errno == EMSGSIZE)
		return "an event is too large";
	if (errno == EDQUOT) {
		s->counts.refused_quota++;
		tell_full(s, e);
		return "its device keeps too much";
	}
	if (errno != ENOSPC)
		return "out of memory";
	s->counts.refused_full++;
	return "the store is full";
}

static void
begin_session(struct server *s)
{
	struct timestamp now = timestamp_now(), before;

	if (store_begin_session(&s->store, now, &before))
		log_notice("the clock went back from %lld.%06u s to %lld.%06u s since 1970: "
			   "timestamps follow it",
		    (long long)before.s, (unsigned)before.us, (long long)now.s, (unsigned)now.us);
}

/* Stages all events of a request whose client waits for the answer, or none; of others what can be
 * registered: an event that has no room costs no other. A malformed request leaves nothing behind.
 */
void
server_register(struct server *s, struct peer *client, struct chatter_conv conv,
    struct eventer_events_iter *events)
{
	size_t first = s->store.staged_count;
	const char *why = events->left > PEER_MAX_EVENTS ? "too many events" : NULL;
	bool whole = client || why;
	size_t refused = 0;
	struct eventer_event e;

	if (events->left && !why)
		begin_session(s);
	while (eventer_events_next(events, &e)) {
		const char *fault = whole && why ? why : stage(s, &e);
		why = why ? why : fault;
		refused += fault != NULL;
	}
	if (eventer_events_end(events) != DEC_OK) {
		store_unstage(&s->store, first);
		return;
	}
	if (why) {
		if (whole)
			store_unstage(&s->store, first);
		server_warn(s, "refused %zu events of a register request: %s", refused, why);
	}
	if (!client)
		return;
	struct request *r = request_add(s);
	if (!r) {
		peer_close(client, "found no memory");
		return;
	}
	*r = (struct request){ client, conv, first, s->store.staged_count - first, why != NULL };
}

void
server_register_own(
    struct server *s, const char *kind, const struct sbs_str *name, const char *text)
{
	char id[24];
	struct sbs_str segments[4] = { sbs_str("event"), { 0 }, sbs_str(kind) };
	struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_JSON, .data = sbs_str(text) };
	struct eventer_prefix none = { 0 };
	struct buffer b;

	snprintf(id, sizeof(id), "%lld", (long long)s->store.state.server);
	segments[1] = sbs_str(id);
	if (name)
		segments[3] = *name;
	buffer_init(&b, 2 * PEER_MAX_NAME);
	sbs_put_int(&b, 1);
	eventer_put_register_event(&b, &none, segments, name ? 4 : 3, NULL, &payload);
	struct eventer_events_iter it;
	struct sbs_str data = { (const char *)buffer_data(&b), b.len };
	if (eventer_register_req_decode(data, &it) == DEC_OK)
		server_register(s, NULL, (struct chatter_conv){ 0 }, &it);
	buffer_clear(&b);
}

/* Closes the client with the largest buffers when all buffers exceed the limit; whether it did. */
static bool
close_largest(struct server *s)
{
	struct peer *largest = NULL;
	size_t total = 0, most = 0;

	for (struct peer *c = s->clients; c; c = c->next) {
		size_t size = c->out.size + c->chatter.in.size;
		total += size;
		if (size > most && c->state != PEER_DEAD) {
			most = size;
			largest = c;
		}
	}
	if (total <= SERVER_MAX_BUFFERS || !largest)
		return false;
	peer_close(largest, "used the largest share of the buffers");
	return true;
}

static void
reap(struct server *s)
{
	struct peer **link = &s->clients;

	while (*link) {
		struct peer *c = *link;
		if (c->state != PEER_DEAD) {
			link = &c->next;
			continue;
		}
		*link = c->next;
		s->client_count--;
		peer_free(c);
	}
}

static bool
all_sent(const struct server *s)
{
	for (const struct peer *c = s->clients; c; c = c->next)
		if (c->state != PEER_DEAD && c->out.len)
			return false;
	return true;
}

static void
show_numbers(const struct server *s)
{
	const struct store *store = &s->store;
	const uint64_t now[NUMBER_COUNT] = {
		[NUMBER_TYPES] = store->type_count,
		[NUMBER_TYPES_MAX] = STORE_MAX_TYPES - STORE_OWN_TYPES,
		[NUMBER_BYTES] = store->bytes,
		[NUMBER_BYTES_MAX] = STORE_NEW_BYTES,
		[NUMBER_SERIES] = store->series.count,
		[NUMBER_SERIES_MAX] = store->series.max,
		[NUMBER_CLIENTS] = s->client_count,
		[NUMBER_EVENTS] = s->counts.events,
		[NUMBER_COMMITS] = s->counts.commits,
		[NUMBER_QUERIES] = s->counts.queries,
		[NUMBER_REFUSED_QUOTA] = s->counts.refused_quota,
		[NUMBER_REFUSED_FULL] = s->counts.refused_full,
		[NUMBER_UNSAVED] = store->behind,
	};

	for (int i = 0; s->counts.page && i < NUMBER_COUNT; i++)
		number_write(s->counts.page, (enum number)i, now[i]);
}

void
server_show_numbers(struct server *s, uint64_t *page)
{
	s->counts.page = page;
	show_numbers(s);
}

static void
on_before_sleep(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct server *s = w->data;
	bool closed = false;

	(void)revents;
	server_commit(s);
	for (struct peer *c = s->clients; c; c = c->next) {
		if (c->out.len || buffer_failed(&c->out))
			peer_flush(c);
		closed |= c->state == PEER_DEAD;
	}
	closed |= close_largest(s);
	if (closed)
		reap(s);
	show_numbers(s);
	if (s->status == EVENTER_STOPPING && all_sent(s))
		ev_break(loop, EVBREAK_ALL);
}

void
server_again(struct server *s)
{
	if (!ev_is_active(&s->again)) {
		ev_timer_set(&s->again, 0, 0);
		ev_timer_start(s->loop, &s->again);
	}
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct server *s = w->data;

	(void)loop, (void)revents;
	for (struct peer *c = s->clients; c; c = c->next)
		if (c->again && c->state != PEER_DEAD)
			peer_work(c);
}

static void
close_listeners(struct server *s)
{
	for (size_t i = 0; i < s->listeners.count; i++) {
		ev_io_stop(s->loop, &s->listeners.io[i]);
		fd_close(s->listeners.io[i].fd);
	}
	s->listeners.count = 0;
	ev_timer_stop(s->loop, &s->listeners.again);
	if (s->unix_path)
		remove(s->unix_path);
	s->unix_path = NULL;
}

static void
on_stop_timeout(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w, (void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void
on_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct server *s = w->data;

	(void)revents;
	if (s->status == EVENTER_STOPPING)
		return;
	log_notice("stopping");
	close_listeners(s);
	s->status = EVENTER_STOPPING;
	server_register_own(s, "engine", NULL, "\"STOPPED\"");
	server_commit(s);
	for (struct peer *c = s->clients; c; c = c->next)
		if (c->state == PEER_READY)
			eventer_send_status_notify(&c->chatter, s->status);
	ev_timer_set(&s->stop, SERVER_STOP_MS / 1000.0, 0);
	ev_timer_start(loop, &s->stop);
}

static void
on_retain(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct server *s = w->data;

	(void)loop, (void)revents;
	store_retain(&s->store, timestamp_now());
}

void
server_set_retention(struct server *s, const struct retention *r)
{
	store_set_retention(&s->store, r);
	store_retain(&s->store, timestamp_now());
	if (r->count)
		ev_timer_start(s->loop, &s->retain);
}

static void
start_signal(struct server *s, ev_signal *w, int number)
{
	ev_signal_init(w, on_signal, number);
	w->data = s;
	ev_signal_start(s->loop, w);
}

int
server_init(struct server *s, struct db *db, int64_t server_id, size_t series_max,
    const struct access *access, char *err, size_t err_size)
{
	*s = (struct server){
		.loop = ev_default_loop(EVFLAG_AUTO),
		.access = *access,
		.status = EVENTER_OPERATIONAL,
		.subscribers.epoch = 1,
	};
	s->access.own = geteuid();
	if (!s->loop) {
		snprintf(err, err_size, "no event loop");
		db_close(db);
		return -1;
	}
	if (store_init(&s->store, db, server_id, series_max, err, err_size) < 0)
		return -1;
	ev_prepare_init(&s->before_sleep, on_before_sleep);
	ev_timer_init(&s->again, on_again, 0, 0);
	ev_timer_init(&s->stop, on_stop_timeout, 0, 0);
	ev_timer_init(&s->save, on_save, SERVER_SAVE_S, 0);
	s->save.data = s;
	ev_timer_init(&s->retain, on_retain, SERVER_RETAIN_S, SERVER_RETAIN_S);
	s->before_sleep.data = s->again.data = s->stop.data = s->retain.data = s;
	ev_prepare_start(s->loop, &s->before_sleep);
	start_signal(s, &s->ends[0], SIGTERM);
	start_signal(s, &s->ends[1], SIGINT);
	return 0;
}

int
server_run(struct server *s)
{
	server_register_own(s, "engine", NULL, "\"STARTED\"");
	ev_run(s->loop, 0);
	return s->broken ? -1 : 0;
}

void
server_clear(struct server *s)
{
	close_listeners(s);
	for (struct peer *c = s->clients; c; c = c->next)
		peer_close(c, NULL);
	server_commit(s);
	if (s->store.behind && !store_save(&s->store))
		log_error(
		    "events that were kept in memory alone are lost: %s", db_error(s->store.db));
	reap(s);
	store_clear(&s->store);
	query_clear(&s->query);
	free(s->requests);
	free(s->picked.at);
	ev_loop_destroy(s->loop);
}
