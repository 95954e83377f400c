/*
 * An IEC 60870-5-104 slave that costs next to nothing, for benchmarks.
 * TYPE OBJECTS: once data transfer is started, ASDUs of that type (30
 * M_SP_TB_1, 36 M_ME_TF_1) with so many objects leave as fast as the window of
 * k = 12 lets them; OBJECTS 0: none. A bitstring command is taken for a stamp in
 * units of 100 ns: its age is kept, and it is confirmed.
 *
 * "count" is "stat" that leaves the ages alone. stat:
 * {"frames":..,"objects":..,"commands":..,"age":{..}}
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/tool.h"

enum { K = 12, SINGLE_CP56 = 30, FLOAT_CP56 = 36, BITSTRING_COMMAND = 51, MAX_APDU = 255 };

struct peer {
	bool started, full; /* full: the socket takes no more for now */
	uint16_t sent, acked, received;
	size_t len;
	uint8_t in[4096];
};

static struct peer *peers[TOOL_MAX_FDS];
static uint8_t frame[MAX_APDU];
static size_t frame_len, objects, object_size;
static uint64_t frames, commands;
static struct samples age;

/* Minute, hour, day, month, year of the time tag; the milliseconds follow the frames. */
static const uint8_t time_tag[5] = { 15, 10, 22, 11, 26 };

static void
make_frame(unsigned type)
{
	uint8_t *p = frame + 12;
	size_t value = type == FLOAT_CP56 ? 5 : 1;

	object_size = 3 + value + 7;
	for (size_t i = 0; i < objects; i++, p += object_size) {
		p[0] = (uint8_t)(i + 1);
		memcpy(p + 3 + value + 2, time_tag, sizeof(time_tag));
	}
	frame_len = (size_t)(p - frame);
	memcpy(frame,
	    (uint8_t[]){ 0x68, (uint8_t)(frame_len - 2), 0, 0, 0, 0, (uint8_t)type,
		(uint8_t)objects, 3, 0, 1, 0 },
	    12);
}

static void
put_le(uint8_t *p, uint64_t v, int n)
{
	for (int i = 0; i < n; i++, v >>= 8)
		p[i] = (uint8_t)v;
}

static void
stamp_frame(struct peer *p, unsigned type)
{
	uint8_t *o = frame + 12;
	size_t value = object_size - 10;

	put_le(frame + 2, (uint64_t)p->sent << 1, 2);
	put_le(frame + 4, (uint64_t)p->received << 1, 2);
	for (size_t i = 0; i < objects; i++, o += object_size) {
		float v = (float)(frames % 10000) * 0.25f + (float)i;
		if (type == FLOAT_CP56)
			memcpy(o + 3, &v, sizeof(v));
		else
			o[3] = (uint8_t)((frames + i) & 1);
		put_le(o + 3 + value, frames % 60000, 2);
	}
}

/* As many frames as the window lets through, in one write. */
static void
pour(int fd, struct peer *p)
{
	static uint8_t out[K * MAX_APDU];
	size_t len = 0;

	while (p->started && objects && ((p->sent - p->acked) & 0x7fff) < K) {
		stamp_frame(p, frame[6]);
		memcpy(out + len, frame, frame_len);
		len += frame_len;
		p->sent = (p->sent + 1) & 0x7fff;
		frames++;
	}
	if (len)
		tool_write(fd, out, len);
}

static void
confirm(int fd, struct peer *p, const uint8_t *apdu, size_t len)
{
	uint8_t out[MAX_APDU];

	p->received = (p->received + 1) & 0x7fff;
	if (apdu[6] != BITSTRING_COMMAND || len < 19)
		return;
	/* The first octet of the bitstring is its highest. */
	uint32_t sent = (uint32_t)apdu[15] << 24 | (uint32_t)apdu[16] << 16 |
			(uint32_t)apdu[17] << 8 | apdu[18];
	samples_add(&age, (int64_t)(uint32_t)((uint32_t)(tool_now_ns() / 100) - sent) * 100);
	commands++;
	memcpy(out, apdu, len);
	out[8] = 7;
	put_le(out + 2, (uint64_t)p->sent << 1, 2);
	put_le(out + 4, (uint64_t)p->received << 1, 2);
	p->sent = (p->sent + 1) & 0x7fff;
	tool_write(fd, out, len);
}

static void
on_apdu(int fd, struct peer *p, const uint8_t *apdu, size_t len)
{
	static const uint8_t started[] = { 0x68, 4, 0x0b, 0, 0, 0 };
	static const uint8_t tested[] = { 0x68, 4, 0x83, 0, 0, 0 };

	if (apdu[2] == 0x07) {
		p->started = true;
		tool_write(fd, started, sizeof(started));
	} else if (apdu[2] == 0x43) {
		tool_write(fd, tested, sizeof(tested));
	}
	if ((apdu[2] & 3) != 3)
		p->acked = (uint16_t)((apdu[4] | apdu[5] << 8) >> 1);
	if (!(apdu[2] & 1))
		confirm(fd, p, apdu, len);
}

static void
on_accept(int fd)
{
	if (!peers[fd])
		peers[fd] = malloc(sizeof(struct peer));
	*peers[fd] = (struct peer){ 0 };
}

static void
on_input(int fd)
{
	struct peer *p = peers[fd];

	if (!tool_read(fd, p->in, &p->len, sizeof(p->in)))
		return;
	size_t done = 0;
	while (p->len - done >= 6 && p->len - done >= 2u + p->in[done + 1]) {
		on_apdu(fd, p, p->in + done, 2u + p->in[done + 1]);
		done += 2u + p->in[done + 1];
	}
	p->len -= done;
	memmove(p->in, p->in + done, p->len);
	pour(fd, p);
}

static void
on_order(char *line)
{
	printf("{\"frames\":%llu,\"objects\":%llu,\"commands\":%llu,\"age\":",
	    (unsigned long long)frames, (unsigned long long)(frames * objects),
	    (unsigned long long)commands);
	samples_end_line(&age, line);
}

int
main(int argc, char **argv)
{
	static const struct tool tool = { on_accept, on_input, on_order, NULL };

	if (argc != 3)
		return EXIT_FAILURE;
	objects = strtoul(argv[2], NULL, 10);
	if (objects > 22)
		return EXIT_FAILURE;
	make_frame((unsigned)strtoul(argv[1], NULL, 10));
	if (frame_len > MAX_APDU)
		return EXIT_FAILURE;
	return tool_serve(&tool);
}
