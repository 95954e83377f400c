/* Calls of services: outstanding ones, and what is sent. */
#include "protocols/mms/client_private.h"

bool
mms_client_send_pdu(struct mms_client *c, const struct ber_writer *w)
{
	size_t len = ber_writer_done(w);

	if (len == 0)
		return false;
	iso_send(&c->iso, c->pdu, len);
	return true;
}

void
mms_client_begin_pdu(struct mms_client *c, struct ber_writer *w)
{
	ber_writer_init(w, c->pdu, c->pdu_size);
}

/* --- Calls --- */

struct mms_call_slot *
mms_slot_find(struct mms_client *c, uint32_t id)
{
	for (size_t i = 0; i < c->window; i++)
		if (c->calls[i].state != CALL_FREE && c->calls[i].id == id)
			return &c->calls[i];
	return NULL;
}

static struct mms_call_slot *
free_slot(const struct mms_client *c)
{
	for (size_t i = 0; i < c->window; i++)
		if (c->calls[i].state == CALL_FREE)
			return (struct mms_call_slot *)&c->calls[i];
	return NULL;
}

bool
mms_client_may_call(const struct mms_client *c)
{
	return c->state == MMS_READY && free_slot(c);
}

/* A request that is being written. */
struct open_call {
	struct mms_client *c;
	struct mms_call_slot *slot; /* NULL: the request is refused */
	struct ber_writer w;	    /* what is put into a refused one goes nowhere */
};

static struct open_call
begin_call(struct mms_client *c)
{
	struct open_call call = { .c = c, .slot = c->state == MMS_READY ? free_slot(c) : NULL };

	if (!call.slot) {
		ber_writer_init(&call.w, c->pdu, 0);
		return call;
	}
	/* One that timed out may be outstanding still, however long ago. */
	while (mms_slot_find(c, c->next_id))
		c->next_id++;
	mms_client_begin_pdu(c, &call.w);
	mms_begin_request(&call.w, c->next_id);
	return call;
}

static enum mms_call
send_call(struct open_call *call, struct mms_call_slot what, struct monotime now)
{
	struct mms_client *c = call->c;

	if (!call->slot)
		return c->state == MMS_READY ? MMS_FULL : MMS_NOT_READY;
	ber_end(&call->w);
	if (!mms_client_send_pdu(c, &call->w))
		return MMS_TOO_LARGE;
	*call->slot = what;
	call->slot->state = CALL_WAITING;
	call->slot->id = c->next_id++;
	call->slot->until = monotime_add_ms(now, c->params.response_timeout_ms);
	return MMS_TAKEN;
}

bool
mms_slot_finish(struct mms_call_slot *call, enum mms_outcome outcome, struct mms_event *e)
{
	bool tell = call->state != CALL_LATE && !call->internal;

	*e = (struct mms_event){ .kind = MMS_EVENT_RESULT,
		.result = { .tag = call->tag,
		    .service = call->service,
		    .outcome = outcome,
		    .error = { -1, -1 } } };
	call->state = CALL_FREE;
	return tell;
}

/* --- Services --- */

enum mms_call
mms_client_read(struct mms_client *c, uint64_t tag, const struct mms_variable *variables,
    size_t count, struct monotime now)
{
	struct open_call call = begin_call(c);

	mms_put_read(&call.w, variables, count);
	return send_call(
	    &call, (struct mms_call_slot){ .tag = tag, .service = MMS_READ, .parts = count }, now);
}

enum mms_call
mms_client_write(struct mms_client *c, uint64_t tag, const struct mms_variable *variables,
    size_t count, const void *data, size_t len, struct monotime now)
{
	struct open_call call = begin_call(c);

	mms_put_write(&call.w, variables, count, data, len);
	return send_call(
	    &call, (struct mms_call_slot){ .tag = tag, .service = MMS_WRITE, .parts = count }, now);
}

static enum mms_call
send_other(struct open_call *call, enum mms_service service, uint64_t tag, struct monotime now)
{
	return send_call(call, (struct mms_call_slot){ .tag = tag, .service = service }, now);
}

enum mms_call
mms_client_name_list(struct mms_client *c, uint64_t tag, enum mms_object_class object,
    struct mms_str domain, struct mms_str after, struct monotime now)
{
	struct open_call call = begin_call(c);

	mms_put_name_list(&call.w, object, domain, after);
	return send_other(&call, MMS_GET_NAME_LIST, tag, now);
}

enum mms_call
mms_client_variable_attributes(
    struct mms_client *c, uint64_t tag, const struct mms_name *variable, struct monotime now)
{
	struct open_call call = begin_call(c);

	mms_put_variable_attributes(&call.w, variable);
	return send_other(&call, MMS_GET_VARIABLE_ATTRIBUTES, tag, now);
}

enum mms_call
mms_client_define_list(struct mms_client *c, uint64_t tag, const struct mms_name *list,
    const struct mms_variable *variables, size_t count, struct monotime now)
{
	struct open_call call = begin_call(c);

	mms_put_define_list(&call.w, list, variables, count);
	return send_other(&call, MMS_DEFINE_LIST, tag, now);
}

enum mms_call
mms_client_get_list(
    struct mms_client *c, uint64_t tag, const struct mms_name *list, struct monotime now)
{
	struct open_call call = begin_call(c);

	mms_put_get_list(&call.w, list);
	return send_other(&call, MMS_GET_LIST, tag, now);
}

enum mms_call
mms_client_delete_list(
    struct mms_client *c, uint64_t tag, const struct mms_name *list, struct monotime now)
{
	struct open_call call = begin_call(c);

	mms_put_delete_list(&call.w, list);
	return send_other(&call, MMS_DELETE_LIST, tag, now);
}

enum mms_call
mms_client_identify(struct mms_client *c, uint64_t tag, struct monotime now)
{
	struct open_call call = begin_call(c);

	mms_put_identify(&call.w);
	return send_other(&call, MMS_IDENTIFY, tag, now);
}

enum mms_call
mms_client_status(struct mms_client *c, uint64_t tag, struct monotime now)
{
	struct open_call call = begin_call(c);

	mms_put_status(&call.w);
	return send_other(&call, MMS_STATUS, tag, now);
}

void
mms_client_ask_alive(struct mms_client *c)
{
	for (size_t i = 0; i < c->window; i++)
		if (c->calls[i].state != CALL_FREE && c->calls[i].internal)
			return;
	struct open_call call = begin_call(c);
	mms_put_status(&call.w);
	send_call(&call, (struct mms_call_slot){ .service = MMS_STATUS, .internal = true }, c->now);
}
