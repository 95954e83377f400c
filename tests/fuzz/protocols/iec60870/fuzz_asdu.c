/* First octet: sizes of the fields. The rest: one ASDU, decoded, made into events, encoded back. */
#include "device-runners/iec60870/iec_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct iec_map map;
	struct asdu a;
	struct asdu_writer w;
	struct iec_object o;
	struct iec_event e;

	if (size == 0 || (!map.sizes.cause && iec_zone_init(&map.zone, "UTC") < 0))
		return 0;
	map.sizes = (struct asdu_sizes){ 1 + (data[0] & 1), 1 + (data[0] >> 1 & 1),
		1 + (data[0] >> 2) % 3 };
	map.slave = data[0] & 0x80;
	if (asdu_decode(&a, &map.sizes, data + 1, size - 1) != DEC_OK)
		return 0;
	asdu_begin(&w, &map.sizes, &a.head, ASDU_MAX);
	while (asdu_next(&a, &o)) {
		const char *none =
		    iec_event_make(&e, &map, &a.head, &o, 1, (struct timestamp){ 0 });
		if (!none && !json_valid(e.text, e.len))
			__builtin_trap();
		bool fits = asdu_add(&w, &o);
		if (!fits && !o.defect && !a.head.sequence &&
		    w.len + iec_object_size(&o, a.head.type) + 3 <= ASDU_MAX)
			__builtin_trap();
	}
	return 0;
}
