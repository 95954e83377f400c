/* Writing: a queue in the order of the requests; one write is one or more steps. See remote.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/modbus/remote_private.h"

struct monotime
remote_write_at(const struct remote *r)
{
	return r->writes ? r->writes->retry.at : remote_never;
}

const struct modbus_pdu *
remote_write(struct remote *r)
{
	return &r->writes->pdu;
}

static void
free_write(struct remote_write *w)
{
	free(w->request_id);
	free(w);
}

static void
pop(struct remote *r)
{
	struct remote_write *w = r->writes;

	r->writes = w->next;
	if (!r->writes)
		r->writes_end = &r->writes;
	r->write_count--;
	free_write(w);
}

void
remote_drop_writes(struct remote *r)
{
	while (r->writes)
		pop(r);
}

/* The next step of the first write, ready to be sent. False when it has no more. */
static bool
next_step(struct remote *r)
{
	struct remote_write *w = r->writes;

	remote_retry_start(&w->retry, r->master);
	return modbus_write_next(&w->steps, &w->pdu, w->regs);
}

static void
finish(struct remote *r, const char *result)
{
	r->ops->written(r->arg, r, r->writes->data, r->writes->request_id, result);
	pop(r);
}

void
remote_on_write(struct remote *r, const struct modbus_pdu *res, struct monotime now)
{
	r->suspect = res == NULL;
	/* The connection may have ended in between. */
	if (!r->writes)
		return;
	if (res && res->exception)
		finish(r, remote_result_name(res->exception));
	else if (res && !next_step(r))
		finish(r, "SUCCESS");
	else if (!res && !remote_retry_next(&r->writes->retry, r->master, now))
		finish(r, "TIMEOUT");
}

bool
remote_add_write(
    struct remote *r, const char *name, const char *request_id, const char *text, size_t len)
{
	const struct conf_data *d = remote_find(r, name);

	if (!d || (d->type != MODBUS_COIL && d->type != MODBUS_HOLDING_REGISTER))
		return false;
	if (r->write_count == REMOTE_MAX_WRITES || strlen(request_id) >= REMOTE_MAX_REQUEST_ID) {
		r->ops->written(r->arg, r, d, request_id, "FUNCTION_ERROR");
		return true;
	}
	struct remote_write *w = calloc(1, sizeof(*w) + modbus_value_size(d->bits));
	if (!w || !(w->request_id = strdup(request_id))) {
		free(w);
		r->ops->written(r->arg, r, d, request_id, "FUNCTION_ERROR");
		return true;
	}
	if (modbus_value_parse(text, len, d->bits, w->value) < 0) {
		r->ops->written(r->arg, r, d, request_id, "INVALID_DATA_VALUE");
		free_write(w);
		return true;
	}
	w->data = d;
	modbus_write_init(&w->steps, d->type, d->start, d->offset, d->bits, w->value);
	remote_retry_start(&w->retry, r->master);
	modbus_write_next(&w->steps, &w->pdu, w->regs);
	*r->writes_end = w;
	r->writes_end = &w->next;
	r->write_count++;
	return true;
}
