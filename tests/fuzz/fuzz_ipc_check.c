/* ipc_check(): the first byte chooses speaker and phase, the rest is the packet. What it accepts
 * must be one whole value to msgpack-c. */
#include <msgpack.h>
#include <stdlib.h>

#include "ipc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	msgpack_zone *zone = msgpack_zone_new(4096);
	if (msgpack_unpack(packet + IPC_HEADER, size - 1 - IPC_HEADER, &off, zone, &o) !=
		MSGPACK_UNPACK_SUCCESS ||
	    off != size - 1 - IPC_HEADER)
		abort();
	msgpack_zone_free(zone);
	return 0;
}
