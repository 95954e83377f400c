/* Runs modbus.json: frames of each encoding both ways, values in registers, grouping of reads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "protocols/modbus/frame.h"
#include "protocols/modbus/plan.h"

enum { MAX_POINTS = 65536, MAX_FILE = 64 << 20 };

static const struct json empty = { .type = JSON_ARRAY };
static unsigned passed, failed, excepted;

static const struct {
	const char *prefix, *reason;
} exceptions[] = {
	{ "TCP-RESPONSE-ReadFifoQueueRes",
	    "byte count of one byte; clause 6.18 has two and a count" },
	{ "RTU-RESPONSE-ReadFifoQueueRes",
	    "byte count of one byte; clause 6.18 has two and a count" },
	{ "ASCII-RESPONSE-ReadFifoQueueRes",
	    "byte count of one byte; clause 6.18 has two and a count" },
};

static const struct {
	const char *name;
	uint8_t fc;
} names[] = {
	{ "ReadCoils", 1 },
	{ "ReadDiscreteInputs", 2 },
	{ "ReadHoldingRegisters", 3 },
	{ "ReadInputRegisters", 4 },
	{ "WriteSingleCoil", 5 },
	{ "WriteSingleRegister", 6 },
	{ "WriteMultipleCoils", 15 },
	{ "WriteMultipleRegisters", 16 },
	{ "MaskWriteRegister", 22 },
	{ "ReadFifoQueue", 24 },
	{ "READ_COILS", 1 },
	{ "READ_DISCRETE_INPUTS", 2 },
	{ "READ_HOLDING_REGISTERS", 3 },
	{ "READ_INPUT_REGISTERS", 4 },
	{ "WRITE_SINGLE_COIL", 5 },
	{ "WRITE_SINGLE_REGISTER", 6 },
	{ "WRITE_MULTIPLE_COILS", 15 },
	{ "WRITE_MULTIPLE_REGISTER", 16 },
	{ "MASK_WRITE_REGISTER", 22 },
	{ "READ_FIFO_QUEUE", 24 },
};

static const char *const error_names[] = { "INVALID_FUNCTION_CODE", "INVALID_DATA_ADDRESS",
	"INVALID_DATA_VALUE", "FUNCTION_ERROR", "GATEWAY_PATH_UNAVAILABLE",
	"GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND", NULL };
static const uint8_t error_codes[] = { 1, 2, 3, 4, 10, 11 };

static void
result(bool ok, const char *name)
{
	if (ok)
		passed++;
	else {
		failed++;
		printf("FAIL modbus: %s\n", name);
	}
}

static uint8_t
fc_of(const char *name)
{
	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i].name);
		if (strncmp(name, names[i].name, n) == 0 &&
		    (name[n] == '\0' || strcmp(name + n, "Req") == 0 ||
			strcmp(name + n, "Res") == 0))
			return names[i].fc;
	}
	return 0;
}

static int64_t
integer(const struct json *o, const char *key)
{
	const struct json *j = json_get(o, key);
	int64_t v = 0;

	if (j && j->type == JSON_BOOL)
		return j->boolean;
	json_int(j, INT64_MIN, INT64_MAX, &v);
	return v;
}

/* values: bits or registers, as an answer or a multiple write carries them. */
static size_t
put_values(const struct json *values, bool bits, uint8_t *data)
{
	size_t n = 0;
	int64_t v;

	memset(data, 0, 256);
	json_foreach (item, values) {
		v = item->type == JSON_BOOL ? item->boolean : 0;
		json_int(item, 0, 65535, &v);
		if (bits) {
			data[n / 8] |= (uint8_t)(v << n % 8);
		} else {
			data[2 * n] = (uint8_t)(v >> 8);
			data[2 * n + 1] = (uint8_t)v;
		}
		n++;
	}
	return bits ? (n + 7) / 8 : 2 * n;
}

static void
pdu_of(const struct json *j, struct modbus_pdu *pdu, uint8_t *data)
{
	const char *type = json_str(json_get(j, "_type"));
	const struct json *values = json_get(j, "values");

	*pdu = (struct modbus_pdu){ .fc = fc_of(type) };
	if (strcmp(type, "ErrorRes") == 0) {
		pdu->fc = fc_of(json_str(json_get(j, "fc")));
		pdu->exception = error_codes[json_enum(json_get(j, "error"), error_names)];
		return;
	}
	pdu->address = (uint16_t)integer(j, "address");
	pdu->quantity = (uint16_t)integer(j, "quantity");
	pdu->value = (uint16_t)integer(j, "value");
	pdu->and_mask = (uint16_t)integer(j, "and_mask");
	pdu->or_mask = (uint16_t)integer(j, "or_mask");
	if (pdu->fc == 5 && pdu->value)
		pdu->value = 0xff00;
	if (values) {
		pdu->len = put_values(values, pdu->fc == 1 || pdu->fc == 2 || pdu->fc == 15, data);
		pdu->data = data;
		if (pdu->fc >= 15)
			pdu->quantity = (uint16_t)values->count;
	}
}

static bool
pdu_equal(const struct modbus_pdu *a, const struct modbus_pdu *b, enum modbus_direction dir)
{
	bool single = a->fc == 5 || a->fc == 6 || a->fc == 22;

	return a->fc == b->fc && a->exception == b->exception && a->address == b->address &&
	       (single || dir == MODBUS_RESPONSE || a->quantity == b->quantity) &&
	       a->value == b->value && a->and_mask == b->and_mask && a->or_mask == b->or_mask &&
	       a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static size_t
from_hex(const char *hex, uint8_t *out, size_t size)
{
	size_t n = 0;

	for (; hex[0] && hex[1] && n < size; hex += 2) {
		char digits[3] = { hex[0], hex[1], '\0' };
		out[n++] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return n;
}

/* Feeds the bytes one by one: a frame comes with the last one and no earlier. */
static enum dec
receive(struct modbus_stream *s, const uint8_t *p, size_t n, struct modbus_frame *f)
{
	enum dec d = DEC_MORE;

	for (size_t i = 0, room; i < n; i++) {
		*modbus_stream_room(s, &room) = p[i];
		modbus_stream_commit(s, 1);
		d = modbus_stream_next(s, NULL, f);
		if (d != DEC_MORE && i + 1 < n)
			return DEC_BAD;
	}
	return d;
}

static bool
frame_passes(const struct json *v)
{
	static const char *const framings[] = { "TCP", "RTU", "ASCII", NULL };
	static const char *const directions[] = { "REQUEST", "RESPONSE", NULL };
	static uint8_t data[4096];
	uint8_t frame[1024], pdu_bytes[MODBUS_MAX_PDU], out[MODBUS_MAX_FRAME];
	enum modbus_framing framing = json_enum(json_get(v, "modbus_type"), framings);
	enum modbus_direction dir = json_enum(json_get(v, "direction"), directions);
	size_t n = from_hex(json_str(json_get(v, "frame_hex")), frame, sizeof(frame));
	const struct json *adu = json_get(v, "adu");
	struct modbus_stream s;
	struct modbus_frame f;
	struct modbus_pdu got, want;

	modbus_stream_init(&s, framing, dir);
	enum dec d = receive(&s, frame, n, &f);
	if (d == DEC_OK)
		d = modbus_pdu_decode(dir, f.pdu, f.len, &got);
	if (!adu)
		return d != DEC_OK;
	if (d != DEC_OK)
		return false;
	pdu_of(json_get(adu, "pdu"), &want, data);
	size_t len = modbus_pdu_encode(dir, &want, pdu_bytes);
	uint16_t id = (uint16_t)integer(adu, "transaction_id");
	uint8_t unit = (uint8_t)integer(adu, "device_id");
	if (!pdu_equal(&got, &want, dir) || f.unit != unit || f.transaction != id)
		return false;
	/* Lower case digits and the like are understood, not written. */
	if (strncmp(json_str(json_get(v, "name")), "malformed", 9) == 0)
		return true;
	return modbus_frame_encode(framing, id, unit, pdu_bytes, len, out) == n &&
	       memcmp(out, frame, n) == 0;
}

static void
run_frame(const struct json *v)
{
	const char *name = json_str(json_get(v, "name"));

	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
		if (strncmp(name, exceptions[i].prefix, strlen(exceptions[i].prefix)) == 0) {
			printf("excepted modbus: %s: %s\n", name, exceptions[i].reason);
			excepted++;
			return;
		}
	}
	result(frame_passes(v), name);
}

static void
run_value(const struct json *v)
{
	static uint8_t data[4096];
	uint8_t value[MODBUS_MAX_VALUE], back[MODBUS_MAX_VALUE];
	char text[MODBUS_MAX_VALUE_TEXT];
	bool coils = integer(v, "register_size") == 1;
	size_t bits = (size_t)integer(v, "bit_count");
	const struct json *want = json_get(v, "value");
	size_t n = put_values(json_get(v, "registers"), coils, data);

	if (want && want->type == JSON_OBJECT)
		want = json_get(want, "$int");
	modbus_value_get(coils ? MODBUS_COIL : MODBUS_HOLDING_REGISTER, data, n,
	    (size_t)integer(v, "bit_offset"), bits, value);
	modbus_value_format(value, bits, text);
	result(want && strcmp(text, want->text) == 0 &&
		   modbus_value_parse(text, strlen(text), bits, back) == 0 &&
		   memcmp(back, value, modbus_value_size(bits)) == 0,
	    text);
}

static size_t
points_of(const struct json *data, struct plan_point *points)
{
	size_t n = 0;

	json_foreach (item, data) {
		const struct json *field[5];
		int64_t v[5] = { 0 };
		size_t i = 0;
		json_foreach (part, item)
			field[i++] = part;
		for (size_t k = 1; k < 5; k++)
			if (!json_int(field[k], 0, 1 << 20, &v[k]))
				v[k] = PLAN_NEVER;
		enum modbus_type type = json_enum(field[0], modbus_type_names);
		unsigned size = modbus_register_bits(type);
		points[n++] = (struct plan_point){ type, (uint32_t)v[1],
			(uint32_t)(v[2] + v[3] + size - 1) / size, v[4] };
	}
	return n;
}

static bool
group_equal(const struct json *want, const struct plan_range *r, const uint32_t *order)
{
	size_t i = r->first;

	if (json_enum(json_get(want, "data_type"), modbus_type_names) != (int)r->type ||
	    integer(want, "start_address") != r->start ||
	    integer(want, "quantity") != r->quantity ||
	    integer(want, "interval") != r->interval_us ||
	    json_get(want, "names")->count != r->count)
		return false;
	json_foreach (name, json_get(want, "names"))
		if (strtoul(json_str(name) + 1, NULL, 10) != order[i++])
			return false;
	return true;
}

static void
run_grouping(const struct json *v)
{
	static struct plan_point points[MAX_POINTS];
	static struct plan_range ranges[MAX_POINTS];
	static uint32_t order[MAX_POINTS];
	const struct json *data = json_get(v, "data"), *groups = json_get(v, "groups");
	bool ok = data->count <= MAX_POINTS;
	size_t i = 0;

	if (ok) {
		size_t n = points_of(data, points);
		ok = plan_make(points, n, &(struct plan_limits){ 0 }, order, ranges) ==
		     groups->count;
	}
	json_foreach (group, groups)
		ok = ok && group_equal(group, &ranges[i++], order);
	result(ok, json_str(json_get(v, "name")));
}

static struct json_doc *
load(const char *dir)
{
	char path[4096], err[128];
	static char text[MAX_FILE];

	snprintf(path, sizeof(path), "%s/modbus.json", dir);
	FILE *f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return NULL;
	}
	size_t n = fread(text, 1, sizeof(text), f);
	fclose(f);
	struct json_doc *doc = json_parse(text, n, 4 << 20, err, sizeof(err));
	if (!doc)
		printf("FAIL %s: %s\n", path, err);
	return doc;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *key;
		void (*run)(const struct json *);
	} parts[] = { { "frames", run_frame }, { "register_values", run_value },
		{ "read_grouping", run_grouping } };
	struct json_doc *doc = argc > 1 ? load(argv[1]) : NULL;

	if (!doc) {
		puts("modbus.json: 0 passed, 1 failed, 0 excepted (not readable)");
		return 1;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct json *list = json_get(json_root(doc), parts[i].key);
		json_foreach (v, list ? list : &empty)
			parts[i].run(v);
	}
	json_free(doc);
	printf("modbus.json: %u passed, %u failed, %u excepted\n", passed, failed, excepted);
	return failed || passed == 0;
}
