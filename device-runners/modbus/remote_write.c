/* Writing: a queue in the order of the requests; one write is one or more steps. See remote.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device-runners/modbus/data_value.h"
#include "device-runners/modbus/remote_private.h"

struct monotime
remote_write_at(const struct remote *r)
{
	return r->writes ? r->writes->retry.at : remote_never;
}

const struct modbus_pdu *
remote_write(struct remote *r)
{
	return r->writes ? &r->writes->pdu : NULL;
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
	r->id_bytes -= strlen(w->request_id);
	free_write(w);
}

void
remote_drop_writes(struct remote *r)
{
	while (r->writes)
		pop(r);
}

bool
remote_is_busy(const struct modbus_pdu *res)
{
	return res->exception == MODBUS_ACKNOWLEDGE || res->exception == MODBUS_DEVICE_BUSY;
}

/* The next step of the first write, ready to be sent. False when it has no more. */
static bool
next_step(struct remote *r)
{
	struct remote_write *w = r->writes;

	remote_retry_start(&w->retry, r->master);
	w->step++;
	return modbus_write_next(&w->steps, &w->pdu, w->regs);
}

static void
finish(struct remote *r, const char *result)
{
	const struct remote_write *w = r->writes;
	bool half_done = w->step > 1 && w->step <= w->step_count;
	struct remote_written done = { .request_id = w->request_id,
		.result = result,
		.step = half_done ? w->step : 0,
		.steps = w->step_count };

	r->ops->written(r->arg, r, w->data, &done);
	pop(r);
}

void
remote_on_write(struct remote *r, const struct modbus_pdu *res, struct monotime now)
{
	r->suspect = res == NULL;
	/* The connection may have ended in between. */
	if (!r->writes)
		return;
	bool again = !res || remote_is_busy(res);
	if (again && remote_retry_next(&r->writes->retry, r->master, now))
		return;
	if (!res)
		finish(r, "TIMEOUT");
	else if (res->exception)
		finish(r, remote_result_name(res->exception));
	else if (!next_step(r))
		finish(r, "SUCCESS");
}

static struct monotime
expiry(const struct remote *r, struct monotime now)
{
	return (struct monotime){ now.ns + r->master->request_timeout_ns + r->master->pause_ns };
}

void
remote_keep_writes(struct remote *r, struct remote_loss loss, struct monotime now)
{
	if (loss.write && r->writes && (!loss.stale || r->writes->resent))
		finish(r, "CONNECTION_LOST");
	else if (loss.write && r->writes)
		r->writes->resent = true;
	for (struct remote_write *w = r->writes; w; w = w->next) {
		remote_retry_start(&w->retry, r->master);
		w->expires = expiry(r, now);
	}
}

struct monotime
remote_expire(struct remote *r, struct monotime now)
{
	while (!r->online && r->writes && monotime_cmp(r->writes->expires, now) <= 0)
		finish(r, "NOT_CONNECTED");
	return r->online || !r->writes ? remote_never : r->writes->expires;
}

void
remote_refuse_writes(struct remote *r, const char *result)
{
	while (r->writes)
		finish(r, result);
}

static unsigned
count_steps(struct modbus_write steps)
{
	uint8_t regs[2 * MODBUS_MAX_WRITE_REGS];
	struct modbus_pdu pdu;
	unsigned n = 0;

	while (modbus_write_next(&steps, &pdu, regs))
		n++;
	return n;
}

static struct remote_write *
make_write(const struct conf_data *d, const char *request_id)
{
	struct remote_write *w = calloc(1, sizeof(*w) + modbus_value_size(d->bits));

	if (w && !(w->request_id = strdup(request_id))) {
		free(w);
		return NULL;
	}
	if (w)
		w->data = d;
	return w;
}

static void
queue(struct remote *r, struct remote_write *w, struct monotime now)
{
	const struct conf_data *d = w->data;

	modbus_write_init(&w->steps, d->type, d->start, d->offset, d->bits, w->value);
	w->step_count = count_steps(w->steps);
	w->step = 1;
	w->expires = expiry(r, now);
	remote_retry_start(&w->retry, r->master);
	modbus_write_next(&w->steps, &w->pdu, w->regs);
	*r->writes_end = w;
	r->writes_end = &w->next;
	r->write_count++;
	r->id_bytes += strlen(w->request_id);
}

void
remote_add_write(struct remote *r, const struct conf_data *d, const char *request_id,
    const struct json *value, struct monotime now)
{
	struct remote_written failed = { .request_id = request_id, .result = "FUNCTION_ERROR" };
	bool room = r->write_count < REMOTE_MAX_WRITES &&
		    r->id_bytes + strlen(request_id) <= REMOTE_MAX_ID_BYTES;
	struct remote_write *w = room ? make_write(d, request_id) : NULL;

	if (w && data_value_parse(d, value, w->value) == 0) {
		queue(r, w, now);
		return;
	}
	if (w) {
		failed.result = "INVALID_DATA_VALUE";
		free_write(w);
	}
	r->ops->written(r->arg, r, d, &failed);
}
