#include "protocols/mms/service.h"

#include <stdio.h>

enum {
	VISIBLE_STRING = 26,
	MAX_DEPTH = 8,
};

/* --- Lists --- */

static struct ber_reader
reader_of(const struct mms_list *list)
{
	struct ber_reader r;

	ber_reader_init(&r, list->p, (size_t)(list->end - list->p), MAX_DEPTH);
	return r;
}

/* The position behind what was read of a list; false at its end. */
static bool
advanced(struct mms_list *list, const struct ber_reader *r)
{
	list->p = ber_ok(r) ? r->c.p : list->end;
	return ber_ok(r);
}

/* Enters an element whose content is a list, checks each member with check(), and leaves it. */
static void
read_list(
    struct ber_reader *r, uint32_t tag, struct mms_list *list, void (*check)(struct ber_reader *r))
{
	ber_enter(r, tag);
	*list = (struct mms_list){ r->c.p, r->c.end };
	while (ber_more(r))
		check(r);
	ber_leave(r);
}

size_t
mms_list_count(struct mms_list list)
{
	struct ber_reader r = reader_of(&list);
	struct ber_element e;
	size_t n = 0;

	while (ber_more(&r) && ber_next(&r, &e))
		n++;
	return n;
}

/* --- Names --- */

static struct mms_str
read_str(struct ber_reader *r, uint32_t tag)
{
	struct mms_str s;

	s.p = (const char *)ber_bytes(r, tag, &s.len);
	return s;
}

static struct mms_str
read_identifier(struct ber_reader *r, uint32_t tag)
{
	struct mms_str s = read_str(r, tag);

	if (s.len > MMS_MAX_IDENTIFIER)
		ber_fail(r);
	return s;
}

static void
read_name(struct ber_reader *r, struct mms_name *name)
{
	*name = (struct mms_name){ .scope = MMS_VMD };
	if (ber_is(r, BER_CONTEXT_C(MMS_DOMAIN))) {
		name->scope = MMS_DOMAIN;
		ber_enter(r, BER_CONTEXT_C(MMS_DOMAIN));
		name->domain = read_identifier(r, VISIBLE_STRING);
		name->item = read_identifier(r, VISIBLE_STRING);
		ber_leave(r);
		return;
	}
	if (ber_is(r, BER_CONTEXT(MMS_ASSOCIATION)))
		name->scope = MMS_ASSOCIATION;
	name->item = read_identifier(r, BER_CONTEXT((uint32_t)name->scope));
}

static void
check_identifier(struct ber_reader *r)
{
	read_identifier(r, VISIBLE_STRING);
}

bool
mms_identifier_next(struct mms_list *list, struct mms_str *name)
{
	struct ber_reader r = reader_of(list);

	*name = (struct mms_str){ NULL, 0 };
	if (!ber_more(&r))
		return false;
	*name = read_identifier(&r, VISIBLE_STRING);
	return advanced(list, &r);
}

/* --- Variables --- */

static void
read_index(struct ber_reader *r, uint32_t tag, struct mms_variable *v)
{
	v->has_index = true;
	v->index = (uint32_t)ber_uint(r, tag, sizeof(v->index));
}

/* AlternateAccess, as far as put_alternate() of the requests writes it. */
static void
read_alternate(struct ber_reader *r, struct mms_variable *v)
{
	ber_enter(r, BER_CONTEXT_C(5));
	if (ber_is(r, BER_CONTEXT(2))) {
		read_index(r, BER_CONTEXT(2), v);
	} else {
		ber_enter(r, BER_CONTEXT_C(0));
		read_index(r, BER_CONTEXT(1), v);
		ber_enter(r, BER_SEQUENCE);
		v->component = read_identifier(r, BER_CONTEXT(1));
		ber_leave(r);
		ber_leave(r);
	}
	ber_leave(r);
}

static void
read_variable(struct ber_reader *r, struct mms_variable *v)
{
	*v = (struct mms_variable){ 0 };
	ber_enter(r, BER_SEQUENCE);
	ber_enter(r, BER_CONTEXT_C(0));
	read_name(r, &v->name);
	ber_leave(r);
	if (ber_is(r, BER_CONTEXT_C(5)))
		read_alternate(r, v);
	ber_leave(r);
}

static void
check_variable(struct ber_reader *r)
{
	struct mms_variable v;

	read_variable(r, &v);
}

bool
mms_variable_next(struct mms_list *list, struct mms_variable *v)
{
	struct ber_reader r = reader_of(list);

	*v = (struct mms_variable){ 0 };
	if (!ber_more(&r))
		return false;
	read_variable(&r, v);
	return advanced(list, &r);
}

/* --- Results --- */

/* AccessResult: [0] is an error, everything else a value. */
static void
check_access(struct ber_reader *r)
{
	const uint8_t *begin = r->c.p;
	struct mms_values values;
	struct ber_element e;

	if (ber_is(r, BER_CONTEXT(0)))
		ber_int(r, BER_CONTEXT(0));
	else if (ber_next(r, &e) && !mms_values_check(&values, begin, (size_t)(r->c.p - begin)))
		ber_fail(r);
}

bool
mms_access_next(struct mms_list *list, struct mms_access *a)
{
	struct ber_reader r = reader_of(list);
	struct ber_element e;

	*a = (struct mms_access){ 0 };
	if (!ber_more(&r) || !ber_next(&r, &e))
		return false;
	a->success = e.tag != BER_CONTEXT(0);
	if (a->success)
		a->value =
		    (struct mms_value){ (enum mms_kind)(e.tag & BER_MAX_NUMBER), e.data, e.len };
	else
		ber_element_int(&e, &a->error);
	return advanced(list, &r);
}

static void
check_written(struct ber_reader *r)
{
	if (ber_is(r, BER_CONTEXT(0)))
		ber_int(r, BER_CONTEXT(0));
	else
		ber_null(r, BER_CONTEXT(1));
}

bool
mms_written_next(struct mms_list *list, bool *success, int64_t *error)
{
	struct ber_reader r = reader_of(list);
	struct ber_element e;

	*success = false;
	*error = 0;
	if (!ber_more(&r) || !ber_next(&r, &e))
		return false;
	*success = e.tag == BER_CONTEXT(1);
	if (!*success)
		ber_element_int(&e, error);
	return advanced(list, &r);
}

/* --- Types --- */

/* Octets of the element that follows, which must have that tag, as a list that was not checked. */
static struct mms_list
read_members(struct ber_reader *r, uint32_t tag)
{
	struct mms_list list;

	list.p = ber_enter(r, tag) ? r->c.p : NULL;
	list.end = list.p ? r->c.end : NULL;
	ber_leave_rest(r);
	return list;
}

/* "packed" means nothing to us. */
static void
skip_packed(struct ber_reader *r)
{
	if (ber_is(r, BER_CONTEXT(0)))
		ber_bool(r, BER_CONTEXT(0));
}

static void
read_array(struct ber_reader *r, struct mms_type *type)
{
	ber_enter(r, BER_CONTEXT_C(MMS_ARRAY));
	skip_packed(r);
	type->size = (int64_t)ber_uint(r, BER_CONTEXT(1), sizeof(uint32_t));
	type->members = read_members(r, BER_CONTEXT_C(2));
	ber_leave(r);
}

static void
read_structure(struct ber_reader *r, struct mms_type *type)
{
	ber_enter(r, BER_CONTEXT_C(MMS_STRUCTURE));
	skip_packed(r);
	type->members = read_members(r, BER_CONTEXT_C(1));
	ber_leave(r);
}

/* format width, exponent width */
static void
read_float(struct ber_reader *r, struct mms_type *type)
{
	ber_enter(r, BER_CONTEXT_C(MMS_FLOAT));
	type->size = ber_int(r, BER_INTEGER);
	ber_int(r, BER_INTEGER);
	ber_leave(r);
}

static void
read_sized(struct ber_reader *r, struct mms_type *type)
{
	type->size = ber_int(r, BER_CONTEXT((uint32_t)type->kind));
}

static void
read_plain(struct ber_reader *r, struct mms_type *type)
{
	ber_null(r, BER_CONTEXT((uint32_t)type->kind));
}

/* Whether it has a date: 6 octets, else 4. */
static void
read_binary_time(struct ber_reader *r, struct mms_type *type)
{
	type->size = ber_bool(r, BER_CONTEXT(MMS_BINARY_TIME)) ? 6 : 4;
}

static void (*const type_readers[])(struct ber_reader *r, struct mms_type *type) = {
	[MMS_ARRAY] = read_array,
	[MMS_STRUCTURE] = read_structure,
	[MMS_BOOLEAN] = read_plain,
	[MMS_BIT_STRING] = read_sized,
	[MMS_INTEGER] = read_sized,
	[MMS_UNSIGNED] = read_sized,
	[MMS_FLOAT] = read_float,
	[MMS_OCTET_STRING] = read_sized,
	[MMS_VISIBLE_STRING] = read_sized,
	[MMS_GENERALIZED_TIME] = read_plain,
	[MMS_BINARY_TIME] = read_binary_time,
	[MMS_BCD] = read_sized,
	[MMS_OBJECT_ID] = read_plain,
	[MMS_MMS_STRING] = read_sized,
	[MMS_UTC_TIME] = read_plain,
};

/* Members are not read: check_members() does. */
static void
read_type(struct ber_reader *r, struct mms_type *type)
{
	uint32_t tag = 0;

	*type = (struct mms_type){ 0 };
	ber_peek(r, &tag);
	uint32_t kind = tag & BER_MAX_NUMBER;
	if (kind >= sizeof(type_readers) / sizeof(type_readers[0]) || !type_readers[kind]) {
		ber_fail(r);
		return;
	}
	type->kind = (enum mms_kind)kind;
	type_readers[kind](r, type);
}

/* A component of a structure; the element of an array has no frame of its own. */
static void
read_component(struct ber_reader *r, struct mms_str *name, struct mms_type *type)
{
	*name = (struct mms_str){ NULL, 0 };
	if (!ber_is(r, BER_SEQUENCE)) {
		read_type(r, type);
		return;
	}
	ber_enter(r, BER_SEQUENCE);
	if (ber_is(r, BER_CONTEXT(0)))
		*name = read_identifier(r, BER_CONTEXT(0));
	ber_enter(r, BER_CONTEXT_C(1));
	read_type(r, type);
	ber_leave(r);
	ber_leave(r);
}

static bool
check_members(const struct mms_list *list, unsigned depth)
{
	struct ber_reader r = reader_of(list);
	struct mms_type type;
	struct mms_str name;

	if (ber_more(&r) && depth > MMS_MAX_NESTING)
		return false;
	while (ber_more(&r)) {
		read_component(&r, &name, &type);
		if (ber_ok(&r) && !check_members(&type.members, depth + 1))
			return false;
	}
	return ber_ok(&r);
}

bool
mms_type_next(struct mms_list *list, struct mms_str *name, struct mms_type *type)
{
	struct ber_reader r = reader_of(list);

	*name = (struct mms_str){ NULL, 0 };
	*type = (struct mms_type){ 0 };
	if (!ber_more(&r))
		return false;
	read_component(&r, name, type);
	return advanced(list, &r);
}

/* --- Responses: each reads what stands in the element of the service --- */

static void
answer_status(struct ber_reader *r, struct mms_response *a)
{
	a->u.status.logical = ber_int(r, BER_CONTEXT(0));
	a->u.status.physical = ber_int(r, BER_CONTEXT(1));
}

static void
answer_name_list(struct ber_reader *r, struct mms_response *a)
{
	read_list(r, BER_CONTEXT_C(0), &a->u.name_list.names, check_identifier);
	a->u.name_list.more_follows = !ber_is(r, BER_CONTEXT(1)) || ber_bool(r, BER_CONTEXT(1));
}

static void
answer_identify(struct ber_reader *r, struct mms_response *a)
{
	a->u.identify.vendor = read_str(r, BER_CONTEXT(0));
	a->u.identify.model = read_str(r, BER_CONTEXT(1));
	a->u.identify.revision = read_str(r, BER_CONTEXT(2));
}

/* The variables that were read may stand in front. */
static void
answer_read(struct ber_reader *r, struct mms_response *a)
{
	struct ber_element e;

	if (ber_is(r, BER_CONTEXT_C(0)))
		ber_next(r, &e);
	read_list(r, BER_CONTEXT_C(1), &a->u.read, check_access);
}

static void
answer_write(struct ber_reader *r, struct mms_response *a)
{
	a->u.written = (struct mms_list){ r->c.p, r->c.end };
	while (ber_more(r))
		check_written(r);
}

static void
answer_attributes(struct ber_reader *r, struct mms_response *a)
{
	struct ber_element e;

	a->u.attributes.deletable = ber_bool(r, BER_CONTEXT(0));
	if (ber_is(r, BER_CONTEXT_C(1)))
		ber_next(r, &e);
	ber_enter(r, BER_CONTEXT_C(2));
	read_type(r, &a->u.attributes.type);
	ber_leave(r);
	if (ber_ok(r) && !check_members(&a->u.attributes.type.members, 1))
		ber_fail(r);
}

static void
answer_list(struct ber_reader *r, struct mms_response *a)
{
	a->u.list.deletable = ber_bool(r, BER_CONTEXT(0));
	read_list(r, BER_CONTEXT_C(1), &a->u.list.variables, check_variable);
}

static void
answer_deleted(struct ber_reader *r, struct mms_response *a)
{
	a->u.deleted.matched = (uint32_t)ber_uint(r, BER_CONTEXT(0), sizeof(uint32_t));
	a->u.deleted.deleted = (uint32_t)ber_uint(r, BER_CONTEXT(1), sizeof(uint32_t));
}

static void
answer_nothing(struct ber_reader *r, struct mms_response *a)
{
	(void)r, (void)a;
}

static const struct service {
	const char *name;
	bool primitive; /* the response is */
	void (*read)(struct ber_reader *r, struct mms_response *a);
} services[] = {
	[MMS_STATUS] = { .name = "status", .read = answer_status },
	[MMS_GET_NAME_LIST] = { .name = "getNameList", .read = answer_name_list },
	[MMS_IDENTIFY] = { .name = "identify", .read = answer_identify },
	[MMS_READ] = { .name = "read", .read = answer_read },
	[MMS_WRITE] = { .name = "write", .read = answer_write },
	[MMS_GET_VARIABLE_ATTRIBUTES] = { .name = "getVariableAccessAttributes",
	    .read = answer_attributes },
	[MMS_DEFINE_LIST] = { .name = "defineNamedVariableList",
	    .primitive = true,
	    .read = answer_nothing },
	[MMS_GET_LIST] = { .name = "getNamedVariableListAttributes", .read = answer_list },
	[MMS_DELETE_LIST] = { .name = "deleteNamedVariableList", .read = answer_deleted },
};

static const struct service *
service_of(uint32_t number)
{
	bool known = number < sizeof(services) / sizeof(services[0]) && services[number].name;

	return known ? &services[number] : NULL;
}

const char *
mms_service_name(enum mms_service service)
{
	const struct service *s = service_of((uint32_t)service);

	return s ? s->name : "unknown";
}

enum dec
mms_response_decode(struct mms_response *a, const struct ber_element *e)
{
	uint32_t number = e->tag & BER_MAX_NUMBER;
	const struct service *s = service_of(number);
	struct ber_reader r;

	*a = (struct mms_response){ .service = (enum mms_service)number };
	if (!s || e->tag != (s->primitive ? BER_CONTEXT(number) : BER_CONTEXT_C(number)))
		return DEC_UNSUP;
	ber_reader_init(&r, e->data, e->len, MAX_DEPTH);
	s->read(&r, a);
	return ber_ok(&r) ? DEC_OK : DEC_BAD;
}

enum dec
mms_access_decode(struct mms_report *a, struct ber_reader *r)
{
	*a = (struct mms_report){ 0 };
	a->is_list = ber_is(r, BER_CONTEXT_C(1));
	if (a->is_list) {
		ber_enter(r, BER_CONTEXT_C(1));
		read_name(r, &a->list);
		ber_leave(r);
	} else {
		read_list(r, BER_CONTEXT_C(0), &a->variables, check_variable);
	}
	if (ber_more(r))
		read_list(r, BER_CONTEXT_C(0), &a->results, check_access);
	return ber_ok(r) ? DEC_OK : DEC_BAD;
}

/* InformationReport, the only unconfirmed service that is known: [0]. */
enum dec
mms_report_decode(struct mms_report *a, struct ber_reader *r)
{
	ber_enter(r, BER_CONTEXT_C(0));
	enum dec rc = mms_access_decode(a, r);
	ber_leave(r);
	return rc == DEC_OK && ber_ok(r) && a->results.p ? DEC_OK : DEC_BAD;
}

/* --- Errors --- */

const char *
mms_access_error_name(int64_t error)
{
	static const char *const names[] = {
		[MMS_ACCESS_INVALIDATED] = "object-invalidated",
		[MMS_ACCESS_HARDWARE_FAULT] = "hardware-fault",
		[MMS_ACCESS_TEMPORARILY_UNAVAILABLE] = "temporarily-unavailable",
		[MMS_ACCESS_DENIED] = "object-access-denied",
		[MMS_ACCESS_UNDEFINED] = "object-undefined",
		[MMS_ACCESS_INVALID_ADDRESS] = "invalid-address",
		[MMS_ACCESS_TYPE_UNSUPPORTED] = "type-unsupported",
		[MMS_ACCESS_TYPE_INCONSISTENT] = "type-inconsistent",
		[MMS_ACCESS_ATTRIBUTE_INCONSISTENT] = "object-attribute-inconsistent",
		[MMS_ACCESS_UNSUPPORTED] = "object-access-unsupported",
		[MMS_ACCESS_NON_EXISTENT] = "object-non-existent",
		[MMS_ACCESS_VALUE_INVALID] = "object-value-invalid",
	};

	return error >= 0 && error <= MMS_ACCESS_VALUE_INVALID ? names[error] : "unknown";
}

/* Classes of ServiceError, and the codes of those that a client meets. */
static const struct {
	const char *name;
	const char *codes[9];
} error_classes[] = {
	{ .name = "vmd-state",
	    .codes = { "other", "vmd-state-conflict", "vmd-operational-problem",
		"domain-transfer-problem", "state-machine-id-invalid" } },
	{ .name = "application-reference",
	    .codes = { "other", "application-unreachable", "connection-lost",
		"application-reference-invalid", "context-unsupported" } },
	{ .name = "definition",
	    .codes = { "other", "object-undefined", "invalid-address", "type-unsupported",
		"type-inconsistent", "object-exists", "object-attribute-inconsistent" } },
	{ .name = "resource",
	    .codes = { "other", "memory-unavailable", "processor-resource-unavailable",
		"mass-storage-unavailable", "capability-unavailable", "capability-unknown" } },
	{ .name = "service",
	    .codes = { "other", "primitives-out-of-sequence", "object-state-conflict", "pdu-size",
		"continuation-invalid", "object-constraint-conflict" } },
	{ .name = "service-preempt", .codes = { "other", "timeout", "deadlock", "cancel" } },
	{ .name = "time-resolution", .codes = { "other", "unsupportable-time-resolution" } },
	{ .name = "access",
	    .codes = { "other", "object-access-unsupported", "object-non-existent",
		"object-access-denied", "object-invalidated" } },
	{ .name = "initiate",
	    .codes = { "other", NULL, NULL, "max-services-outstanding-calling-insufficient",
		"max-services-outstanding-called-insufficient", "service-cbb-insufficient",
		"parameter-cbb-insufficient", "nesting-level-insufficient" } },
	{ .name = "conclude", .codes = { "other", "further-communication-required" } },
	{ .name = "cancel", .codes = { "other", "invoke-id-unknown", "cancel-not-possible" } },
	{ .name = "file", .codes = { "other" } },
	{ .name = "others", .codes = { "other" } },
};

const char *
mms_error_text(struct mms_error error, char text[64])
{
	size_t class = (size_t)error.error_class, code = (size_t)error.code;

	if (class >= sizeof(error_classes) / sizeof(error_classes[0]))
		snprintf(text, 64, "class %d, code %d", error.error_class, error.code);
	else if (code >= 9 || !error_classes[class].codes[code])
		snprintf(text, 64, "%s: code %d", error_classes[class].name, error.code);
	else
		snprintf(text, 64, "%s: %s", error_classes[class].name,
		    error_classes[class].codes[code]);
	return text;
}
