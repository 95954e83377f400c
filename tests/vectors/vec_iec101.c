/* iec101.json, ft12_frames: every frame decodes to the fields given and encodes to its bytes again;
 * a malformed one is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/vectors/lib/iec_link.h"

static const char *const request_names[16] = { "RESET_LINK", "RESET_PROCESS", "TEST", "DATA",
	"DATA_NO_RES", [8] = "REQ_ACCESS_DEMAND", "REQ_STATUS", "REQ_DATA_1", "REQ_DATA_2" };
static const char *const response_names[16] = { "ACK", "NACK", [8] = "RES_DATA",
	"RES_NACK", [11] = "RES_STATUS", [14] = "NOT_FUNCTIONING", "NOT_IMPLEMENTED" };

static bool
same_data(const struct json *want, const struct ft12_frame *f)
{
	uint8_t data[FT12_MAX_FRAME];
	size_t n = veclink_unhex(json_get(json_get(want, "data"), "$hex"), data, sizeof(data));

	return n == f->len && (!n || !memcmp(data, f->data, n));
}

static bool
same_frame(const struct json *want, const struct ft12_frame *f)
{
	if (veclink_text(want, "_type", "ShortFrame"))
		return f->kind == FT12_SINGLE;
	if (!same_data(want, f) || !veclink_is(want, "address", f->address))
		return false;
	if (json_str(json_get(want, "direction")) &&
	    !veclink_text(want, "direction", f->dir ? "A_TO_B" : "B_TO_A"))
		return false;
	if (f->kind == FT12_PRIMARY)
		return veclink_text(want, "_type", "ReqFrame") &&
		       veclink_text(want, "function", request_names[f->function]) &&
		       veclink_is(want, "frame_count_bit", f->fcb) &&
		       veclink_is(want, "frame_count_valid", f->fcv);
	return f->kind == FT12_SECONDARY && veclink_text(want, "_type", "ResFrame") &&
	       veclink_text(want, "function", response_names[f->function]) &&
	       veclink_is(want, "access_demand", f->acd) &&
	       veclink_is(want, "data_flow_control", f->dfc);
}

static bool
check(const struct json *v)
{
	uint8_t bytes[FT12_MAX_FRAME], again[FT12_MAX_FRAME];
	int64_t address_size = 1;
	bool direction = false;
	struct ft12_frame f;
	size_t size = 0, len = veclink_unhex(json_get(v, "frame_hex"), bytes, sizeof(bytes));

	json_int(json_get(v, "address_size"), 0, 2, &address_size);
	json_bool(json_get(v, "direction_valid"), &direction);
	struct ft12_params p = { (uint8_t)address_size, direction };
	enum dec dec = ft12_decode(&p, bytes, len, &f, &size);
	if (json_get(v, "error"))
		return dec != DEC_OK;
	return dec == DEC_OK && size == len && same_frame(json_get(v, "frame"), &f) &&
	       ft12_encode(&p, &f, again) == (int)len && !memcmp(again, bytes, len);
}

int
main(int argc, char **argv)
{
	struct json_doc *doc = argc > 1 ? veclink_load(argv[1], "iec101.json") : NULL;
	unsigned passed = 0, failed = 0;

	if (!doc) {
		puts("iec101.json: 0 passed, 1 failed, 0 excepted (not readable)");
		return 1;
	}
	json_foreach (v, veclink_list(doc, "ft12_frames")) {
		bool ok = check(v);
		passed += ok;
		failed += !ok;
		if (!ok)
			printf("iec101.json: FAILED %s\n", json_str(json_get(v, "name")));
	}
	printf("iec101.json (ft12_frames): %u passed, %u failed, 0 excepted\n", passed, failed);
	json_free(doc);
	return failed || !passed;
}
