/* The link machine with two stations: the line says anything. Byte 0 is the mode. */
#include <stdlib.h>

#include "protocols/iec60870/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct monotime now = { 1000000000 };
	struct link_action a;
	static struct link l;

	if (!size)
		return 0;
	link_init(&l, &(struct link_conf){ .mode = data[0] % 3,
			  .address_size = 1 + data[0] / 3 % 2,
			  .silent_ns = 1000000,
			  .char_ns = 100000,
			  .controlling = data[0] / 6 % 2 });
	for (int i = 0; i < 2; i++)
		link_open(&l,
		    link_add(&l, &(struct link_station_conf){ .address = (uint16_t)(i + 1),
				     .two_addresses = i && data[0] / 12 % 2,
				     .own_address = 3,
				     .retries = 1,
				     .response_ms = 20,
				     .status_ms = 100,
				     .poll_ms = { 30, -1 },
				     .reconnect_ms = 50,
				     .keep_alive_ms = 200 }),
		    now);
	for (size_t at = 1; at < size; at += 16) {
		size_t n = size - at < 16 ? size - at : 16, turns = 0;
		link_receive(&l, data + at, n, now);
		for (; link_next(&l, now, &a) && turns < 1000; turns++)
			if (a.type == LINK_UP)
				link_send(&l, a.station, data[at] & 3, data,
				    size < 200 ? size : 200, at, now);
		if (turns == 1000)
			abort();
		now = monotime_add_ms(now, data[at] % 64);
	}
	link_clear(&l);
	return 0;
}
