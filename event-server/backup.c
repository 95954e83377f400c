#include "event-server/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "event-server/store.h"

enum {
	MAX_FRAME = 20 << 20, /* of an answer: more than QUERY_MAX_BYTES */
	ANSWER_S = 60,	      /* for the server to say anything */
	READ_SIZE = 256 << 10,
	PAGE = 4096,
};

struct backup {
	const struct backup_source *from;
	int fd;
	struct chatter chatter;
	struct buffer out;
	struct store store;
	struct timestamp started;
	size_t count;
	bool more; /* there is another page */
	char *err;
	size_t err_size;
};

static int
fail(struct backup *b, const char *what, const char *why)
{
	snprintf(b->err, b->err_size, "%.1024s: %.256s", what, why);
	return -1;
}

static int
connect_server(struct backup *b)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_sec = ANSWER_S };
	const char *path = b->from->unix_path;

	if (strlen(path) >= sizeof(a.sun_path))
		return fail(b, path, "too long for a socket");
	memcpy(a.sun_path, path, strlen(path) + 1);
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (b->fd < 0 || connect(b->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return fail(b, path, strerror(errno));
	setsockopt(b->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(b->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return 0;
}

static int
flush(struct backup *b)
{
	while (b->out.len) {
		ssize_t n = send(b->fd, buffer_data(&b->out), b->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(b, "the Event Server", strerror(errno));
		buffer_consume(&b->out, (size_t)n);
	}
	return 0;
}

static int
read_some(struct backup *b)
{
	size_t size;
	uint8_t *room = chatter_room(&b->chatter, READ_SIZE, &size);
	ssize_t n = room ? recv(b->fd, room, size, 0) : -1;

	if (!room)
		return fail(b, "the Event Server", "its answer is too long");
	if (n < 0)
		return fail(b, "the Event Server",
		    errno == EAGAIN ? "it does not answer" : strerror(errno));
	if (n == 0)
		return fail(b, "the Event Server", "it closed the connection");
	chatter_fed(&b->chatter, (size_t)n, monotime_now());
	return 0;
}

/* The next message of that type; pings are answered, others passed over. */
static int
receive(struct backup *b, enum eventer_msg type, struct chatter_msg *msg)
{
	for (;;) {
		enum dec r = chatter_next(&b->chatter, msg);
		if (r == DEC_OK && eventer_msg_parse(msg->type) == (int)type)
			return 0;
		if (r == DEC_BAD)
			return fail(b, "the Event Server", "it sent a malformed message");
		if (flush(b) < 0 || (r == DEC_MORE && read_some(b) < 0))
			return -1;
	}
}

static int
introduce(struct backup *b)
{
	struct eventer_init_req req = { .client_name = sbs_str("gateway-eventd-backup"),
		.has_token = b->from->token };
	struct eventer_init_res res;
	struct chatter_msg msg;

	if (b->from->token)
		req.token = sbs_str(b->from->token);
	eventer_send_init_req(&b->chatter, &req);
	if (flush(b) < 0 || receive(b, EVENTER_INIT_RES, &msg) < 0)
		return -1;
	if (eventer_init_res_decode(msg.data, &res) != DEC_OK)
		return fail(b, "the Event Server", "it sent a malformed message");
	return res.success ? 0 : fail(b, "the Event Server", "it wants a token (--token-file)");
}

/* Into one transaction. What was registered since the start need not be there. */
static int
take_page(struct backup *b, struct eventer_events_iter *it, struct eventer_id *last)
{
	struct eventer_event e;
	size_t n = 0;

	while (eventer_events_next(it, &e)) {
		if (e.id.server != b->from->server_id ||
		    (b->count && eventer_id_cmp(&e.id, last) <= 0))
			return fail(b, "the Event Server", "its events are not in order");
		if (store_restore(&b->store, &e) < 0)
			return fail(b, "the backup", "out of memory");
		*last = e.id;
		b->count++;
		n++;
	}
	if (eventer_query_res_end(it, &b->more) != DEC_OK)
		return fail(b, "the Event Server", "it sent a malformed message");
	b->more = b->more && n && eventer_time_cmp(&b->store.state.last, &b->started) <= 0;
	if (store_commit(&b->store) != 0)
		return fail(b, "the backup", db_error(b->store.db));
	store_release(&b->store);
	return 0;
}

static int
copy(struct backup *b)
{
	struct eventer_query q = { .kind = EVENTER_QUERY_SERVER,
		.server_id = b->from->server_id,
		.has_max_results = true,
		.max_results = PAGE };
	struct eventer_events_iter it;
	struct chatter_msg msg;

	b->started = timestamp_now();
	do {
		eventer_send_query_req(&b->chatter, &q);
		if (flush(b) < 0 || receive(b, EVENTER_QUERY_RES, &msg) < 0)
			return -1;
		if (eventer_query_res_decode(msg.data, &it) != DEC_OK)
			return fail(b, "the Event Server", "it sent a malformed message");
		if (take_page(b, &it, &q.last_id) < 0)
			return -1;
		q.has_last_id = true;
	} while (b->more);
	return b->count ? 0 : fail(b, "the Event Server", "it has no events of this server id");
}

static void
remove_folder(const char *dir)
{
	static const char *const files[] = { "data.mdb", "lock" };
	char path[4200];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	rmdir(dir);
}

static int
open_store(struct backup *b, const char *dir)
{
	struct db *db = db_open(dir, true, b->err, b->err_size);

	return db ? store_init(
			&b->store, db, b->from->server_id, STORE_MAX_SERIES, b->err, b->err_size)
		  : -1;
}

/* The folder appears under its name when all of it is on the disk. */
static int
finish(struct backup *b, const char *partial, const char *dir)
{
	char parent[4200];

	if (rename(partial, dir) < 0)
		return fail(b, dir, strerror(errno));
	snprintf(parent, sizeof(parent), "%s/..", dir);
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -1 : fsync(fd);
	int error = errno;
	fd_close(fd);
	return r < 0 ? fail(b, dir, strerror(error)) : 0;
}

int
backup_make(
    const struct backup_source *from, const char *dir, size_t *count, char *err, size_t err_size)
{
	struct backup b = { .from = from, .fd = -1, .err = err, .err_size = err_size };
	char partial[4100];

	if ((size_t)snprintf(partial, sizeof(partial), "%s.partial", dir) >= 4096)
		return fail(&b, dir, strerror(ENAMETOOLONG));
	if (access(dir, F_OK) == 0)
		return fail(&b, dir, strerror(EEXIST));
	remove_folder(partial);
	buffer_init(&b.out, 1 << 20);
	chatter_init(&b.chatter, &b.out, MAX_FRAME, monotime_now());
	int r = connect_server(&b);
	if (r == 0)
		r = introduce(&b);
	if (r == 0)
		r = open_store(&b, partial);
	if (r == 0)
		r = copy(&b);
	*count = b.count;
	store_clear(&b.store);
	r = r == 0 ? finish(&b, partial, dir) : r;
	if (r < 0)
		remove_folder(partial);
	fd_close(b.fd);
	chatter_clear(&b.chatter);
	buffer_clear(&b.out);
	return r;
}
