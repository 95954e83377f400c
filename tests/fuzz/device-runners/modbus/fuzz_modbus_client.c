/* A master that asks two units in turn while the line says whatever it likes. First byte: the
 * encoding, then pairs of length and action, then bytes. */
#include <stdlib.h>

#include "device-runners/modbus/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum modbus_framing framing;

static void
on_send(void *arg, const uint8_t *frame, size_t len)
{
	(void)arg, (void)frame, (void)len;
}

static void
on_done(void *arg, enum client_result result, const struct modbus_pdu *res)
{
	size_t len = 2 * *(size_t *)arg;

	/* An answer carries what was asked for: no less, and more only where its identifier says
	 * whose it is. */
	if (result == CLIENT_ANSWER && !res->exception &&
	    (res->len < len || (res->len > len && framing != MODBUS_TCP)))
		abort();
}

static const struct client_ops ops = { on_send, on_done };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct client c;
	static struct client_late late[CLIENT_UNITS];
	size_t quantity = 1, room, at = 1;
	struct monotime now = { 1 };
	uint8_t pdu[MODBUS_MAX_PDU];

	if (size < 1)
		return 0;
	framing = data[0] % 3;
	client_init(&c,
	    &(struct client_conf){ .framing = framing, .timeout_ns = 100, .late = late }, &ops,
	    &quantity);
	while (at + 2 < size) {
		size_t n = data[at], act = data[at + 1];
		at += 2;
		now.ns += (int64_t)act;
		client_tick(&c, now);
		if (!c.busy) {
			quantity = 1 + act % 3;
			struct modbus_pdu req = { .fc = 3,
				.address = (uint16_t)(act / 3),
				.quantity = (uint16_t)quantity };
			size_t len = modbus_pdu_encode(MODBUS_REQUEST, &req, pdu);
			client_send(&c, 1 + act % 2, &req, pdu, len, false, now);
		}
		uint8_t *to = modbus_stream_room(&c.stream, &room);
		n = n < size - at ? n : size - at;
		n = n < room ? n : room;
		memcpy(to, data + at, n);
		modbus_stream_commit(&c.stream, n);
		at += n;
		client_received(&c, now);
	}
	return 0;
}
