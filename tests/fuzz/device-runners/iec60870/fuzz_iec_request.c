/* First octet: role and event type. The rest: the payload of a system event. What is taken must fit
 * one ASDU of its type. */
#include "device-runners/iec60870/iec_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct iec_map map;
	static const char *const classes[] = { "data", "command", "interrogation",
		"counter_interrogation" };
	struct iec_request q;
	struct asdu_writer w;
	char why[IEC_JSON_WHY];

	if (size == 0 || (!map.sizes.cause && iec_zone_init(&map.zone, "UTC") < 0))
		return 0;
	map.sizes = asdu_sizes_104;
	map.slave = data[0] & 0x80;
	map.command_times = true;
	unsigned class = data[0] >> 5 & 3;
	const char *kind = iec_kind_name((data[0] & 0x0f) % IEC_KINDS);
	const char *type[] = { classes[class], class < 2 ? kind : "1", "1", "1" };
	const struct timestamp ts = { 1700000000, 0 };
	if (iec_request_read(&q, &map, type, class < 2 ? 4 : 2, data[0] & 0x10 ? &ts : NULL,
		(const char *)data + 1, size - 1, why) < 0)
		return 0;
	asdu_begin(&w, &map.sizes, &q.head, ASDU_MAX_104);
	if (!asdu_add(&w, &q.object))
		__builtin_trap();
	return 0;
}
