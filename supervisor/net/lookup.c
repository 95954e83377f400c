#include "common/remedy.h"
#include "supervisor/net/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "supervisor/net/lookup_private.h"

static const char resolver_conf[] = "/etc/resolv.conf";

/* --- names --- */

static struct lookup **
bucket_of(struct lookups *l, const char *name)
{
	uint32_t hash = 2166136261U;

	for (const char *p = name; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619U;
	return &l->buckets[hash % LOOKUP_BUCKETS];
}

static struct lookup *
find(struct lookups *l, const char *name)
{
	struct lookup *n = *bucket_of(l, name);

	while (n && strcmp(n->name, name) != 0)
		n = n->next;
	return n;
}

static struct lookup *
add(struct lookups *l, const char *name)
{
	struct lookup **bucket = bucket_of(l, name), *n = calloc(1, sizeof(*n));

	if (!n || !(n->name = strdup(name))) {
		free(n);
		return NULL;
	}
	n->all = l;
	n->pipe = -1;
	n->next = *bucket;
	*bucket = n;
	return n;
}

static void
forget(struct lookup *n)
{
	struct lookup **at = bucket_of(n->all, n->name);

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	n->all->kept -= n->kept;
	free(n->name);
	free(n);
}

/* Forgets a look-up that is not worth remembering, and all that are remembered when they are too
 * many. */
static void
settle(struct lookup *n)
{
	struct lookups *l = n->all;

	if (n->state != LOOKUP_IDLE || n->waiting)
		return;
	if (!n->fresh && n->first == 0) {
		forget(n);
		return;
	}
	l->kept += !n->kept;
	n->kept = true;
	if (l->kept <= LOOKUP_MAX_KEPT)
		return;
	for (size_t i = 0; i < LOOKUP_BUCKETS; i++)
		for (struct lookup *m = l->buckets[i], *next; m; m = next) {
			next = m->next;
			if (m->kept)
				forget(m);
		}
}

/* --- the end of a look-up --- */

static bool
is_fresh(const struct lookup *n)
{
	return n->fresh && monotime_diff_ms(monotime_now(), n->when) < LOOKUP_FRESH_MS;
}

static void
put_into(struct lookup_wait *w, struct lookup_wait **list)
{
	w->list = list;
	w->next = *list;
	*list = w;
}

/* The loop hands the answer out; why NULL: found holds addresses. */
static void
answer(
    struct lookups *l, struct lookup_wait *w, const struct lookup_addresses *found, const char *why)
{
	w->found = *found;
	if (why) {
		w->found.count = 0;
		snprintf(w->why, sizeof(w->why), "%s", why);
	}
	put_into(w, &l->answered);
	if (!ev_is_active(&l->answers))
		ev_timer_start(l->loop, &l->answers);
}

static void
on_answers(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct lookups *l = timer->data;
	struct lookup_wait *w;

	(void)loop, (void)revents;
	while ((w = l->answered)) {
		l->answered = w->next;
		w->cb(w->arg, w->found.count ? &w->found : NULL, w->found.count ? NULL : w->why);
		free(w);
	}
}

void
lookup_end(struct lookup *n, const char *why)
{
	n->state = LOOKUP_IDLE;
	n->fresh = !why && !n->waiting;
	n->when = monotime_now();
	n->found.first = n->first < n->found.count ? n->first : 0;
	for (struct lookup_wait *w; (w = n->waiting);) {
		n->waiting = w->next;
		answer(n->all, w, &n->found, why);
	}
	settle(n);
}

static void
take(struct lookup_addresses *found, const struct sockaddr *a, socklen_t len)
{
	if (found->count == LOOKUP_MAX_ADDRESSES || len > sizeof(found->address[0]))
		return;
	memcpy(&found->address[found->count], a, len);
	found->length[found->count++] = len;
}

/* --- c-ares, on our loop --- */

static const double tick_s = 0.1;

/* While c-ares waits for anything it looks ten times a second for what took too long. For how long
 * it waits is not asked: Debian 12's on a machine of 32 bits answers with times of 32 bits, where
 * ours have 64. */
static void
schedule(struct lookups *l)
{
	struct timeval unread;

	ev_timer_stop(l->loop, &l->ares_timer);
	if (!ares_timeout(l->ares, NULL, &unread))
		return;
	ev_timer_set(&l->ares_timer, tick_s, 0.);
	ev_timer_start(l->loop, &l->ares_timer);
}

static void
on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct lookups *l = w->data;

	(void)loop;
	ares_process_fd(l->ares, revents & EV_READ ? w->fd : ARES_SOCKET_BAD,
	    revents & EV_WRITE ? w->fd : ARES_SOCKET_BAD);
	schedule(l);
}

static void
on_ares_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct lookups *l = w->data;

	(void)loop, (void)revents;
	ares_process_fd(l->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	schedule(l);
}

static void
on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct lookups *l = arg;
	struct lookup_socket *s = NULL;

	for (size_t i = 0; i < LOOKUP_MAX_SOCKETS && !(s && s->fd == fd); i++)
		if (l->sockets[i].fd == fd || (!s && l->sockets[i].fd == ARES_SOCKET_BAD))
			s = &l->sockets[i];
	/* Without a free slot the answer is not read, and the look-up times out. */
	if (!s)
		return;
	ev_io_stop(l->loop, &s->io);
	s->fd = readable || writable ? fd : ARES_SOCKET_BAD;
	if (s->fd == ARES_SOCKET_BAD)
		return;
	ev_io_set(&s->io, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	ev_io_start(l->loop, &s->io);
}

static int
open_ares(struct lookups *l)
{
	struct ares_options options = { .sock_state_cb = on_socket, .sock_state_cb_data = l };
	struct stat conf = { 0 };

	stat(resolver_conf, &conf);
	if (ares_init_options(&l->ares, &options, ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS)
		return -1;
	l->conf = conf;
	return 0;
}

/* c-ares reads its name servers once, but the network may be configured later, or change. What is
 * under way ends, and whoever waits asks again. */
static void
follow_conf(struct lookups *l)
{
	const struct stat *before = &l->conf;
	struct stat now = { 0 };

	stat(resolver_conf, &now);
	if (now.st_dev == before->st_dev && now.st_ino == before->st_ino &&
	    now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
	    now.st_mtim.tv_nsec == before->st_mtim.tv_nsec)
		return;
	ares_channel old = l->ares;
	if (open_ares(l) == 0)
		ares_destroy(old);
	else
		l->ares = old;
}

static const char *
remedy_of_status(int status)
{
	switch (status) {
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_SUCCESS:
		return remedy_text(REMEDY_NAME, REMEDY_NAME_UNKNOWN);
	case ARES_ECONNREFUSED:
	case ARES_ETIMEOUT:
	case ARES_ESERVFAIL:
		return remedy_text(REMEDY_NAME, REMEDY_NAME_NO_SERVER);
	default:
		return "";
	}
}

static void
on_resolved(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	struct lookup *n = arg;

	(void)timeouts;
	for (struct ares_addrinfo_node *a = result ? result->nodes : NULL; a; a = a->ai_next)
		take(&n->found, a->ai_addr, (socklen_t)a->ai_addrlen);
	ares_freeaddrinfo(result);
	snprintf(n->why, sizeof(n->why), "look up %.100s: %s%s", n->name,
	    status != ARES_SUCCESS ? ares_strerror(status) : "no address",
	    remedy_of_status(status));
	if (status == ARES_SUCCESS && n->found.count > 0)
		lookup_end(n, NULL);
	else if (!n->all->closing && lookup_process_is_needed(n->all))
		lookup_process_start(n);
	else
		lookup_end(n, n->why);
}

static void
begin(struct lookup *n)
{
	struct lookups *l = n->all;
	const struct ares_addrinfo_hints hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM };

	l->kept -= n->kept;
	n->kept = false;
	follow_conf(l);
	n->state = LOOKUP_DNS;
	n->found.count = 0;
	ares_getaddrinfo(l->ares, n->name, NULL, &hints, on_resolved, n);
	schedule(l);
}

/* --- what needs no resolver --- */

/* localhost is ours (RFC 6761 clause 6.3): without /etc/hosts the name server would be asked. */
static bool
find_numeric(const char *name, struct lookup_addresses *found)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	const char *const local[] = { "127.0.0.1", "::1" }, *const one[] = { name };
	bool is_local = strcasecmp(name, "localhost") == 0;

	found->count = found->first = 0;
	for (size_t i = 0; i < (is_local ? 2 : 1); i++) {
		struct addrinfo *list;
		if (getaddrinfo((is_local ? local : one)[i], NULL, &hints, &list) != 0)
			continue;
		take(found, list->ai_addr, list->ai_addrlen);
		freeaddrinfo(list);
	}
	return found->count > 0;
}

struct lookup_wait *
lookup_ask(struct lookups *l, const char *name, lookup_cb *cb, void *arg)
{
	struct lookup_wait *w = calloc(1, sizeof(*w));
	struct lookup_addresses found;

	if (!w)
		return NULL;
	w->cb = cb;
	w->arg = arg;
	if (find_numeric(name, &found)) {
		answer(l, w, &found, NULL);
		return w;
	}
	struct lookup *n = find(l, name);
	if (!n && !(n = add(l, name))) {
		free(w);
		return NULL;
	}
	if (is_fresh(n)) {
		answer(l, w, &n->found, NULL);
		n->fresh = false;
		settle(n);
		return w;
	}
	put_into(w, &n->waiting);
	if (n->state == LOOKUP_IDLE)
		begin(n);
	return w;
}

void
lookup_cancel(struct lookup_wait *w)
{
	if (!w)
		return;
	struct lookup_wait **at = w->list;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	free(w);
}

void
lookup_try_first(struct lookups *l, const char *name, size_t index)
{
	struct lookup *n = find(l, name);

	if (!n && index == 0)
		return;
	if (!n)
		n = add(l, name);
	if (!n)
		return;
	n->first = n->found.first = index;
	settle(n);
}

/* --- from one end to the other --- */

struct lookups *
lookups_new(struct ev_loop *loop, const char *program)
{
	struct lookups *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->loop = loop;
	l->program = program;
	for (size_t i = 0; i < LOOKUP_MAX_SOCKETS; i++) {
		l->sockets[i].fd = ARES_SOCKET_BAD;
		ev_io_init(&l->sockets[i].io, on_io, -1, EV_READ);
		l->sockets[i].io.data = l;
	}
	for (size_t i = 0; i < LOOKUP_MAX_PROCESSES; i++)
		l->processes[i] = (struct lookup_process){ .all = l, .pidfd = -1 };
	ev_timer_init(&l->ares_timer, on_ares_timer, 0., 0.);
	ev_timer_init(&l->answers, on_answers, 0., 0.);
	l->ares_timer.data = l->answers.data = l;
	if (ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS && open_ares(l) == 0)
		return l;
	log_error("cannot start the resolver");
	free(l);
	return NULL;
}

void
lookups_free(struct lookups *l)
{
	if (!l)
		return;
	l->closing = true;
	ares_destroy(l->ares);
	ares_library_cleanup();
	ev_timer_stop(l->loop, &l->ares_timer);
	ev_timer_stop(l->loop, &l->answers);
	while (l->answered)
		lookup_cancel(l->answered);
	for (size_t i = 0; i < LOOKUP_MAX_SOCKETS; i++)
		ev_io_stop(l->loop, &l->sockets[i].io);
	for (size_t i = 0; i < LOOKUP_BUCKETS; i++)
		while (l->buckets[i]) {
			struct lookup *n = l->buckets[i];
			lookup_process_stop(n);
			while (n->waiting)
				lookup_cancel(n->waiting);
			forget(n);
		}
	lookup_process_reap(l);
	free(l);
}
