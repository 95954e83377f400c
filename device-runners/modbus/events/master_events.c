#include "device-runners/modbus/events/master_events.h"

#include <stdio.h>
#include <string.h>

#include "common/number.h"
#include "device-runners/modbus/data_value.h"

enum { RESULT_TEXT = 160 }; /* a read event's payload without its value */

static void
register_text(struct master_events *e, const char *const type[], size_t len, const char *text)
{
	char json[64];
	int n = snprintf(json, sizeof(json), "\"%s\"", text);

	runner_register(e->runner, type, len, NULL, json, (size_t)n);
}

struct unit_text {
	char text[4];
};

static struct unit_text
unit_text(const struct remote *r)
{
	struct unit_text t;

	*number_put_uint(t.text, remote_conf(r)->unit) = '\0';
	return t;
}

static void
on_remote_status(void *arg, const struct remote *r)
{
	struct unit_text unit = unit_text(r);
	const char *const type[] = { "gateway", "remote_device", unit.text, "status" };

	register_text(arg, type, 4, remote_status_name(remote_status(r)));
}

/* The text is a name of ours, for which RESULT_TEXT has room. */
static char *
put_text(char *p, const char *text)
{
	size_t len = strlen(text);

	memcpy(p, text, len);
	return p + len;
}

/* Data without a type, the usual case, and errors: written by hand, because it is fast. */
static void
register_read(struct master_events *e, const char *const type[5], const struct conf_data *d,
    const char *result, const char *cause, const uint8_t *value)
{
	char json[RESULT_TEXT + MODBUS_MAX_VALUE_TEXT];
	char *p = put_text(put_text(json, "{\"result\":\""), result);

	if (value) {
		p = put_text(p, "\",\"value\":");
		p += modbus_value_format(value, d->bits, p);
		p = put_text(put_text(p, ",\"cause\":\""), cause);
	}
	p = put_text(p, "\"}");
	runner_register(e->runner, type, 5, NULL, json, (size_t)(p - json));
}

static void
on_remote_read(void *arg, const struct remote *r, const struct conf_data *d, const char *result,
    const char *cause, const uint8_t *value)
{
	struct master_events *e = arg;
	struct unit_text unit = unit_text(r);
	const char *const type[] = { "gateway", "remote_device", unit.text, "read", d->name };

	if (!value || d->typed.kind == MODBUS_KIND_NONE) {
		register_read(e, type, d, result, cause, value);
		return;
	}
	struct json_writer *w = runner_payload(e->runner);
	json_begin_object(w, NULL);
	json_put_str(w, "result", result);
	data_value_put(d, value, w, "value");
	json_put_str(w, "cause", cause);
	json_end_object(w);
	runner_register_payload(e->runner, type, 5, NULL);
}

void
master_events_written(struct master_events *e, const char *unit, const char *name,
    const struct remote_written *written)
{
	const char *const type[] = { "gateway", "remote_device", unit, "write", name };
	struct json_writer *w = runner_payload(e->runner);

	json_begin_object(w, NULL);
	json_put_raw(w, "request_id", written->request_id, strlen(written->request_id));
	json_put_str(w, "result", written->result);
	if (written->step) {
		json_put_int(w, "step", written->step);
		json_put_int(w, "steps", written->steps);
	}
	json_end_object(w);
	runner_register_payload(e->runner, type, 5, NULL);
	++*e->writes;
}

static void
on_remote_written(void *arg, const struct remote *r, const struct conf_data *d,
    const struct remote_written *written)
{
	master_events_written(arg, unit_text(r).text, d->name, written);
}

const struct remote_ops master_events_remote = {
	.status = on_remote_status,
	.read = on_remote_read,
	.written = on_remote_written,
};

void
master_events_init(struct master_events *e, struct runner *r)
{
	*e = (struct master_events){ .runner = r, .writes = runner_counter(r, "writes") };
}
