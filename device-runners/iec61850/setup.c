#include "device-runners/iec61850/setup.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocols/iec61850/report.h"

enum { MAX_ATTRIBUTES = 4, ATTRIBUTE = 200, VALUES = 600, ENTRY_ID = 8 };

static void fail(struct setup *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
fail(struct setup *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	s->state = SETUP_FAILED;
}

/* The outcome of a call that was not answered as it should be. */
static const char *
outcome_text(const struct mms_result *r, char text[64])
{
	return r->outcome == MMS_REFUSED ? mms_error_text(r->error, text)
					 : mms_outcome_name(r->outcome);
}

/* A call was made, or cannot be. */
static void
called(struct setup *s, enum mms_call rc, const char *what, const char *name)
{
	s->asked = rc == MMS_TAKEN;
	if (rc == MMS_TOO_LARGE)
		fail(s, "%s of %s does not fit a PDU of the negotiated size", what, name);
}

/* --- Data sets --- */

static struct mms_name
dataset_name(const struct conf_dataset *d)
{
	return (struct mms_name){ .scope = d->domain ? MMS_DOMAIN : MMS_ASSOCIATION,
		.domain = d->domain ? mms_str(d->domain) : (struct mms_str){ 0 },
		.item = mms_str(d->item) };
}

static bool
is_member(const struct mms_variable *v, const struct reference *ref)
{
	char item[2 * REFERENCE_MAX_ITEM + MMS_MAX_IDENTIFIER];
	int n = (int)v->name.item.len;

	if (v->name.scope != MMS_DOMAIN || !mms_str_equal(v->name.domain, mms_str(ref->domain)))
		return false;
	if (!v->has_index)
		return mms_str_equal(v->name.item, mms_str(ref->item));
	snprintf(item, sizeof(item), "%.*s(%u)%s%.*s", n, v->name.item.p, v->index,
	    v->component.p ? "$" : "", (int)v->component.len, v->component.p ? v->component.p : "");
	return strcmp(item, ref->item) == 0;
}

static bool
is_same(const struct conf_dataset *d, struct mms_list variables)
{
	struct mms_variable v;
	size_t n = 0;

	while (mms_variable_next(&variables, &v))
		if (n == d->count || !is_member(&v, &d->members[n++].ref))
			return false;
	return n == d->count;
}

static enum mms_call
ask_list(struct setup *s, const struct conf_dataset *d, struct monotime now)
{
	const struct mms_name name = dataset_name(d);

	return mms_client_get_list(s->mms, SETUP_TAG, &name, now);
}

static void
on_list(struct setup *s, const struct conf_dataset *d, const struct mms_result *r)
{
	if (r->outcome == MMS_REFUSED) {
		s->absent = true;
	} else if (is_same(d, r->response.u.list.variables)) {
		s->done_with = true;
	} else if (!d->replace) {
		fail(s, "data set %s is on the server with other members", d->text);
	} else {
		log_notice(
		    "data set %s is on the server with other members: replacing it", d->text);
	}
}

static enum mms_call
ask_delete(struct setup *s, const struct conf_dataset *d, struct monotime now)
{
	const struct mms_name name = dataset_name(d);

	return mms_client_delete_list(s->mms, SETUP_TAG, &name, now);
}

static void
on_delete(struct setup *s, const struct conf_dataset *d, const struct mms_result *r)
{
	char text[64];

	if (r->outcome == MMS_REFUSED || r->response.u.deleted.deleted == 0)
		fail(s, "data set %s cannot be deleted: %s", d->text, outcome_text(r, text));
}

static enum mms_call
ask_define(struct setup *s, const struct conf_dataset *d, struct monotime now)
{
	struct mms_variable *variables = calloc(d->count + 1, sizeof(*variables));
	const struct mms_name name = dataset_name(d);

	if (!variables) {
		fail(s, "out of memory");
		return MMS_NOT_READY;
	}
	for (size_t i = 0; i < d->count; i++)
		variables[i] = reference_variable(&d->members[i].ref);
	enum mms_call rc =
	    mms_client_define_list(s->mms, SETUP_TAG, &name, variables, d->count, now);
	free(variables);
	return rc;
}

static void
on_define(struct setup *s, const struct conf_dataset *d, const struct mms_result *r)
{
	char text[64];

	if (r->outcome == MMS_REFUSED)
		fail(s, "data set %s cannot be made: %s", d->text, outcome_text(r, text));
	else
		log_debug("data set %s made", d->text);
}

static bool
is_persisted(const struct setup *s, const struct conf_dataset *d)
{
	(void)s;
	return d->domain;
}

static bool
is_other(const struct setup *s, const struct conf_dataset *d)
{
	return d->domain && !s->done_with && !s->absent;
}

static bool
is_to_make(const struct setup *s, const struct conf_dataset *d)
{
	(void)d;
	return !s->done_with;
}

static const struct {
	bool (*wanted)(const struct setup *s, const struct conf_dataset *d);
	enum mms_call (*ask)(struct setup *s, const struct conf_dataset *d, struct monotime now);
	void (*result)(
	    struct setup *s, const struct conf_dataset *d, const struct mms_result *result);
} dataset_steps[] = {
	{ .wanted = is_persisted, .ask = ask_list, .result = on_list },
	{ .wanted = is_other, .ask = ask_delete, .result = on_delete },
	{ .wanted = is_to_make, .ask = ask_define, .result = on_define },
};

enum { DATASET_STEPS = sizeof(dataset_steps) / sizeof(dataset_steps[0]) };

/* --- Report control blocks --- */

/* Attributes that one request reads or writes. */
struct attributes {
	struct mms_variable variables[MAX_ATTRIBUTES];
	char items[MAX_ATTRIBUTES][ATTRIBUTE];
	size_t count;
	struct ber_writer w; /* values to write */
	uint8_t values[VALUES];
};

static void
add(struct attributes *a, const struct conf_rcb *rcb, const char *attribute)
{
	char *item = a->items[a->count];

	snprintf(item, ATTRIBUTE, "%s$%s", rcb->item, attribute);
	a->variables[a->count++].name = (struct mms_name){
		.scope = MMS_DOMAIN, .domain = mms_str(rcb->domain), .item = mms_str(item)
	};
}

static void
add_bool(struct attributes *a, const struct conf_rcb *rcb, const char *attribute, bool v)
{
	add(a, rcb, attribute);
	mms_put_bool(&a->w, v);
}

static void
put_reserve(struct setup *s, const struct conf_rcb *rcb, struct attributes *a)
{
	(void)s;
	if (!rcb->buffered) {
		add_bool(a, rcb, "Resv", true);
	} else if (rcb->has_reservation) {
		add(a, rcb, "ResvTms");
		mms_put_int(&a->w, rcb->reservation);
	}
}

static void
put_disable(struct setup *s, const struct conf_rcb *rcb, struct attributes *a)
{
	(void)s;
	add_bool(a, rcb, "RptEna", false);
}

static void
put_dataset(struct setup *s, const struct conf_rcb *rcb, struct attributes *a)
{
	(void)s;
	if (!rcb->dataset->dynamic)
		return;
	add(a, rcb, "DatSet");
	mms_put_str(&a->w, MMS_VISIBLE_STRING, rcb->dataset->text, strlen(rcb->dataset->text));
}

static void
put_entry(struct setup *s, const struct conf_rcb *rcb, struct attributes *a)
{
	const uint8_t *id;
	size_t len;

	if (!rcb->buffered)
		return;
	if (rcb->purge || !reports_entry_id(s->reports, rcb, &id, &len)) {
		add_bool(a, rcb, "PurgeBuf", true);
		return;
	}
	add(a, rcb, "EntryID");
	mms_put_octets(&a->w, id, len);
}

/* Everything that the server still has is sent. */
static void
put_resynchronize(struct setup *s, const struct conf_rcb *rcb, struct attributes *a)
{
	static const uint8_t zero[ENTRY_ID];

	if (!s->resynchronize)
		return;
	add(a, rcb, "EntryID");
	mms_put_octets(&a->w, zero, sizeof(zero));
}

static void
put_options(struct setup *s, const struct conf_rcb *rcb, struct attributes *a)
{
	(void)s;
	if (rcb->has_triggers) {
		add(a, rcb, "TrgOps");
		mms_put_flags(&a->w, rcb->triggers, IEC61850_TRIGGER_BITS);
	}
	if (rcb->has_optional) {
		add(a, rcb, "OptFlds");
		mms_put_flags(&a->w, rcb->optional, IEC61850_OPTIONAL_BITS);
	}
	if (rcb->has_buffer_time) {
		add(a, rcb, "BufTm");
		mms_put_uint(&a->w, (uint64_t)rcb->buffer_time);
	}
	if (rcb->has_integrity) {
		add(a, rcb, "IntgPd");
		mms_put_uint(&a->w, (uint64_t)rcb->integrity);
	}
}

static void
put_enable(struct setup *s, const struct conf_rcb *rcb, struct attributes *a)
{
	(void)s;
	add_bool(a, rcb, "RptEna", true);
}

static void
put_interrogate(struct setup *s, const struct conf_rcb *rcb, struct attributes *a)
{
	(void)s;
	add_bool(a, rcb, "GI", true);
}

/* Step 0 reads, the others write; what a put adds nothing to is passed over. */
enum { STEP_READ = 0, STEP_ENTRY = 4, STEP_GI = 8 };
static const struct {
	void (*put)(struct setup *s, const struct conf_rcb *rcb, struct attributes *a);
	bool critical;
} rcb_steps[] = {
	[STEP_READ] = { .critical = true },
	{ .put = put_reserve },
	{ .put = put_disable },
	{ .put = put_dataset, .critical = true },
	[STEP_ENTRY] = { .put = put_entry },
	{ .put = put_resynchronize },
	{ .put = put_options },
	{ .put = put_enable, .critical = true },
	[STEP_GI] = { .put = put_interrogate, .critical = true },
};

enum { RCB_STEPS = sizeof(rcb_steps) / sizeof(rcb_steps[0]) };

static void
ask_rcb(struct setup *s, const struct conf_rcb *rcb, struct monotime now)
{
	static struct attributes a;

	a.count = 0;
	ber_writer_init(&a.w, a.values, sizeof(a.values));
	if (s->step == STEP_READ) {
		add(&a, rcb, "RptID");
		if (!rcb->dataset->dynamic)
			add(&a, rcb, "DatSet");
		if (rcb->has_revision)
			add(&a, rcb, "ConfRev");
		called(s, mms_client_read(s->mms, SETUP_TAG, a.variables, a.count, now), "read",
		    rcb->id);
		return;
	}
	rcb_steps[s->step].put(s, rcb, &a);
	if (a.count == 0) {
		s->step++;
		return;
	}
	called(s,
	    mms_client_write(
		s->mms, SETUP_TAG, a.variables, a.count, a.values, ber_writer_done(&a.w), now),
	    "write", rcb->id);
}

static bool
next_text(struct mms_list *list, struct mms_str *text)
{
	struct mms_access a;

	return mms_access_next(list, &a) && a.success && mms_value_str(&a.value, text);
}

static void
on_attributes(struct setup *s, const struct conf_rcb *rcb, struct mms_list list)
{
	struct mms_access a;
	struct mms_str text;
	uint64_t revision;

	if (!next_text(&list, &text))
		fail(s, "report %s: RptID cannot be read", rcb->id);
	else if (!mms_str_equal(text, mms_str(rcb->report_id)) &&
		 !mms_str_equal(text, mms_str(rcb->id)))
		fail(s, "report %s: RptID is %.*s", rcb->id, (int)text.len, text.p);
	else if (!rcb->dataset->dynamic && !next_text(&list, &text))
		fail(s, "report %s: DatSet cannot be read", rcb->id);
	else if (!rcb->dataset->dynamic && !mms_str_equal(text, mms_str(rcb->dataset->text)))
		fail(s, "report %s: DatSet is %.*s, not %s", rcb->id, (int)text.len, text.p,
		    rcb->dataset->text);
	else if (rcb->has_revision && (!mms_access_next(&list, &a) || !a.success ||
					  !mms_value_uint(&a.value, &revision)))
		fail(s, "report %s: ConfRev cannot be read", rcb->id);
	else if (rcb->has_revision && revision != (uint64_t)rcb->revision)
		fail(s, "report %s: ConfRev is %llu, not %lld", rcb->id,
		    (unsigned long long)revision, (long long)rcb->revision);
}

static bool
is_critical(const struct setup *s, const struct conf_rcb *rcb)
{
	/* A report control block that does not offer general interrogation refuses it. */
	bool no_gi = rcb->has_triggers && !(rcb->triggers & 1 << 5);

	return rcb_steps[s->step].critical && !(s->step == STEP_GI && no_gi);
}

/* A step failed, which may not matter. */
static void
step_failed(struct setup *s, const struct conf_rcb *rcb, const char *why)
{
	static const char *const names[RCB_STEPS] = { "reading it", "reserving it", "disabling it",
		"setting its data set", "setting where to go on", "asking for all buffered entries",
		"setting its options", "enabling it", "general interrogation" };

	if (is_critical(s, rcb))
		fail(s, "report %s: %s failed: %s", rcb->id, names[s->step], why);
	else
		limit_warning(&s->limit, "report %s: %s failed: %s", rcb->id, names[s->step], why);
	if (s->step == STEP_ENTRY && !rcb->purge)
		s->resynchronize = true;
}

static void
on_rcb(struct setup *s, const struct conf_rcb *rcb, const struct mms_result *r)
{
	struct mms_list list = r->response.u.written;
	char text[64];
	int64_t error;
	bool success;

	if (r->outcome != MMS_ANSWERED) {
		step_failed(s, rcb, outcome_text(r, text));
		return;
	}
	if (s->step == STEP_READ) {
		on_attributes(s, rcb, r->response.u.read);
		return;
	}
	while (mms_written_next(&list, &success, &error))
		if (!success) {
			step_failed(s, rcb, mms_access_error_name(error));
			return;
		}
}

/* --- The whole --- */

void
setup_init(
    struct setup *s, const struct conf *conf, const struct reports *reports, struct mms_client *mms)
{
	*s = (struct setup){ .conf = conf, .reports = reports, .mms = mms };
}

void
setup_start(struct setup *s)
{
	s->state = SETUP_DATASETS;
	s->index = s->step = 0;
	s->asked = s->done_with = s->absent = s->resynchronize = false;
}

void
setup_stop(struct setup *s)
{
	s->state = SETUP_IDLE;
	s->asked = false;
}

/* Goes to the next one once all steps of this one are done. */
static void
advance(struct setup *s, size_t steps, size_t count, enum setup_state next)
{
	if (s->step == steps) {
		s->index++;
		s->step = 0;
		s->done_with = s->absent = s->resynchronize = false;
	}
	if (s->index == count) {
		s->state = next;
		s->index = 0;
	}
}

static void
pump_datasets(struct setup *s, struct monotime now)
{
	const struct conf_dataset *d;

	advance(s, DATASET_STEPS, s->conf->dataset_count, SETUP_RCBS);
	if (s->state != SETUP_DATASETS)
		return;
	d = &s->conf->datasets[s->index];
	if (!d->dynamic || !dataset_steps[s->step].wanted(s, d))
		s->step++;
	else
		called(s, dataset_steps[s->step].ask(s, d, now), "definition", d->text);
}

static void
pump_rcbs(struct setup *s, struct monotime now)
{
	advance(s, RCB_STEPS, s->conf->rcb_count, SETUP_DONE);
	if (s->state == SETUP_RCBS)
		ask_rcb(s, &s->conf->rcbs[s->index], now);
}

void
setup_pump(struct setup *s, struct monotime now)
{
	while (!s->asked && mms_client_may_call(s->mms)) {
		if (s->state == SETUP_DATASETS)
			pump_datasets(s, now);
		else if (s->state == SETUP_RCBS)
			pump_rcbs(s, now);
		else
			break;
	}
}

void
setup_result(struct setup *s, const struct mms_result *r)
{
	char text[64];

	s->asked = false;
	if (r->outcome == MMS_LOST)
		return;
	if (s->state == SETUP_RCBS) {
		on_rcb(s, &s->conf->rcbs[s->index], r);
	} else if (s->state == SETUP_DATASETS) {
		const struct conf_dataset *d = &s->conf->datasets[s->index];
		if (r->outcome != MMS_ANSWERED && r->outcome != MMS_REFUSED)
			fail(s, "data set %s: %s", d->text, outcome_text(r, text));
		else
			dataset_steps[s->step].result(s, d, r);
	}
	s->step++;
}
