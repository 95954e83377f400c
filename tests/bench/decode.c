/*
 * Decoding alone: ASDUs of 22 M_SP_TB_1 objects, from bytes to struct
 * iec_object, for a second. Prints the objects per second.
 */
#include <stdio.h>
#include <string.h>

#include "protocols/iec60870/asdu.h"
#include "tests/bench/tool.h"

enum { OBJECTS = 22, SIZE = 11, ROUNDS = 1000 };

static size_t
make(uint8_t *p)
{
	memcpy(p, (uint8_t[]){ 30, OBJECTS, 3, 0, 1, 0 }, 6);
	for (size_t i = 0; i < OBJECTS; i++)
		memcpy(p + 6 + i * SIZE,
		    (uint8_t[]){ (uint8_t)(i + 1), 0, 0, i & 1, 0x10, 0x27, 15, 10, 22, 11, 26 },
		    SIZE);
	return 6 + OBJECTS * SIZE;
}

int
main(void)
{
	uint8_t bytes[ASDU_MAX];
	size_t len = make(bytes);
	uint64_t objects = 0, sum = 0;
	int64_t start = tool_now_ns(), end = start + 1000000000, now;
	struct asdu a;
	struct iec_object o;

	do {
		for (int i = 0; i < ROUNDS; i++) {
			if (asdu_decode(&a, &asdu_sizes_104, bytes, len) != DEC_OK)
				return 1;
			for (; asdu_next(&a, &o); objects++)
				sum += (uint64_t)o.value + o.time.ms;
		}
		now = tool_now_ns();
	} while (now < end);
	printf("%.0f\n", (double)objects / ((double)(now - start) / 1e9));
	return sum == 0;
}
