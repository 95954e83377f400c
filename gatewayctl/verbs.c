#include "gatewayctl/verbs_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { ANSWER_S = 30 };

const char *
verbs_text(const struct json *o, const char *key)
{
	const char *text = json_str(json_get(o, key));

	return text ? text : "";
}

int
verbs_refuse(const char *name, const char *why)
{
	fprintf(stderr, "gatewayctl: %s: %s\n", name, why);
	return CONTROL_REFUSED;
}

/* The description of a device that has one. */
int
verbs_load(struct description *d, struct session *s, const struct options *o, const char *name)
{
	char why[DESCRIPTION_WHY];

	if (s->fd < 0 && session_open(s, o->socket) < 0) {
		fprintf(stderr, "gatewayctl: %s\n", s->error);
		*d = (struct description){ 0 };
		return CONTROL_UNREACHABLE;
	}
	int code = description_load(d, s, name, why);
	if (code != CONTROL_DONE)
		fprintf(stderr, "gatewayctl: %s\n", why);
	else if (d->count == 0)
		code = verbs_refuse(name, "its runner has no description of its data");
	return code;
}

/* --- describe --- */

int
verbs_describe(
    struct session *s, const struct command *c, const struct options *o, int argc, char **argv)
{
	struct description d;
	struct view v;

	(void)argc;
	if (!view_begin(&v, c->view, &o->view))
		return CONTROL_USAGE;
	int code = verbs_load(&d, s, o, argv[0]);
	for (size_t i = 0; i < d.count; i++)
		view_add(&v, d.rows[i]);
	view_end(&v, code != CONTROL_DONE);
	description_clear(&d);
	return code;
}

/* --- requests with rows as their answer --- */

void
verbs_begin_request(struct buffer *b, struct json_writer *w, enum control_id id)
{
	buffer_init(b, CONTROL_MAX_REQUEST);
	*w = (struct json_writer){ .b = b };
	json_begin_object(w, NULL);
	json_put_str(w, "command", control_command_name(id));
}

/* Sends what was begun, and gives each row of the answer. Returns an exit code, having said what is
 * wrong. */
int
verbs_ask(struct session *s, struct buffer *b, struct json_writer *w, verbs_row *each, void *arg)
{
	struct monotime deadline = monotime_add_ms(monotime_now(), CLIENT_ANSWER_MS);
	struct control_reply reply = { 0 };

	json_end_object(w);
	int sent = buffer_failed(b) ? -1 : session_send(s, buffer_data(b), b->len);
	bool too_long = buffer_failed(b);
	buffer_clear(b);
	if (sent < 0) {
		fprintf(
		    stderr, "gatewayctl: %s\n", too_long ? "the arguments are too long" : s->error);
		return CONTROL_UNREACHABLE;
	}
	do {
		enum session_event e = session_receive(s, deadline, &reply);
		if (e == SESSION_INTERRUPTED)
			continue;
		if (e != SESSION_REPLY) {
			fprintf(stderr, "gatewayctl: %s\n",
			    e == SESSION_LOST ? s->error : "gatewayd does not answer in time");
			return CONTROL_UNREACHABLE;
		}
		json_foreach (row, reply.rows)
			each(arg, row);
		if (reply.error)
			fprintf(stderr, "gatewayctl: %s\n", reply.error);
		json_free(reply.doc);
	} while (!reply.end);
	return (int)reply.code;
}

static void
take_prefix(void *arg, const struct json *row)
{
	struct verbs_prefix *p = arg;

	json_foreach (s, json_get(json_get(row, "device"), "event_prefix"))
		if (p->count < VERBS_MAX_PREFIX && json_str(s))
			snprintf(p->segments[p->count++], sizeof(p->segments[0]), "%s", s->text);
}

/* The segments that the device's event types begin with. */
int
verbs_load_prefix(struct verbs_prefix *p, struct session *s, const char *name)
{
	struct buffer b;
	struct json_writer w;

	*p = (struct verbs_prefix){ 0 };
	verbs_begin_request(&b, &w, CONTROL_SHOW);
	json_begin_array(&w, "names");
	json_put_str(&w, NULL, name);
	json_end_array(&w);
	return verbs_ask(s, &b, &w, take_prefix, p);
}

/* The first segment behind the prefix; NULL where the type has another. */
const struct json *
verbs_behind(const struct verbs_prefix *p, const struct json *type)
{
	const struct json *s = type && type->type == JSON_ARRAY ? type->child : NULL;

	for (size_t i = 0; i < p->count; i++, s = s->next)
		if (!s || !json_str(s) || strcmp(s->text, p->segments[i]) != 0)
			return NULL;
	return s;
}

/* --- a request and its answer --- */

struct exchange {
	const char *device, *value;
	const struct described *found;
	const struct json *verb;
	struct verbs_prefix prefix;
	char name[DESCRIPTION_TEXT], id[40];
};

static void
make_id(char id[40])
{
	uint64_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = (uint64_t)monotime_now().ns;
	snprintf(id, 40, "\"gatewayctl-%016" PRIx64 "\"", n);
}

static struct json_doc *
fill(const struct exchange *x, const char *key)
{
	char text[DESCRIPTION_TEXT];

	description_fill(verbs_text(x->verb, key), x->id, x->value, text);
	return json_parse(text, strlen(text), VERBS_MAX_NODES, (char[80]){ 0 }, 80);
}

static void
ignore_row(void *arg, const struct json *row)
{
	(void)arg, (void)row;
}

static int
send_event(struct session *s, const struct exchange *x)
{
	char type[DESCRIPTION_TEXT], payload[DESCRIPTION_TEXT];
	struct buffer b;
	struct json_writer w;

	description_join(json_get(x->verb, "takes"), 1, x->found, type);
	description_fill(verbs_text(x->verb, "request"), x->id, x->value, payload);
	verbs_begin_request(&b, &w, CONTROL_SEND);
	json_put_str(&w, "name", x->device);
	json_put_str(&w, "type", type);
	if (*payload)
		json_put_str(&w, "payload", payload);
	return verbs_ask(s, &b, &w, ignore_row, NULL);
}

/* Prints what in the answer differs from one of success, for people. */
static void
say_failure(const struct exchange *x, const struct json *good, const struct json *have)
{
	char text[DESCRIPTION_TEXT] = "";
	size_t used = 0;

	json_foreach (m, good) {
		const struct json *j = json_get(have, m->key);
		const char *word = !j			  ? "none"
				   : j->type == JSON_BOOL ? (j->boolean ? "true" : "false")
				   : j->text		  ? j->text
							  : json_type_name(j->type);
		if (used < sizeof(text) && !description_holds(m, j))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s",
			    used ? ", " : "", m->key, word);
	}
	fprintf(stderr, "gatewayctl: %s %s: %s\n", x->device, x->name, *text ? text : "failed");
}

/* 0 or 1 as the answer says; -1: it is another one. */
static int
judge(const struct exchange *x, const struct json *row)
{
	struct described w = { .row = x->found->row };
	const struct json *first = verbs_behind(&x->prefix, json_get(row, "type"));
	const char *text = verbs_text(row, "payload_json");
	int result = -1;

	if (strcmp(verbs_text(row, "direction"), "out") != 0 || !first ||
	    !description_type_fits(json_get(x->verb, "result"), first, &w))
		return -1;
	for (size_t i = 0; i < w.wilds && i < x->found->wilds; i++)
		if (strcmp(w.wild[i], x->found->wild[i]) != 0)
			return -1;
	struct json_doc *have =
	    json_parse(text, strlen(text), VERBS_MAX_NODES, (char[80]){ 0 }, 80);
	struct json_doc *match = fill(x, "match"), *good = fill(x, "good");
	if (have && (!match || description_holds(json_root(match), json_root(have)))) {
		bool done = !good || description_holds(json_root(good), json_root(have));
		result = done ? CONTROL_DONE : CONTROL_REFUSED;
		if (!done)
			say_failure(x, json_root(good), json_root(have));
	}
	json_free(have);
	json_free(match);
	json_free(good);
	return result;
}

static int
judge_all(const struct exchange *x, const struct control_reply *reply)
{
	int result = -1;

	json_foreach (row, reply->rows) {
		if (result < 0)
			result = judge(x, row);
		const char *state = verbs_text(row, "state");
		if (result < 0 && strcmp(verbs_text(row, "kind"), "state") == 0 &&
		    strcmp(state, "running") != 0)
			result = verbs_refuse(x->device, "the device does not run any more");
	}
	if (result < 0 && reply->end)
		result = verbs_refuse(
		    x->device, reply->error ? reply->error : "gatewayd ended the watch");
	return result;
}

/* Until the answer comes; the watch has begun. */
static int
await(struct session *watch, const struct exchange *x, double seconds)
{
	struct monotime deadline = monotime_add_ms(monotime_now(), (int64_t)(seconds * 1e3));
	struct control_reply reply;
	int result = -1;

	while (result < 0) {
		enum session_event e = session_receive(watch, deadline, &reply);
		if (e == SESSION_INTERRUPTED)
			continue;
		if (e == SESSION_LOST)
			return verbs_refuse(x->device, watch->error);
		if (e == SESSION_TIMEOUT) {
			fprintf(stderr,
			    "gatewayctl: %s %s: no answer within %.3g s; what was asked may still "
			    "be done\n",
			    x->device, x->name, seconds);
			return CONTROL_REFUSED;
		}
		result = judge_all(x, &reply);
		json_free(reply.doc);
	}
	return result;
}

/* Events are watched from before the request on. */
static int
open_watch(struct session *watch, const struct options *o, const char *device)
{
	struct monotime deadline = monotime_add_ms(monotime_now(), CLIENT_ANSWER_MS);
	struct control_reply reply;
	struct buffer b;
	struct json_writer w;

	verbs_begin_request(&b, &w, CONTROL_WATCH);
	json_begin_array(&w, "names");
	json_put_str(&w, NULL, device);
	json_end_array(&w);
	json_end_object(&w);
	int code = CONTROL_UNREACHABLE;
	if (session_open(watch, o->socket) < 0 || session_send(watch, buffer_data(&b), b.len) < 0 ||
	    session_receive(watch, deadline, &reply) != SESSION_REPLY) {
		fprintf(stderr, "gatewayctl: %s\n", watch->error);
	} else {
		code = reply.end ? (int)reply.code : CONTROL_DONE;
		if (reply.error)
			fprintf(stderr, "gatewayctl: %s\n", reply.error);
		json_free(reply.doc);
	}
	buffer_clear(&b);
	return code;
}

static void
add_result(struct view *v, const struct exchange *x, const char *result)
{
	char name[DESCRIPTION_TEXT + 300];
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, CONTROL_MAX_REQUEST);
	snprintf(name, sizeof(name), "%.250s %s", x->device, x->name);
	json_begin_object(&w, NULL);
	json_put_str(&w, "name", name);
	json_put_str(&w, "result", result);
	json_end_object(&w);
	struct json_doc *row =
	    json_parse((const char *)buffer_data(&b), b.len, VERBS_MAX_NODES, (char[80]){ 0 }, 80);
	if (row)
		view_add(v, json_root(row));
	json_free(row);
	buffer_clear(&b);
}

/* One request by one verb, and its result into the view. */
static int
exchange(struct session *s, const struct options *o, struct exchange *x, struct view *v)
{
	struct session watch = { .fd = -1 };
	bool answered = json_get(x->verb, "result")->type == JSON_ARRAY;
	int code = answered ? open_watch(&watch, o, x->device) : CONTROL_DONE;

	make_id(x->id);
	if (code == CONTROL_DONE)
		code = send_event(s, x);
	if (code == CONTROL_DONE && answered)
		code = await(&watch, x, o->has_timeout ? o->timeout_s : ANSWER_S);
	if (code == CONTROL_DONE)
		add_result(v, x, answered ? "SUCCESS" : "sent, nothing answers it");
	session_close(&watch);
	return code;
}

/* The value as the data takes it; false having said what is wrong with it. */
static bool
make_value(const struct described *found, const char *device, const char *typed,
    char value[DESCRIPTION_TEXT])
{
	const char *kind = verbs_text(found->row, "value");
	char why[DESCRIPTION_WHY];

	description_value(kind, typed ? typed : "null", value);
	struct json_doc *doc =
	    json_parse(value, strlen(value), VERBS_MAX_NODES, (char[80]){ 0 }, 80);
	bool fits = doc && (!*kind || description_value_fits(kind, json_root(doc), why));
	if (!fits)
		verbs_refuse(device, doc ? why : "the value is too long");
	json_free(doc);
	return fits;
}

/* verbs: each in turn; NULL: none. */
static int
run(struct session *s, const struct command *c, const struct options *o, const char *const verbs[2],
    const char *device, const char *data, const char *typed)
{
	static struct described found;
	struct description d;
	struct exchange x = { .device = device, .found = &found };
	char value[DESCRIPTION_TEXT], why[DESCRIPTION_WHY];
	struct view v;

	if (!view_begin(&v, c->view, &o->view))
		return CONTROL_USAGE;
	int code = verbs_load(&d, s, o, device);
	if (code == CONTROL_DONE && !description_find(&d, data, verbs[0], &found, why))
		code = verbs_refuse(device, why);
	if (code == CONTROL_DONE && !make_value(&found, device, typed, value))
		code = CONTROL_REFUSED;
	if (code == CONTROL_DONE)
		code = verbs_load_prefix(&x.prefix, s, device);
	if (code == CONTROL_DONE)
		description_name(&found, x.name);
	x.value = value;
	for (int i = 0; code == CONTROL_DONE && i < 2 && verbs[i]; i++) {
		x.verb = description_verb(found.row, verbs[i]);
		code = exchange(s, o, &x, &v);
	}
	view_end(&v, code != CONTROL_DONE);
	description_clear(&d);
	return code;
}

int
verbs_write(
    struct session *s, const struct command *c, const struct options *o, int argc, char **argv)
{
	(void)argc;
	return run(s, c, o, (const char *const[2]){ "write" }, argv[0], argv[1], argv[2]);
}

int
verbs_command(
    struct session *s, const struct command *c, const struct options *o, int argc, char **argv)
{
	const char *const verbs[2] = { o->select ? "select" : "command",
		o->select ? "command" : NULL };

	(void)argc;
	return run(s, c, o, verbs, argv[0], argv[1], argv[2]);
}

int
verbs_interrogate(
    struct session *s, const struct command *c, const struct options *o, int argc, char **argv)
{
	bool counters = argc > 1 && strstr(argv[1], "counter_interrogation");
	const char *const verbs[2] = { counters ? "interrogate_counters" : "interrogate" };

	return run(s, c, o, verbs, argv[0], argv[1], argc > 2 ? argv[2] : counters ? "5" : "20");
}
