#include "device-runners/runtime/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fdutil.h"

const struct schema acceptor_host_schema = { .kind = SCHEMA_STRING };

static bool
host_allowed(const struct acceptor *a, const char *host)
{
	if (!a->hosts)
		return true;
	for (size_t i = 0; i < a->host_count; i++)
		if (strcmp(a->hosts[i], host) == 0)
			return true;
	return false;
}

static size_t
count_of(const struct acceptor *a, const char *host)
{
	size_t n = 0;

	for (size_t i = 0; i < a->count; i++)
		n += strcmp(a->slots[i].remote.host, host) == 0;
	return n;
}

/* The oldest connection that is not engaged, of the address that has most; or NULL. */
static const struct acceptor_slot *
find_idle(const struct acceptor *a)
{
	const struct acceptor_slot *found = NULL;
	size_t most = 0;

	for (size_t i = 0; i < a->count; i++) {
		size_t n = a->slots[i].engaged ? 0 : count_of(a, a->slots[i].remote.host);
		if (n > most) {
			most = n;
			found = &a->slots[i];
		}
	}
	return found;
}

/* The newest connection of an address, not this one, that has more than its share; or NULL. */
static const struct acceptor_slot *
find_excess(const struct acceptor *a, const char *host)
{
	for (size_t i = a->count; a->max >= 4 && i > 0; i--) {
		const struct acceptor_slot *s = &a->slots[i - 1];
		if (strcmp(s->remote.host, host) != 0 &&
		    count_of(a, s->remote.host) > a->max - a->max / 4)
			return s;
	}
	return NULL;
}

/* Whether there is room for a connection from that address; another one may be closed for it. */
static bool
make_room(struct acceptor *a, const char *host)
{
	if (a->count < a->max)
		return true;
	const struct acceptor_slot *s = find_idle(a);
	if (!s)
		s = find_excess(a, host);
	if (!s)
		return false;
	limit_warning(&a->refused,
	    "closed a connection of %s, which %s: one from %s came, and "
	    "max_connections is reached",
	    s->remote.host, s->engaged ? "has most" : "asked nothing yet", host);
	a->ops->evict(a->arg, s->id);
	return true;
}

static void
take(struct acceptor *a, int fd, const struct sockaddr_storage *from)
{
	struct sockaddr_storage here = { 0 };
	socklen_t len = sizeof(here);
	struct peer_address local, remote;
	const char *why = NULL;

	peer_address_read(&remote, from);
	if (!host_allowed(a, remote.host))
		why = "not one of remote_hosts";
	else if (!make_room(a, remote.host))
		why = "max_connections is reached";
	if (why) {
		limit_warning(&a->refused, "closed a connection from %s: %s", remote.host, why);
		fd_close(fd);
		return;
	}
	getsockname(fd, (struct sockaddr *)&here, &len);
	peer_address_read(&local, &here);
	struct acceptor_slot *slot = &a->slots[a->count++];
	*slot = (struct acceptor_slot){ .remote = remote };
	slot->id = a->ops->admit(a->arg, fd, &local, &remote);
}

static void
on_acceptable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct acceptor *a = w->data;

	(void)revents;
	if (runner_congested(a->runner)) {
		ev_io_stop(loop, w); /* until acceptor_resume() */
		return;
	}
	for (int i = 0; i < ACCEPTOR_BURST; i++) {
		struct sockaddr_storage from = { 0 };
		socklen_t len = sizeof(from);
		int fd =
		    accept4(a->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take(a, fd, &from);
			continue;
		}
		/* The peer stays in the queue of the kernel; the loop must not spin on it. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			limit_warning(
			    &a->refused, "cannot accept a connection: %s", strerror(errno));
			ev_io_stop(loop, w);
			ev_timer_set(&a->rest, ACCEPTOR_REST_MS * 1e-3, 0.);
			ev_timer_start(loop, &a->rest);
		}
		return;
	}
}

static void
on_rested(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct acceptor *a = w->data;

	(void)revents;
	ev_io_start(loop, &a->acceptable);
}

static void
read_hosts(struct acceptor *a, const struct json *list, const char *prefix)
{
	char path[64];

	if (!list || list->type != JSON_ARRAY)
		return;
	snprintf(path, sizeof(path), "%sremote_hosts", prefix);
	a->hosts = runner_alloc(a->runner, list->count + 1, sizeof(*a->hosts));
	json_foreach (host, list) {
		struct in6_addr address;
		const char *text = json_str(host);
		if (inet_pton(AF_INET, text, &address) != 1 &&
		    inet_pton(AF_INET6, text, &address) != 1)
			runner_config_warning(a->runner, path,
			    "%s is not an address: peers are identified by address, not by name",
			    text);
		if (!(a->hosts[a->host_count++] = peer_host_normal(text)))
			runner_fail(a->runner, "out of memory");
	}
}

static void
read_max(struct acceptor *a, const struct json *max, const char *prefix, size_t most)
{
	char path[64];
	int64_t n;

	a->max = most;
	if (!json_int(max, 0, INT32_MAX, &n))
		return;
	snprintf(path, sizeof(path), "%smax_connections", prefix);
	if ((size_t)n > most)
		runner_config_warning(
		    a->runner, path, "at most %zu connections are accepted", most);
	else
		a->max = (size_t)n;
}

void
acceptor_init(struct acceptor *a, struct runner *r, const struct acceptor_ops *ops, void *arg)
{
	*a = (struct acceptor){ .runner = r, .ops = ops, .arg = arg, .fd = -1 };
	ev_init(&a->acceptable, on_acceptable);
	ev_init(&a->rest, on_rested);
	a->acceptable.data = a->rest.data = a;
}

void
acceptor_configure(struct acceptor *a, const struct json *conf, const char *prefix, size_t most)
{
	int64_t port = 0;

	read_hosts(a, json_get(conf, "remote_hosts"), prefix);
	read_max(a, json_get(conf, "max_connections"), prefix, most);
	a->slots = runner_alloc(a->runner, a->max + 1, sizeof(*a->slots));
	json_int(json_get(conf, "local_port"), 0, UINT16_MAX, &port);
	a->resource =
	    runner_plan_listen(a->runner, json_str(json_get(conf, "local_host")), (uint16_t)port);
}

static struct acceptor_slot *
find_slot(struct acceptor *a, int64_t id)
{
	size_t i = 0;

	while (i < a->count && a->slots[i].id != id)
		i++;
	return i < a->count ? &a->slots[i] : NULL;
}

void
acceptor_engaged(struct acceptor *a, int64_t id)
{
	struct acceptor_slot *slot = find_slot(a, id);

	if (slot)
		slot->engaged = true;
}

void
acceptor_left(struct acceptor *a, int64_t id)
{
	struct acceptor_slot *slot = find_slot(a, id);

	if (!slot)
		return;
	a->count--;
	memmove(slot, slot + 1, (size_t)(&a->slots[a->count] - slot) * sizeof(*slot));
}

void
acceptor_listen(struct acceptor *a, int fd)
{
	a->fd = fd;
	ev_io_set(&a->acceptable, fd, EV_READ);
	ev_io_start(runner_loop(a->runner), &a->acceptable);
}

static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct acceptor *a = arg;

	(void)error; /* why has it in words */
	a->open_id = 0;
	if (fd < 0)
		runner_fail(a->runner, "%s", why);
	acceptor_listen(a, fd);
	a->ops->listening(a->arg);
}

void
acceptor_start(struct acceptor *a)
{
	a->open_id = runner_open(a->runner, a->resource, on_opened, a);
}

void
acceptor_resume(struct acceptor *a)
{
	if (a->fd >= 0 && !ev_is_active(&a->rest))
		ev_io_start(runner_loop(a->runner), &a->acceptable);
}

void
acceptor_stop(struct acceptor *a)
{
	runner_cancel(a->runner, a->open_id);
	a->open_id = 0;
	ev_io_stop(runner_loop(a->runner), &a->acceptable);
	ev_timer_stop(runner_loop(a->runner), &a->rest);
	fd_close(a->fd);
	a->fd = -1;
}

void
acceptor_clear(struct acceptor *a)
{
	acceptor_stop(a);
	for (size_t i = 0; i < a->host_count; i++)
		free(a->hosts[i]);
	free(a->hosts);
	free(a->slots);
	a->hosts = NULL;
	a->host_count = 0;
}
