/* Octets as a PDU of MMS: what was decoded can be walked. */
#include "protocols/mms/pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk_accesses(struct mms_list list)
{
	struct mms_access a;
	size_t count = mms_list_count(list), n = 0;

	for (; mms_access_next(&list, &a); n++) {
		struct mms_values members;
		struct mms_value v;
		if (a.success && mms_value_members(&a.value, &members))
			while (mms_values_next(&members, &v))
				;
	}
	if (n != count)
		__builtin_trap();
}

static void
walk_types(struct mms_list list, unsigned depth)
{
	struct mms_type type;
	struct mms_str name;

	if (depth > MMS_MAX_NESTING + 1)
		__builtin_trap();
	while (mms_type_next(&list, &name, &type))
		walk_types(type.members, depth + 1);
}

static void
walk_variables(struct mms_list list)
{
	size_t count = mms_list_count(list), n = 0;
	struct mms_variable v;

	while (mms_variable_next(&list, &v))
		n++;
	if (n != count)
		__builtin_trap();
}

static void
walk_response(struct mms_response *r)
{
	struct mms_str name;
	bool success;
	int64_t error;

	if (r->service == MMS_READ)
		walk_accesses(r->u.read);
	else if (r->service == MMS_WRITE)
		while (mms_written_next(&r->u.written, &success, &error))
			mms_access_error_name(error);
	else if (r->service == MMS_GET_NAME_LIST)
		while (mms_identifier_next(&r->u.name_list.names, &name))
			;
	else if (r->service == MMS_GET_VARIABLE_ATTRIBUTES)
		walk_types(r->u.attributes.type.members, 1);
	else if (r->service == MMS_GET_LIST)
		walk_variables(r->u.list.variables);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mms_response r;
	struct mms_pdu pdu;
	char text[64];

	if (mms_pdu_decode(&pdu, data, size) != DEC_OK)
		return 0;
	if (pdu.type == MMS_CONFIRMED_RESPONSE && mms_response_decode(&r, &pdu.u.service) == DEC_OK)
		walk_response(&r);
	if (pdu.type == MMS_CONFIRMED_ERROR)
		mms_error_text(pdu.u.error, text);
	if (pdu.type == MMS_UNCONFIRMED) {
		walk_accesses(pdu.u.report.results);
		walk_variables(pdu.u.report.variables);
	}
	return 0;
}
