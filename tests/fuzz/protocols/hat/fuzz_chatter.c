/* A connection fed in pieces whose sizes the input chooses; ticks in between. */
#include <stdlib.h>

#include "protocols/hat/chatter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_make(data, size);
	struct monotime now = { 1 };
	struct chatter_msg msg;
	struct buffer out;
	struct chatter ch;
	enum dec r = DEC_MORE;

	buffer_init(&out, 4096);
	chatter_init(&ch, &out, 1024, now);
	ch.skip_large = size % 2;
	while (r != DEC_BAD && cursor_left(&c)) {
		size_t room_size, n = cursor_u8(&c);
		uint8_t *room = chatter_room(&ch, n + 1, &room_size);
		if (!room)
			abort();
		if (n > room_size)
			n = room_size;
		if (n > cursor_left(&c))
			n = cursor_left(&c);
		memcpy(room, cursor_bytes(&c, n), n);
		now = monotime_add_ms(now, (int64_t)n * 100);
		chatter_fed(&ch, n, now);
		while ((r = chatter_next(&ch, &msg)) == DEC_OK) {
			struct chatter_conv conv = chatter_msg_conv(&msg);
			chatter_send(&ch, &conv, "Answer", msg.last, msg.data);
		}
		chatter_tick(&ch, now);
	}
	chatter_clear(&ch);
	buffer_clear(&out);
	return 0;
}
