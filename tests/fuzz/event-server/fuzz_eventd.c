/*
 * Clients of gateway-eventd, its queries and its store as one: the input says who sends what. Bytes
 * go raw into a connection, or as the data of a message, so that decoders behind the frame are met.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "event-server/peer.h"

enum { CLIENTS = 3, SERIES = 20, DEVICE_TYPES = 8, DEVICE_BYTES = 2000, MAX_STEPS = 64 };

static struct server server;
static int ends[CLIENTS];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
start(void)
{
	const struct access access = { 0 };
	struct retention retention = { 0 };
	char err[200];

	log_set_level(LOG_LEVEL_ERROR);
	if (retention_add(&retention, "a/?:count=3,bytes=500") ||
	    server_init(&server, NULL, 1, SERIES, &access, err, sizeof(err)) < 0)
		abort();
	store_set_quotas(&server.store, DEVICE_TYPES, DEVICE_BYTES);
	server_set_retention(&server, &retention);
}

static void
connect_client(int i)
{
	const struct access_client who = { .trusted = i != 0 };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	struct peer *c = peer_new(&server, pair[0], &who);
	if (!c)
		abort();
	c->next = server.clients;
	server.clients = c;
	server.client_count++;
	ends[i] = pair[1];
}

static void
say(int i, unsigned kind, struct sbs_str bytes)
{
	const struct chatter_msg msg = { .id = kind,
		.first = kind,
		.owner = true,
		.token = true,
		.last = kind & 16,
		.type =
		    sbs_str(eventer_msg_name((enum eventer_msg)((kind & 15) % EVENTER_MSG_COUNT))),
		.data = bytes };
	struct buffer b;

	buffer_init(&b, 1 << 17);
	if (kind & 128)
		buffer_append(&b, bytes.p, bytes.len);
	else
		chatter_frame_encode(&b, &msg);
	if (send(ends[i], buffer_data(&b), b.len, MSG_NOSIGNAL) < 0 && kind & 64)
		shutdown(ends[i], SHUT_WR);
	buffer_clear(&b);
}

static void
turn(void)
{
	static char answer[1 << 16];

	for (int i = 0; i < 3; i++)
		ev_run(server.loop, EVRUN_NOWAIT);
	for (int i = 0; i < CLIENTS; i++)
		while (recv(ends[i], answer, sizeof(answer), 0) > 0)
			;
	if (server.store.series.count > SERIES || server.store.staged_count)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_make(data, size);

	start();
	for (int i = 0; i < CLIENTS; i++)
		connect_client(i);
	for (int steps = 0; steps < MAX_STEPS && cursor_left(&c); steps++) {
		unsigned who = cursor_u8(&c), kind = cursor_u8(&c);
		size_t n = cursor_u8(&c);
		n = n < cursor_left(&c) ? n : cursor_left(&c);
		say((int)((who & 127) % CLIENTS), kind,
		    (struct sbs_str){ (const char *)cursor_bytes(&c, n), n });
		if (who & 128 || !cursor_left(&c))
			turn();
	}
	server_clear(&server);
	for (int i = 0; i < CLIENTS; i++)
		close(ends[i]);
	return 0;
}
