/* The control socket's commands that do something, but the queries of events. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "supervisor/control/control_client.h"
#include "supervisor/log/log_sink.h"

enum {
	MAX_ENABLES = 2 * 1024 * 1024, /* bytes of CONTROL_MAX_NAMES encoded events */
	MAX_SEND = 64 * 1024,	       /* bytes of one */
};

struct engine_device *
control_find_device(struct control_client *c, const char *name)
{
	struct engine_device *d = engine_find(c->control->engine, name);

	if (!d && errno == ENOTUNIQ)
		control_refuse(c, REASON_AMBIGUOUS,
		    "several types have a device '%.200s': say which, as TYPE/%.200s (see status)",
		    name, name);
	else if (!d)
		control_refuse(
		    c, REASON_NO_DEVICE, "there is no device '%.200s' (see status)", name);
	return d;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
control_take_names(struct control_client *c)
{
	const struct json *names = json_get(json_root(c->request), "names");

	if (!names || names->count == 0)
		return 0;
	c->names = malloc(names->count * sizeof(*c->names));
	if (!c->names)
		return -1;
	json_foreach (name, names)
		c->names[c->name_count++] = name->text;
	qsort(c->names, c->name_count, sizeof(*c->names), compare_names);
	return 0;
}

static bool
is_named(const struct control_client *c, const char *name)
{
	return bsearch(&name, c->names, c->name_count, sizeof(*c->names), compare_names);
}

bool
control_wants(const struct control_client *c, const struct child *child)
{
	const struct config_device *d = child_conf(child);
	char full[2 * CONFIG_MAX_NAME + 2];

	if (!c->names || is_named(c, d->name))
		return true;
	snprintf(full, sizeof(full), "%s/%s", d->type, d->name);
	return is_named(c, full);
}

static void
put_result(struct control_client *c, const char *name, const char *result)
{
	struct json_writer *w = control_begin_row(c);

	json_put_str(w, "name", name);
	json_put_str(w, "result", result);
	control_end_row(c);
}

/* --- events to the Event Server --- */

size_t
control_split_type(const char *text, struct sbs_str *segments, size_t max)
{
	size_t n = 0;

	for (;; text++) {
		size_t len = strcspn(text, "/");
		if (len == 0 || n == max)
			return 0;
		segments[n++] = (struct sbs_str){ text, len };
		text += len;
		if (!*text)
			return n;
	}
}

size_t
control_prefix(const struct child *child, struct sbs_str *segments)
{
	const struct eventer_prefix *prefix = child_prefix(child);
	struct cursor cursor = cursor_make(prefix->bytes.p, prefix->bytes.len);

	for (size_t i = 0; i < prefix->count; i++)
		segments[i] = sbs_get_str(&cursor);
	return prefix->count;
}

static void
refuse_unconnected(struct control_client *c)
{
	static const char not [] = "the Event Server is not connected";
	char why[IDLE_MAX_TEXT];

	control_explain_idle(c->control, why);
	if (strncmp(why, not, sizeof(not ) - 1) == 0)
		control_refuse(c, REASON_EVENT_SERVER, "%s", why);
	else
		control_refuse(c, REASON_EVENT_SERVER, "%s: %s", not, why);
}

void
control_refuse_errno(struct control_client *c, const char *what)
{
	if (errno == ENOTCONN)
		refuse_unconnected(c);
	else
		control_refuse(c, REASON_SYSTEM, "%s: %s", what, strerror(errno));
}

static void
put_enable(struct buffer *b, const struct child *child, const char *value)
{
	const struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_JSON,
		.data = sbs_str(value) };
	const struct sbs_str suffix[] = { sbs_str("system"), sbs_str("enable") };
	const struct timestamp now = timestamp_now();

	eventer_put_register_event(b, child_prefix(child), suffix, 2, &now, &payload);
}

/* The label of a device that was named, if it is still there. */
static const char *
label(const struct control_client *c, const char *name)
{
	const struct engine_device *d = engine_find(c->control->engine, name);

	return d ? child_conf(d->child)->label : name;
}

static void
on_enabled(void *arg, struct eventer_events_iter *events, const char *error)
{
	struct control_client *c = arg;
	bool enable = c->command == CONTROL_ENABLE;
	const struct json *names = json_get(json_root(c->request), "names");

	(void)events;
	if (error && enable) {
		control_refuse(c, REASON_EVENT_SERVER, "not enabled: %s", error);
		return;
	}
	json_foreach (name, names)
		put_result(c, label(c, name->text),
		    error    ? "disabled until gatewayd connects again"
		    : enable ? "enable true registered"
			     : "enable false registered");
	if (error)
		control_refuse(c, REASON_EVENT_SERVER,
		    "disabled, but that was not kept: %s; after a restart, or the next connection "
		    "to the Event Server, they are enabled again",
		    error);
	else
		control_finish(c, CONTROL_DONE);
}

/* Devices of the request that a reload has removed meanwhile are left out. */
static void
register_enables(struct control_client *c)
{
	struct engine *e = c->control->engine;
	const struct json *names = json_get(json_root(c->request), "names");
	struct buffer b;
	size_t count = 0;

	buffer_init(&b, MAX_ENABLES);
	json_foreach (name, names) {
		const struct engine_device *d = engine_find(e, name->text);
		if (!d)
			continue;
		put_enable(&b, d->child, c->command == CONTROL_ENABLE ? "true" : "false");
		count++;
	}
	if (engine_register(e, count, &b, on_enabled, c) < 0)
		control_refuse_errno(c, "cannot send the event");
}

void
control_on_enable(struct control_client *c, const struct json *request)
{
	const struct json *names = json_get(request, "names");

	json_foreach (name, names)
		if (!control_find_device(c, name->text))
			return;
	register_enables(c);
}

static void
disable(struct control_client *c, struct child *child)
{
	(void)c;
	engine_disable(child_owner(child));
}

/* Devices are disabled first, whatever the Event Server says to it. */
void
control_on_disable(struct control_client *c, const struct json *request)
{
	control_walk(c, request, disable, register_enables);
}

/* gatewayctl may register system events of this gateway's devices only. */
static const char *
type_refused(const struct config *config, const struct sbs_str *s, size_t count)
{
	size_t prefix = config->name_in_types ? 4 : 3;

	for (size_t i = 0; i < count; i++)
		if (sbs_str_eq(s[i], sbs_str("?")) || sbs_str_eq(s[i], sbs_str("*")))
			return "'?' and '*' are for queries";
	if (count < prefix + 2 || !sbs_str_eq(s[0], sbs_str("gateway")) ||
	    (config->name_in_types && !sbs_str_eq(s[1], sbs_str(config->name))))
		return "it belongs to no device of this gateway";
	return sbs_str_eq(s[prefix], sbs_str("system")) ? NULL : "its source is not 'system'";
}

static void
on_sent(void *arg, struct eventer_events_iter *events, const char *error)
{
	struct control_client *c = arg;
	const struct json *request = json_root(c->request);
	const char *name = json_str(json_get(request, "name"));

	(void)events;
	if (error) {
		control_refuse(c, REASON_EVENT_SERVER, "the event is not registered: %s", error);
		return;
	}
	put_result(c, name ? name : json_str(json_get(request, "type")), "event registered");
	control_finish(c, CONTROL_DONE);
}

static void
send_event(struct control_client *c, const struct sbs_str *segments, size_t count,
    const struct eventer_payload *payload)
{
	const struct eventer_prefix none = { 0 };
	const struct timestamp now = timestamp_now();
	struct buffer b;

	buffer_init(&b, MAX_SEND);
	eventer_put_register_event(&b, &none, segments, count, &now, payload);
	if (engine_register(c->control->engine, 1, &b, on_sent, c) < 0)
		control_refuse_errno(c, "cannot send the event");
}

void
control_on_send(struct control_client *c, const struct json *request)
{
	const struct json *text = json_get(request, "payload");
	const char *name = json_str(json_get(request, "name"));
	const char *type = json_str(json_get(request, "type"));
	struct sbs_str segments[EVENTER_MAX_SEGMENTS];
	struct eventer_payload payload = { 0 };
	size_t n = 0;

	if (name) {
		struct engine_device *d = control_find_device(c, name);
		if (!d)
			return;
		n = control_prefix(d->child, segments);
		segments[n++] = sbs_str("system");
	}
	size_t more = type ? control_split_type(type, segments + n, EVENTER_MAX_SEGMENTS - n) : 0;
	const char *why = more ? type_refused(c->control->engine->config, segments, n + more)
			       : "an empty segment, or too many";
	if (why) {
		control_refuse(c, REASON_VALUE, "event type '%.200s': %s", type ? type : "", why);
		return;
	}
	if (text && !json_valid(text->text, text->len)) {
		control_refuse(c, REASON_VALUE, "the payload is not JSON");
		return;
	}
	if (text)
		payload = (struct eventer_payload){ .kind = EVENTER_PAYLOAD_JSON,
			.data = { text->text, text->len } };
	send_event(c, segments, n + more, &payload);
}

void
control_forget_request(struct control_client *c)
{
	const struct control_hooks *hooks = &c->control->hooks;

	c->walk = (struct control_walk){ 0 };
	if (c->request)
		engine_forget(c->control->engine, c);
	if (c->request && c->command == CONTROL_DESCRIBE)
		control_forget_describe(c);
	if (c->request && c->command == CONTROL_RELOAD)
		hooks->forget_reload(hooks->arg, c);
}

/* --- the rest --- */

static void
restart(struct control_client *c, struct child *child)
{
	log_write(LOG_LEVEL_NOTICE, child_conf(child)->label, "restart",
	    "restart: requested by user %u", c->uid);
	child_restart(child);
	put_result(c, child_conf(child)->label, "restarts");
}

void
control_on_restart(struct control_client *c, const struct json *request)
{
	const struct json *names = json_get(request, "names");

	json_foreach (name, names) {
		const struct engine_device *d = control_find_device(c, name->text);
		if (!d)
			return;
		if (!child_is_wanted(d->child)) {
			control_refuse(c, REASON_STATE, "%.200s is disabled", name->text);
			return;
		}
	}
	control_walk(c, request, restart, NULL);
}

static void
set_level(struct control_client *c, struct child *child)
{
	const char *level = json_str(json_get(json_root(c->request), "level"));

	child_set_log_level(child, (enum log_level)log_level_parse(level));
	log_sink_set_device_level(child_conf(child)->label, log_level_parse(level));
	put_result(c, child_conf(child)->label, level);
}

static void
set_own_level(struct control_client *c)
{
	const char *level = json_str(json_get(json_root(c->request), "level"));

	if (!c->names) {
		log_sink_set_level((enum log_level)log_level_parse(level));
		put_result(c, "gatewayd", level);
	}
	control_finish(c, CONTROL_DONE);
}

void
control_on_log(struct control_client *c, const struct json *request)
{
	control_walk(c, request, set_level, set_own_level);
}

void
control_on_reload(struct control_client *c, const struct json *request)
{
	const struct control_hooks *hooks = &c->control->hooks;
	bool diff = json_is_true(json_get(request, "diff"));
	char err[CONTROL_MAX_ERROR] = "";

	if (hooks->reload(hooks->arg, diff, c, err, sizeof(err)) < 0)
		control_refuse(c, REASON_CONFIGURATION, "%s", err);
}

void
control_reload_done(struct control_client *c, const char *error)
{
	if (error)
		control_refuse(c, REASON_CONFIGURATION, "%s", error);
	else
		control_finish(c, CONTROL_DONE);
}
