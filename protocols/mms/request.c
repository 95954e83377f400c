/* Requests of services, and what names their objects. */
#include "protocols/mms/pdu.h"

enum { VISIBLE_STRING = 26 };

static void
put_identifier(struct ber_writer *w, uint32_t tag, struct mms_str s)
{
	ber_put_bytes(w, tag, s.p, s.len);
}

/* ObjectName. */
static void
put_name(struct ber_writer *w, const struct mms_name *name)
{
	if (name->scope != MMS_DOMAIN) {
		put_identifier(w, BER_CONTEXT((uint32_t)name->scope), name->item);
		return;
	}
	ber_begin(w, BER_CONTEXT_C(MMS_DOMAIN));
	put_identifier(w, VISIBLE_STRING, name->domain);
	put_identifier(w, VISIBLE_STRING, name->item);
	ber_end(w);
}

/* AlternateAccess: selectAccess of an index, or selectAlternateAccess of it with a component
 * behind. */
static void
put_alternate(struct ber_writer *w, const struct mms_variable *v)
{
	ber_begin(w, BER_CONTEXT_C(5));
	if (!v->component.p) {
		ber_put_uint(w, BER_CONTEXT(2), v->index);
	} else {
		ber_begin(w, BER_CONTEXT_C(0));
		ber_put_uint(w, BER_CONTEXT(1), v->index);
		ber_begin(w, BER_SEQUENCE);
		put_identifier(w, BER_CONTEXT(1), v->component);
		ber_end(w);
		ber_end(w);
	}
	ber_end(w);
}

/* ListOfVariable. */
static void
put_variables(
    struct ber_writer *w, uint32_t tag, const struct mms_variable *variables, size_t count)
{
	ber_begin(w, tag);
	for (size_t i = 0; i < count; i++) {
		ber_begin(w, BER_SEQUENCE);
		ber_begin(w, BER_CONTEXT_C(0));
		put_name(w, &variables[i].name);
		ber_end(w);
		if (variables[i].has_index)
			put_alternate(w, &variables[i]);
		ber_end(w);
	}
	ber_end(w);
}

void
mms_put_read(struct ber_writer *w, const struct mms_variable *variables, size_t count)
{
	ber_begin(w, BER_CONTEXT_C(MMS_READ));
	ber_begin(w, BER_CONTEXT_C(1));
	put_variables(w, BER_CONTEXT_C(0), variables, count);
	ber_end(w);
	ber_end(w);
}

void
mms_put_write(struct ber_writer *w, const struct mms_variable *variables, size_t count,
    const void *data, size_t len)
{
	ber_begin(w, BER_CONTEXT_C(MMS_WRITE));
	put_variables(w, BER_CONTEXT_C(0), variables, count);
	ber_begin(w, BER_CONTEXT_C(0));
	ber_put_raw(w, data, len);
	ber_end(w);
	ber_end(w);
}

void
mms_put_name_list(
    struct ber_writer *w, enum mms_object_class object, struct mms_str domain, struct mms_str after)
{
	ber_begin(w, BER_CONTEXT_C(MMS_GET_NAME_LIST));
	ber_begin(w, BER_CONTEXT_C(0));
	ber_put_int(w, BER_CONTEXT(0), object);
	ber_end(w);
	ber_begin(w, BER_CONTEXT_C(1));
	if (domain.p)
		put_identifier(w, BER_CONTEXT(1), domain);
	else
		ber_put_null(w, BER_CONTEXT(0));
	ber_end(w);
	if (after.p)
		put_identifier(w, BER_CONTEXT(2), after);
	ber_end(w);
}

void
mms_put_variable_attributes(struct ber_writer *w, const struct mms_name *variable)
{
	ber_begin(w, BER_CONTEXT_C(MMS_GET_VARIABLE_ATTRIBUTES));
	ber_begin(w, BER_CONTEXT_C(0));
	put_name(w, variable);
	ber_end(w);
	ber_end(w);
}

void
mms_put_define_list(struct ber_writer *w, const struct mms_name *list,
    const struct mms_variable *variables, size_t count)
{
	ber_begin(w, BER_CONTEXT_C(MMS_DEFINE_LIST));
	put_name(w, list);
	put_variables(w, BER_CONTEXT_C(0), variables, count);
	ber_end(w);
}

void
mms_put_get_list(struct ber_writer *w, const struct mms_name *list)
{
	ber_begin(w, BER_CONTEXT_C(MMS_GET_LIST));
	put_name(w, list);
	ber_end(w);
}

/* scopeOfDelete: specific, which is its default. */
void
mms_put_delete_list(struct ber_writer *w, const struct mms_name *list)
{
	ber_begin(w, BER_CONTEXT_C(MMS_DELETE_LIST));
	ber_begin(w, BER_CONTEXT_C(1));
	put_name(w, list);
	ber_end(w);
	ber_end(w);
}

void
mms_put_identify(struct ber_writer *w)
{
	ber_put_null(w, BER_CONTEXT(MMS_IDENTIFY));
}

/* extendedDerivation: false. */
void
mms_put_status(struct ber_writer *w)
{
	ber_put_bool(w, BER_CONTEXT(MMS_STATUS), false);
}
