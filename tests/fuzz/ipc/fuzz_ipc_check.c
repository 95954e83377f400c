/* ipc_check(), and ipc_event_read() for the events of REGISTER: the first byte chooses speaker and
 * phase, the rest is the packet. What they accept must be one whole value to msgpack-c. */
#include <msgpack.h>
#include <stdlib.h>

#include "common/json.h"
#include "ipc/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -1: refused. */
static int64_t
read_events(const void *body, size_t len)
{
	struct cursor c = cursor_make(body, len);
	uint32_t count = ipc_events_begin(&c);
	struct ipc_text known = { 0 };
	struct ipc_event e;

	for (uint32_t i = 0; i < count; i++) {
		if (ipc_event_read(&e, &c, &known))
			return -1;
		/* Also what was compared with an earlier one only. */
		if (e.payload == IPC_PAYLOAD_JSON && !json_valid(e.data.p, e.data.len))
			abort();
	}
	return cursor_done(&c) ? (int64_t)count : -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipc_header h;
	msgpack_object o;
	size_t off = 0;

	if (size < 1)
		return 0;
	const char *packet = (const char *)data + 1;
	if (ipc_check(packet, size - 1, data[0] & 1 ? IPC_RUNNER : IPC_SUPERVISOR,
		(enum ipc_phase)(1u << (data[0] >> 1) % 3), &h))
		return 0;
	int64_t events =
	    h.type == IPC_REGISTER ? read_events(packet + IPC_HEADER, size - 1 - IPC_HEADER) : 0;
	if (events < 0)
		return 0;
	msgpack_zone *zone = msgpack_zone_new(4096);
	if (msgpack_unpack(packet + IPC_HEADER, size - 1 - IPC_HEADER, &off, zone, &o) !=
		MSGPACK_UNPACK_SUCCESS ||
	    off != size - 1 - IPC_HEADER)
		abort();
	if (h.type == IPC_REGISTER && o.via.array.size != events)
		abort();
	msgpack_zone_free(zone);
	return 0;
}
