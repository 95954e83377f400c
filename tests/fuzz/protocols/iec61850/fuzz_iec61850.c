/* A PDU of MMS as a report or as the termination of a control; values as each of some types. */
#include "protocols/iec61850/control.h"
#include "protocols/iec61850/report.h"
#include "protocols/mms/pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct iec61850_type boolean = { .kind = IEC61850_BOOLEAN };
static struct iec61850_type members[] = {
	{ .kind = IEC61850_BOOLEAN, .name = "stVal" },
	{ .kind = IEC61850_QUALITY, .name = "q" },
	{ .kind = IEC61850_TIMESTAMP, .name = "t" },
};

/* A value that passes the check becomes JSON, all of it. */
static void
show(const struct mms_value *v)
{
	struct buffer b;

	for (int kind = 0; kind < IEC61850_KINDS; kind++) {
		const struct iec61850_type type = { .kind = (enum iec61850_kind)kind,
			.members = kind == IEC61850_ARRAY    ? &boolean
				   : kind == IEC61850_STRUCT ? members
							     : NULL,
			.count = kind == IEC61850_ARRAY ? 2 : 3 };
		if (!iec61850_value_check(&type, v))
			continue;
		struct json_writer w = { .b = &b };
		buffer_init(&b, 1 << 20);
		iec61850_value_to_json(&w, NULL, &type, v);
		if (!buffer_failed(&b) && !json_valid((const char *)buffer_data(&b), b.len))
			__builtin_trap();
		buffer_clear(&b);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iec61850_termination t;
	struct iec61850_report r;
	struct iec61850_member m;
	struct mms_pdu pdu;

	if (mms_pdu_decode(&pdu, data, size) != DEC_OK || pdu.type != MMS_UNCONFIRMED)
		return 0;
	iec61850_termination_decode(&t, &pdu.u.report);
	if (iec61850_report_decode(&r, &pdu.u.report) == DEC_OK)
		while (iec61850_report_next(&r, &m))
			show(&m.value);
	return 0;
}
