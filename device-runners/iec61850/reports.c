#include "device-runners/iec61850/reports.h"

#include <stdio.h>
#include <stdlib.h>

#include "device-runners/runtime/limit.h"
#include "protocols/iec61850/report.h"

enum { BUFFERED_SEQUENCE = 0xffff, UNBUFFERED_SEQUENCE = 0xff };

/* The content of a report for one member of the data set. */
struct got {
	bool included;
	uint32_t reasons;
	struct mms_value value; /* its data lies in the store where the report has segments */
	size_t offset;		/* in there */
};

struct rcb_state {
	struct got *got; /* one for each member */
	bool has_sequence, collecting;
	bool purged;			  /* what the first report says of the buffer is known */
	uint64_t sequence;		  /* of the last report */
	uint64_t collected, next_segment; /* SqNum and SubSqNum of what is collected */
	struct monotime since;		  /* the last segment came */
	struct buffer store;
	uint8_t entry_id[IEC61850_MAX_ENTRY_ID];
	size_t entry_id_len;
	bool has_entry_id;
};

/* The content of a report for one data. */
struct touched {
	bool on;
	uint32_t reasons;
	const struct conf_member *member[CONF_PARTS]; /* it brings that part whole */
	size_t index[CONF_PARTS];		      /* of it */
	bool pieces[CONF_PARTS];
};

struct reports {
	struct runner *runner;
	const struct conf *conf;
	struct rcb_state *states; /* one for each report control block */
	struct touched *touched;  /* one for each data */
	uint32_t *order;	  /* data in the order in which they appear */
	struct limit drop_limit, gap_limit;
	uint64_t *reports, *events, *dropped, *gaps, *overflows, *segments_lost;
};

struct reports *
reports_new(struct runner *r, const struct conf *conf)
{
	struct reports *p = runner_alloc(r, 1, sizeof(*p));

	p->runner = r;
	p->conf = conf;
	p->states = runner_alloc(r, conf->rcb_count + 1, sizeof(*p->states));
	p->touched = runner_alloc(r, conf->data_count + 1, sizeof(*p->touched));
	p->order = runner_alloc(r, conf->data_count + 1, sizeof(*p->order));
	for (size_t i = 0; i < conf->rcb_count; i++) {
		p->states[i].got =
		    runner_alloc(r, conf->rcbs[i].dataset->count + 1, sizeof(*p->states[i].got));
		buffer_init(&p->states[i].store, REPORTS_MAX_STORE);
	}
	p->reports = runner_counter(r, "reports");
	p->events = runner_counter(r, "events");
	p->dropped = runner_counter(r, "reports_dropped");
	p->gaps = runner_counter(r, "sequence_gaps");
	p->overflows = runner_counter(r, "buffer_overflows");
	p->segments_lost = runner_counter(r, "segments_lost");
	return p;
}

void
reports_free(struct reports *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->conf->rcb_count; i++) {
		free(p->states[i].got);
		buffer_clear(&p->states[i].store);
	}
	free(p->states);
	free(p->touched);
	free(p->order);
	free(p);
}

void
reports_reset(struct reports *p)
{
	for (size_t i = 0; i < p->conf->rcb_count; i++) {
		p->states[i].has_sequence = p->states[i].collecting = false;
		p->states[i].purged = p->conf->rcbs[i].purge || !p->states[i].has_entry_id;
		buffer_clear(&p->states[i].store);
	}
}

bool
reports_entry_id(
    const struct reports *p, const struct conf_rcb *rcb, const uint8_t **data, size_t *len)
{
	const struct rcb_state *s = &p->states[rcb - p->conf->rcbs];

	*data = s->entry_id;
	*len = s->entry_id_len;
	return s->has_entry_id;
}

void
reports_seed(struct reports *p, const char *id, const char *hex)
{
	struct rcb_state *s = NULL;
	unsigned octet;
	size_t n = 0;

	for (size_t i = 0; i < p->conf->rcb_count; i++)
		if (p->conf->rcbs[i].buffered && strcmp(p->conf->rcbs[i].id, id) == 0)
			s = &p->states[i];
	if (!s || strlen(hex) % 2 || strlen(hex) / 2 > sizeof(s->entry_id) ||
	    strspn(hex, "0123456789abcdefABCDEF") != strlen(hex))
		return;
	for (; hex[2 * n]; n++) {
		sscanf(hex + 2 * n, "%2x", &octet);
		s->entry_id[n] = (uint8_t)octet;
	}
	s->entry_id_len = n;
	s->has_entry_id = true;
}

/* --- Taking a report --- */

static const struct conf_rcb *
find(const struct reports *p, struct mms_str id)
{
	for (size_t i = 0; i < p->conf->rcb_count; i++)
		if (mms_str_equal(id, mms_str(p->conf->rcbs[i].id)))
			return &p->conf->rcbs[i];
	return NULL;
}

/* Whether a reference in a report is that of the member: "LD0/GGIO1$ST$Ind1". */
static bool
is_named(struct mms_str s, const struct reference *ref)
{
	size_t n = strlen(ref->domain), m = strlen(ref->item);

	return s.len == n + 1 + m && memcmp(s.p, ref->domain, n) == 0 && s.p[n] == '/' &&
	       memcmp(s.p + n + 1, ref->item, m) == 0;
}

static const char *
take_member(struct rcb_state *s, const struct conf_member *member, const struct iec61850_member *m,
    bool segmented)
{
	struct got *got = &s->got[m->index];

	if (m->reference.p && !is_named(m->reference, &member->ref))
		return "a reference is another one than in the data set";
	if (!iec61850_value_check(member->ref.type, &m->value))
		return "a value is not of the configured type";
	*got = (struct got){
		.included = true, .reasons = m->reasons, .value = m->value, .offset = s->store.len
	};
	if (segmented)
		buffer_append(&s->store, m->value.data, m->value.len);
	return buffer_failed(&s->store) ? "its segments are too long" : NULL;
}

/* Takes the values; why they are none of the data set, or NULL. */
static const char *
take_values(struct rcb_state *s, const struct conf_dataset *set, struct iec61850_report *report)
{
	struct iec61850_member m;
	const char *why = NULL;

	if (report->members != set->count)
		return "it has another number of members than the data set";
	while (!why && iec61850_report_next(report, &m))
		why = take_member(
		    s, &set->members[m.index], &m, report->optional & IEC61850_OPT_SEGMENTED);
	return why;
}

static void
begin(struct rcb_state *s, const struct conf_dataset *set)
{
	memset(s->got, 0, set->count * sizeof(*s->got));
	buffer_clear(&s->store);
}

/* Whether the segment goes on with what is collected, or begins a report. */
static bool
take_segment(struct reports *p, struct rcb_state *s, const struct conf_rcb *rcb,
    const struct iec61850_report *report, struct monotime now)
{
	bool late = monotime_diff_ms(now, s->since) > REPORTS_SEGMENT_MS;
	bool goes_on = s->collecting && !late && report->sequence == s->collected &&
		       report->sub_sequence == s->next_segment;
	bool begins = report->sub_sequence == 0 || (!s->collecting && report->sub_sequence == 1);

	if (!goes_on && (s->collecting || !begins)) {
		++*p->segments_lost;
		limit_warning(&p->gap_limit, "report %s: a segment is missing", rcb->id);
	}
	if (!goes_on && begins)
		begin(s, rcb->dataset);
	s->collecting = goes_on || begins;
	s->collected = report->sequence;
	s->next_segment = report->sub_sequence + 1;
	s->since = now;
	return s->collecting;
}

static void
note_sequence(struct reports *p, struct rcb_state *s, const struct conf_rcb *rcb,
    const struct iec61850_report *report)
{
	uint64_t mask = rcb->buffered ? BUFFERED_SEQUENCE : UNBUFFERED_SEQUENCE;

	if (!(report->optional & IEC61850_OPT_SEQUENCE))
		return;
	if (s->has_sequence && report->sequence != ((s->sequence + 1) & mask)) {
		++*p->gaps;
		limit_warning(&p->gap_limit, "report %s: sequence number %llu follows %llu",
		    rcb->id, (unsigned long long)report->sequence, (unsigned long long)s->sequence);
	}
	s->has_sequence = true;
	s->sequence = report->sequence;
}

static void
note_overflow(struct reports *p, struct rcb_state *s, const struct conf_rcb *rcb,
    const struct iec61850_report *report)
{
	bool known = s->purged;

	s->purged = false;
	if (!report->overflow || known)
		return;
	++*p->overflows;
	limit_warning(&p->gap_limit,
	    "report %s: the buffer of the server has overflowed: "
	    "reports are lost",
	    rcb->id);
}

/* --- Events --- */

static void
touch(struct reports *p, size_t *count, const struct conf_member *member, size_t index,
    uint32_t reasons)
{
	for (size_t i = 0; i < member->point->count; i++) {
		const struct conf_link *link = &member->point->links[i];
		struct touched *t = &p->touched[link->data];
		if (!t->on) {
			*t = (struct touched){ .on = true };
			p->order[(*count)++] = link->data;
		}
		t->reasons |= reasons;
		if (link->whole) {
			t->member[link->part] = member;
			t->index[link->part] = index;
		} else {
			t->pieces[link->part] = true;
		}
	}
}

/* A value that is put together of members of the data set, each a piece of it. */
struct pieces {
	const struct conf_dataset *set;
	const struct got *got;
	const char *domain;
	struct buffer path; /* of the value that is being written, with a NUL */
};

/* The piece at the path, if it was reported as such; below: how many are deeper. */
static const struct mms_value *
piece_at(const struct pieces *p, size_t *below)
{
	const char *path = (const char *)buffer_data(&p->path);
	const struct mms_value *found = NULL;

	*below = 0;
	for (size_t i = 0; i < p->set->count; i++) {
		const struct reference *ref = &p->set->members[i].ref;
		if (!p->got[i].included || strcmp(ref->domain, p->domain) != 0 ||
		    !reference_is_around(path, ref->item))
			continue;
		if (strcmp(ref->item, path) == 0)
			found = &p->got[i].value;
		else
			++*below;
	}
	return found;
}

static size_t put_piece(
    struct pieces *p, struct json_writer *w, const char *key, const struct iec61850_type *type);

/* Goes down to a member, and back; returns how many pieces were there. */
static size_t
put_member(struct pieces *p, struct json_writer *w, const char *key,
    const struct iec61850_type *type, const char *name, size_t index)
{
	size_t len = p->path.len;

	buffer_truncate(&p->path, len - 1);
	if (name)
		buffer_printf(&p->path, "$%s", name);
	else
		buffer_printf(&p->path, "(%zu)", index);
	buffer_u8(&p->path, 0);
	size_t put = buffer_failed(&p->path) ? 0 : put_piece(p, w, key, type);
	buffer_truncate(&p->path, len - 1);
	buffer_u8(&p->path, 0);
	return put;
}

static size_t
put_array(struct pieces *p, struct json_writer *w, const char *key,
    const struct iec61850_type *type, size_t below)
{
	size_t put = 0;

	json_begin_array(w, key);
	for (size_t i = 0; i < type->count && put < below; i++) {
		size_t n = put_member(p, w, NULL, type->members, NULL, i);
		if (n == 0)
			json_put_null(w, NULL);
		put += n;
	}
	json_end_array(w);
	return put;
}

static size_t
put_object(
    struct pieces *p, struct json_writer *w, const char *key, const struct iec61850_type *type)
{
	/* Members of the types that the standard has built: their names in MMS and in JSON. */
	static const struct {
		enum iec61850_kind kind;
		const char *name, *json;
	} names[] = {
		{ .kind = IEC61850_ANALOGUE, .name = "i", .json = "i" },
		{ .kind = IEC61850_ANALOGUE, .name = "f", .json = "f" },
		{ .kind = IEC61850_VECTOR, .name = "mag", .json = "magnitude" },
		{ .kind = IEC61850_VECTOR, .name = "ang", .json = "angle" },
		{ .kind = IEC61850_STEP_POSITION, .name = "posVal", .json = "value" },
		{ .kind = IEC61850_STEP_POSITION, .name = "transInd", .json = "transient" },
	};
	size_t put = 0;

	json_begin_object(w, key);
	for (size_t i = 0; type->kind == IEC61850_STRUCT && i < type->count; i++)
		put += put_member(
		    p, w, type->members[i].name, &type->members[i], type->members[i].name, 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct iec61850_step step = { .name = names[i].name };
		if (names[i].kind == type->kind)
			put += put_member(p, w, names[i].json, iec61850_type_at(type, &step, 1),
			    names[i].name, 0);
	}
	json_end_object(w);
	return put;
}

static size_t
put_piece(
    struct pieces *p, struct json_writer *w, const char *key, const struct iec61850_type *type)
{
	size_t below;
	const struct mms_value *value = piece_at(p, &below);

	if (value) {
		iec61850_value_to_json(w, key, type, value);
		return 1 + below;
	}
	if (below == 0)
		return 0;
	return type->kind == IEC61850_ARRAY ? put_array(p, w, key, type, below)
					    : put_object(p, w, key, type);
}

static void
put_part(struct json_writer *w, const struct conf_data *d, const struct touched *t,
    enum conf_part part, const struct conf_dataset *set, const struct got *got)
{
	const struct reference *ref = &d->parts[part];
	const struct conf_member *member = t->member[part];
	struct mms_value v;

	if (member) {
		size_t n = member->ref.count;
		if (iec61850_value_at(member->ref.type, &got[t->index[part]].value, ref->steps + n,
			ref->count - n, &v))
			iec61850_value_to_json(w, conf_part_names[part], ref->type, &v);
	} else if (t->pieces[part]) {
		struct pieces p = { .set = set, .got = got, .domain = ref->domain };
		buffer_init(&p.path, 4096);
		buffer_append(&p.path, ref->item, strlen(ref->item) + 1);
		put_piece(&p, w, conf_part_names[part], ref->type);
		buffer_clear(&p.path);
	}
}

static void
register_data(struct reports *p, const struct conf_data *d, const struct touched *t,
    const struct conf_dataset *set, const struct got *got)
{
	const char *const type[] = { "gateway", "data", d->name };
	struct json_writer *w = runner_payload(p->runner);

	json_begin_object(w, NULL);
	json_begin_array(w, "reasons");
	for (int i = 0; i < IEC61850_REASONS; i++)
		if (t->reasons >> (i + 1) & 1)
			json_put_str(w, NULL, iec61850_reason_names[i]);
	json_end_array(w);
	for (int part = 0; part < CONF_PARTS; part++)
		put_part(w, d, t, (enum conf_part)part, set, got);
	json_end_object(w);
	runner_register_payload(p->runner, type, 3, NULL);
	++*p->events;
}

static void
register_entry_id(struct reports *p, struct rcb_state *s, const struct conf_rcb *rcb,
    const struct iec61850_report *report)
{
	const char *const type[] = { "gateway", "entry_id", rcb->id };
	struct json_writer *w = runner_payload(p->runner);
	char hex[2 * IEC61850_MAX_ENTRY_ID + 1] = "";

	for (size_t i = 0; i < report->entry_id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", report->entry_id[i]);
	if (report->entry_id)
		json_put_str(w, NULL, hex);
	else
		json_put_null(w, NULL);
	runner_register_payload(p->runner, type, 3, NULL);
	s->has_entry_id = report->entry_id != NULL;
	s->entry_id_len = report->entry_id_len;
	if (report->entry_id)
		memcpy(s->entry_id, report->entry_id, report->entry_id_len);
}

static void
finish(struct reports *p, struct rcb_state *s, const struct conf_rcb *rcb,
    const struct iec61850_report *report)
{
	const struct conf_dataset *set = rcb->dataset;
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++) {
		if (!s->got[i].included)
			continue;
		if (report->optional & IEC61850_OPT_SEGMENTED)
			s->got[i].value.data = buffer_data(&s->store) + s->got[i].offset;
		touch(p, &count, &set->members[i], i, s->got[i].reasons);
	}
	for (size_t i = 0; i < count; i++) {
		struct touched *t = &p->touched[p->order[i]];
		register_data(p, &p->conf->data[p->order[i]], t, set, s->got);
		t->on = false;
	}
	++*p->reports;
	if (rcb->buffered)
		register_entry_id(p, s, rcb, report);
	s->collecting = false;
	buffer_clear(&s->store);
}

static void
drop(struct reports *p, struct rcb_state *s, struct mms_str id, const char *why)
{
	++*p->dropped;
	limit_warning(
	    &p->drop_limit, "report %.*s dropped: %s", (int)id.len, id.p ? id.p : "", why);
	if (s)
		s->collecting = false;
}

bool
reports_take(struct reports *p, const struct mms_report *mms, struct monotime now)
{
	struct iec61850_report report;
	enum dec rc = iec61850_report_decode(&report, mms);

	if (rc == DEC_UNSUP)
		return false;
	if (rc != DEC_OK) {
		drop(p, NULL, report.report_id, "it is malformed");
		return true;
	}
	const struct conf_rcb *rcb = find(p, report.report_id);
	if (!rcb) {
		drop(p, NULL, report.report_id, "no report control block has this identifier");
		return true;
	}
	struct rcb_state *s = &p->states[rcb - p->conf->rcbs];
	bool segmented = report.optional & IEC61850_OPT_SEGMENTED;
	if (!segmented)
		begin(s, rcb->dataset);
	else if (!take_segment(p, s, rcb, &report, now))
		return true;
	if (!segmented || report.sub_sequence == 0)
		note_sequence(p, s, rcb, &report);
	const char *why = take_values(s, rcb->dataset, &report);
	if (why)
		drop(p, s, report.report_id, why);
	if (why || (segmented && report.more))
		return true;
	note_overflow(p, s, rcb, &report);
	finish(p, s, rcb, &report);
	return true;
}
