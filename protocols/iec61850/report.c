#include "protocols/iec61850/report.h"

const char *const iec61850_reason_names[IEC61850_REASONS + 1] = { "DATA_CHANGE", "QUALITY_CHANGE",
	"DATA_UPDATE", "INTEGRITY", "GENERAL_INTERROGATION", "APPLICATION_TRIGGER", NULL };
const char *const iec61850_option_names[IEC61850_OPTIONS + 1] = { "SEQUENCE_NUMBER",
	"REPORT_TIME_STAMP", "REASON_FOR_INCLUSION", "DATA_SET_NAME", "DATA_REFERENCE",
	"BUFFER_OVERFLOW", "ENTRY_ID", "CONF_REVISION", NULL };

/* --- Fields: each takes the next value; false where it is of another kind --- */

static bool
next_value(struct mms_list *list, struct mms_value *v)
{
	struct mms_access a;
	bool ok = mms_access_next(list, &a) && a.success;

	*v = a.value;
	return ok;
}

static bool
next_uint(struct mms_list *list, uint64_t *out)
{
	struct mms_value v;

	return next_value(list, &v) && mms_value_uint(&v, out);
}

static bool
next_bool(struct mms_list *list, bool *out)
{
	struct mms_value v;

	return next_value(list, &v) && mms_value_bool(&v, out);
}

static bool
read_sequence(struct iec61850_report *r, struct mms_list *list)
{
	return next_uint(list, &r->sequence);
}

/* A time and a name that nobody needs. */
static bool
skip(struct iec61850_report *r, struct mms_list *list)
{
	struct mms_value v;

	(void)r;
	return next_value(list, &v);
}

static bool
read_overflow(struct iec61850_report *r, struct mms_list *list)
{
	return next_bool(list, &r->overflow);
}

static bool
read_entry_id(struct iec61850_report *r, struct mms_list *list)
{
	struct mms_value v;

	return next_value(list, &v) && mms_value_octets(&v, &r->entry_id, &r->entry_id_len) &&
	       r->entry_id_len <= IEC61850_MAX_ENTRY_ID;
}

static bool
read_revision(struct iec61850_report *r, struct mms_list *list)
{
	return next_uint(list, &r->revision);
}

static bool
read_segment(struct iec61850_report *r, struct mms_list *list)
{
	return next_uint(list, &r->sub_sequence) && next_bool(list, &r->more);
}

/* In the order of the wire (table 46 of part 8-1). */
static const struct {
	enum iec61850_optional option;
	bool (*read)(struct iec61850_report *r, struct mms_list *list);
} fields[] = {
	{ .option = IEC61850_OPT_SEQUENCE, .read = read_sequence },
	{ .option = IEC61850_OPT_TIME, .read = skip },
	{ .option = IEC61850_OPT_DATASET, .read = skip },
	{ .option = IEC61850_OPT_OVERFLOW, .read = read_overflow },
	{ .option = IEC61850_OPT_ENTRY_ID, .read = read_entry_id },
	{ .option = IEC61850_OPT_REVISION, .read = read_revision },
	{ .option = IEC61850_OPT_SEGMENTED, .read = read_segment },
};

static bool
is_included(const struct iec61850_report *r, size_t n)
{
	return r->inclusion[n / 8] >> (7 - n % 8) & 1;
}

static size_t
count_included(const struct iec61850_report *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->members; i++)
		n += is_included(r, i);
	return n;
}

/* Passes over n values, which must be there. */
static bool
read_list(struct mms_list *from, size_t n, struct mms_list *list)
{
	struct mms_value v;

	*list = *from;
	for (size_t i = 0; i < n; i++)
		if (!next_value(from, &v))
			return false;
	return true;
}

static bool
read_lists(struct iec61850_report *r, struct mms_list *at)
{
	size_t n = count_included(r);

	if (r->optional & IEC61850_OPT_REFERENCE && !read_list(at, n, &r->references))
		return false;
	if (!read_list(at, n, &r->values))
		return false;
	if (r->optional & IEC61850_OPT_REASON && !read_list(at, n, &r->reasons))
		return false;
	return mms_list_count(*at) == 0;
}

enum dec
iec61850_report_decode(struct iec61850_report *r, const struct mms_report *mms)
{
	struct mms_list at = mms->results;
	struct mms_value v;
	size_t bits;

	*r = (struct iec61850_report){ 0 };
	if (!mms->is_list || mms->list.scope != MMS_VMD ||
	    !mms_str_equal(mms->list.item, mms_str("RPT")))
		return DEC_UNSUP;
	if (!next_value(&at, &v) || !mms_value_str(&v, &r->report_id) || !next_value(&at, &v) ||
	    !mms_value_flags(&v, &r->optional, &bits))
		return DEC_BAD;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (r->optional & fields[i].option && !fields[i].read(r, &at))
			return DEC_BAD;
	if (!next_value(&at, &v) || !mms_value_bits(&v, &r->inclusion, &r->members))
		return DEC_BAD;
	return read_lists(r, &at) ? DEC_OK : DEC_BAD;
}

bool
iec61850_report_next(struct iec61850_report *r, struct iec61850_member *m)
{
	struct mms_value v;
	size_t bits;

	*m = (struct iec61850_member){ 0 };
	while (r->at < r->members && !is_included(r, r->at))
		r->at++;
	if (r->at == r->members || !next_value(&r->values, &m->value))
		return false;
	m->index = r->at++;
	if (r->optional & IEC61850_OPT_REFERENCE && next_value(&r->references, &v))
		mms_value_str(&v, &m->reference);
	if (r->optional & IEC61850_OPT_REASON && next_value(&r->reasons, &v))
		mms_value_flags(&v, &m->reasons, &bits);
	return true;
}
