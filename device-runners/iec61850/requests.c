#include "device-runners/iec61850/requests.h"

#include <stdio.h>
#include <stdlib.h>

#include "device-runners/runtime/limit.h"

enum { MAX_NODES = 100000, MAX_SESSION = 32 * 1024, MAX_VALUE = 64 * 1024, ATTRIBUTE = 200 };

#define NO_ANSWER "FAILED_DUE_TO_COMMUNICATIONS_CONSTRAINT"
#define BAD_PARAMETER "PARAMETER_VALUE_INAPPROPRIATE"

enum action { ACTION_SELECT, ACTION_CANCEL, ACTION_OPERATE, ACTION_TERMINATION };
static const char *const actions[] = { "SELECT", "CANCEL", "OPERATE", NULL };

struct session {
	char *json; /* as it came; owned */
	size_t len;
};

struct request {
	struct request *next;
	const struct conf_command *command; /* or NULL, and */
	const struct conf_change *change;
	enum action action;
	struct session session;
	struct json_doc *payload;
	struct timestamp time;
	uint8_t number;
	bool has_error; /* LastApplError came before the answer */
	int64_t error, cause;
	bool terminated; /* so did the termination */
};

/* A command that was accepted and is not yet terminated. */
struct termination {
	const struct conf_command *command; /* NULL: free */
	struct session session;
	uint8_t number;
	struct monotime until;
};

struct requests {
	struct runner *runner;
	const struct conf *conf;
	struct mms_client *mms;
	struct request *first, **last;
	size_t count;
	bool asked;	  /* the first one is under way */
	uint8_t *numbers; /* ctlNum of each command */
	struct termination terminations[REQUESTS_TERMINATIONS];
	struct limit limit;
	uint64_t *commands, *changes, *failed;
};

struct requests *
requests_new(struct runner *r, const struct conf *conf, struct mms_client *mms)
{
	struct requests *q = calloc(1, sizeof(*q));

	if (q)
		q->numbers = calloc(conf->command_count + 1, 1);
	if (!q || !q->numbers)
		runner_fail(r, "out of memory");
	q->runner = r;
	q->conf = conf;
	q->mms = mms;
	q->last = &q->first;
	q->commands = runner_counter(r, "commands");
	q->changes = runner_counter(r, "changes");
	q->failed = runner_counter(r, "requests_failed");
	return q;
}

static void
free_request(struct request *request)
{
	free(request->session.json);
	json_free(request->payload);
	free(request);
}

/* Takes the first one out of the queue. */
static void
done(struct requests *q)
{
	struct request *request = q->first;

	q->first = request->next;
	if (!q->first)
		q->last = &q->first;
	q->count--;
	q->asked = false;
	free_request(request);
}

void
requests_free(struct requests *q)
{
	if (!q)
		return;
	while (q->first)
		done(q);
	for (size_t i = 0; i < REQUESTS_TERMINATIONS; i++)
		free(q->terminations[i].session.json);
	free(q->numbers);
	free(q);
}

/* --- Results --- */

/* Why something failed; NULL and -1: not said. */
struct failure {
	const char *service_error;
	bool has_error;
	int64_t error, cause;
};

static void
register_command(struct requests *q, const char *name, const struct session *session,
    const char *action, const struct failure *failure)
{
	const char *const type[] = { "gateway", "command", name };
	struct json_writer *w = runner_payload(q->runner);

	json_begin_object(w, NULL);
	json_put_raw(w, "session_id", session->json, session->len);
	json_put_str(w, "action", action);
	json_put_bool(w, "success", !failure);
	if (failure && failure->service_error)
		json_put_str(w, "service_error", failure->service_error);
	if (failure && failure->has_error) {
		json_put_str(w, "additional_cause", iec61850_cause_name(failure->cause));
		json_put_str(w, "test_error", iec61850_test_error_name(failure->error));
	}
	json_end_object(w);
	runner_register_payload(q->runner, type, 3, NULL);
}

static void
register_change(struct requests *q, const char *name, const struct session *session,
    const struct failure *failure)
{
	const char *const type[] = { "gateway", "change", name };
	struct json_writer *w = runner_payload(q->runner);

	json_begin_object(w, NULL);
	json_put_raw(w, "session_id", session->json, session->len);
	json_put_bool(w, "success", !failure);
	if (failure && failure->service_error)
		json_put_str(w, "error", failure->service_error);
	json_end_object(w);
	runner_register_payload(q->runner, type, 3, NULL);
}

/* failure NULL: success. */
static void
answer(struct requests *q, const struct request *request, const struct failure *failure)
{
	*q->failed += failure != NULL;
	if (request->change)
		register_change(q, request->change->name, &request->session, failure);
	else
		register_command(q, request->command->name, &request->session,
		    actions[request->action], failure);
}

static const char *
name_of(const struct request *request)
{
	return request->change ? request->change->name : request->command->name;
}

static void
refuse(struct requests *q, const struct request *request, const char *error, const char *why)
{
	const struct failure failure = { .service_error = error };

	limit_warning(&q->limit, "%s %s failed: %s", request->change ? "change" : "command",
	    name_of(request), why);
	answer(q, request, &failure);
}

/* --- Requests --- */

static const struct conf_command *
find_command(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->command_count; i++)
		if (strcmp(conf->commands[i].name, name) == 0)
			return &conf->commands[i];
	return NULL;
}

static const struct conf_change *
find_change(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->change_count; i++)
		if (strcmp(conf->changes[i].name, name) == 0)
			return &conf->changes[i];
	return NULL;
}

/* The session_id as it came; false where there is none. */
static bool
take_session(struct session *session, const struct json *payload)
{
	const struct json *id = json_get(payload, "session_id");
	struct buffer b;
	struct json_writer w = { .b = &b };

	if (!id)
		return false;
	buffer_init(&b, MAX_SESSION);
	json_put_tree(&w, NULL, id);
	session->json = malloc(b.len + 1);
	if (session->json && !buffer_failed(&b)) {
		memcpy(session->json, buffer_data(&b), b.len);
		session->len = b.len;
	}
	buffer_clear(&b);
	return session->len > 0;
}

static void
put(struct requests *q, struct request *request)
{
	int action = json_enum(json_get(json_root(request->payload), "action"), actions);
	bool ready = mms_client_state(q->mms) == MMS_READY;

	if (request->command && action < 0) {
		limit_warning(&q->limit, "command %s ignored: unknown action", name_of(request));
		free_request(request);
		return;
	}
	request->action = action < 0 ? ACTION_OPERATE : (enum action)action;
	++*(request->change ? q->changes : q->commands);
	if (!ready || q->count == REQUESTS_MAX) {
		refuse(q, request, NO_ANSWER, ready ? "too many wait" : "not connected");
		free_request(request);
		return;
	}
	*q->last = request;
	q->last = &request->next;
	q->count++;
}

void
requests_event(struct requests *q, const struct runner_event *event)
{
	bool change = strcmp(event->type[1], "change") == 0;
	struct request *request = calloc(1, sizeof(*request));
	char err[128] = "the payload is not JSON";

	if (!request)
		runner_fail(q->runner, "out of memory");
	request->time = event->timestamp;
	request->command = change ? NULL : find_command(q->conf, event->type[2]);
	request->change = change ? find_change(q->conf, event->type[2]) : NULL;
	if (event->payload == RUNNER_PAYLOAD_JSON)
		request->payload = json_parse(event->data, event->len, MAX_NODES, err, sizeof(err));
	if (!request->command && !request->change)
		snprintf(err, sizeof(err), "none of that name is configured");
	else if (request->payload && !take_session(&request->session, json_root(request->payload)))
		snprintf(err, sizeof(err), "the payload has no session_id");
	else if (request->payload) {
		put(q, request);
		return;
	}
	limit_warning(&q->limit, "event %s/%s/%s ignored: %s", event->type[0], event->type[1],
	    event->type[2], err);
	free_request(request);
}

/* --- To the server --- */

static struct mms_variable
attribute(const struct conf_command *command, const char *name, char item[ATTRIBUTE])
{
	snprintf(item, ATTRIBUTE, "%s$%s", command->item, name);
	return (struct mms_variable){ .name = { .scope = MMS_DOMAIN,
					  .domain = mms_str(command->domain),
					  .item = mms_str(item) } };
}

/* Fills in what the event says; why it is none, or NULL. */
static const char *
fill_control(struct iec61850_control *c, const struct request *request)
{
	const struct json *payload = json_root(request->payload);
	const struct json *origin = json_get(payload, "origin"),
			  *checks = json_get(payload, "checks");
	int category = json_enum(json_get(origin, "category"), iec61850_category_names);

	c->value = json_get(payload, "value");
	c->type = request->command->type;
	c->operate_time = request->command->operate_time;
	c->category = (uint8_t)(category + 1);
	c->ident = json_str(json_get(origin, "identification"));
	c->number = request->number;
	c->time.seconds = (uint32_t)request->time.s;
	c->time.fraction = (uint32_t)(((uint64_t)request->time.us << 24) / 1000000);
	c->time.quality = 0x1f; /* accuracy not said */
	c->test = json_is_true(json_get(payload, "test"));
	if (category < 0 || !c->ident)
		return "origin is not as it should be";
	if (strlen(c->ident) > IEC61850_MAX_IDENT)
		return "identification has more than 64 octets";
	if (!checks || checks->type != JSON_ARRAY)
		return "checks is no array";
	json_foreach (check, checks) {
		int bit = json_enum(check, iec61850_check_names);
		if (bit < 0)
			return "checks has an unknown one";
		c->checks |= (uint8_t)(1 << bit);
	}
	return NULL;
}

static void
count_up(struct requests *q, struct request *request)
{
	uint8_t *number = &q->numbers[request->command - q->conf->commands];
	bool direct = request->command->model == MODEL_DIRECT ||
		      request->command->model == MODEL_DIRECT_ENHANCED;

	if (request->action == ACTION_SELECT || (request->action == ACTION_OPERATE && direct))
		++*number;
	request->number = *number;
}

/* Called, or the request is refused: with *why. */
static enum mms_call
ask_control(struct requests *q, struct request *request, const char **why, struct monotime now)
{
	static const char *const names[] = { "SBOw", "Cancel", "Oper" };
	static uint8_t value[MAX_VALUE];
	struct iec61850_control control = { 0 };
	struct ber_writer w;
	char item[ATTRIBUTE];

	count_up(q, request);
	*why = fill_control(&control, request);
	if (*why)
		return MMS_NOT_READY;
	if (strlen(control.ident) > REQUESTS_IDENT_WARNING)
		limit_warning(&q->limit,
		    "command %s: identification is longer than 32 octets, "
		    "which some servers do not bear",
		    request->command->name);
	ber_writer_init(&w, value, sizeof(value));
	bool ok = iec61850_control_put(&w, &control, request->action == ACTION_CANCEL);
	size_t len = ok ? ber_writer_done(&w) : 0;
	*why = "value is not of the configured type";
	if (len == 0)
		return MMS_NOT_READY;
	*why = NULL;
	const struct mms_variable v = attribute(request->command, names[request->action], item);
	return mms_client_write(q->mms, REQUESTS_TAG, &v, 1, value, len, now);
}

static enum mms_call
ask_change(struct requests *q, struct request *request, const char **why, struct monotime now)
{
	static uint8_t value[MAX_VALUE];
	const struct reference *ref = &request->change->ref;
	const struct mms_variable v = reference_variable(ref);
	struct ber_writer w;

	ber_writer_init(&w, value, sizeof(value));
	bool ok =
	    iec61850_value_from_json(&w, ref->type, json_get(json_root(request->payload), "value"));
	size_t len = ok ? ber_writer_done(&w) : 0;
	*why = len ? NULL : "value is not of the configured type";
	return len ? mms_client_write(q->mms, REQUESTS_TAG, &v, 1, value, len, now) : MMS_NOT_READY;
}

static bool
is_read(const struct request *request)
{
	return request->command && request->action == ACTION_SELECT &&
	       request->command->model == MODEL_SBO;
}

static enum mms_call
ask(struct requests *q, struct request *request, const char **why, struct monotime now)
{
	char item[ATTRIBUTE];

	if (request->change)
		return ask_change(q, request, why, now);
	if (!is_read(request))
		return ask_control(q, request, why, now);
	const struct mms_variable v = attribute(request->command, "SBO", item);
	return mms_client_read(q->mms, REQUESTS_TAG, &v, 1, now);
}

void
requests_pump(struct requests *q, struct monotime now)
{
	while (q->first && !q->asked && mms_client_may_call(q->mms)) {
		const char *why = NULL;
		enum mms_call rc = ask(q, q->first, &why, now);
		q->asked = rc == MMS_TAKEN;
		if (q->asked)
			return;
		if (why)
			refuse(q, q->first, BAD_PARAMETER, why);
		else
			refuse(q, q->first, NO_ANSWER, "it does not fit a PDU");
		done(q);
	}
}

/* --- From the server --- */

static void
expect_termination(struct requests *q, struct request *request, struct monotime now)
{
	struct termination *t = q->terminations, *end = t + REQUESTS_TERMINATIONS;

	while (t < end && t->command)
		t++;
	if (t == end) {
		limit_warning(&q->limit, "command %s: too many wait for their termination",
		    request->command->name);
		return;
	}
	*t = (struct termination){ .command = request->command,
		.session = request->session,
		.number = request->number,
		.until = monotime_add_ms(now, REQUESTS_TERMINATION_MS) };
	request->session.json = NULL;
}

static void
register_termination(struct requests *q, const struct conf_command *command,
    const struct session *session, bool has_error, int64_t error, int64_t cause)
{
	const struct failure failure = { .has_error = true, .error = error, .cause = cause };

	register_command(q, command->name, session, "TERMINATION", has_error ? &failure : NULL);
}

static void
accepted(struct requests *q, struct request *request, struct monotime now)
{
	bool enhanced = request->command && (request->command->model == MODEL_DIRECT_ENHANCED ||
						request->command->model == MODEL_SBO_ENHANCED);

	answer(q, request, NULL);
	if (!enhanced || request->action != ACTION_OPERATE)
		return;
	if (request->terminated)
		register_termination(q, request->command, &request->session, request->has_error,
		    request->error, request->cause);
	else
		expect_termination(q, request, now);
}

/* The server's reason to refuse; NULL: it accepts. */
static const char *
refusal(const struct request *request, const struct mms_result *r, int64_t *error)
{
	struct mms_list list = is_read(request) ? r->response.u.read : r->response.u.written;
	struct mms_access a;
	struct mms_str text;
	bool success;

	*error = -1;
	if (!is_read(request)) {
		if (mms_written_next(&list, &success, error) && success)
			return NULL;
		return mms_access_error_name(*error);
	}
	if (!mms_access_next(&list, &a))
		return "no value";
	if (a.success && a.value.kind == MMS_VISIBLE_STRING && mms_value_str(&a.value, &text) &&
	    text.len > 0)
		return NULL;
	if (!a.success && (a.error == MMS_ACCESS_DENIED || a.error == MMS_ACCESS_NON_EXISTENT))
		*error = a.error;
	return a.success ? "it cannot be selected" : mms_access_error_name(a.error);
}

static void
answered(
    struct requests *q, struct request *request, const struct mms_result *r, struct monotime now)
{
	int64_t error;
	const char *why = refusal(request, r, &error);
	struct failure failure = {
		.has_error = request->has_error, .error = request->error, .cause = request->cause
	};

	if (!why) {
		accepted(q, request, now);
		return;
	}
	/* A control that is refused says why by LastApplError. */
	if (request->change || is_read(request))
		failure.service_error = iec61850_service_error_name(error);
	limit_notice(&q->limit, "%s %s refused: %s%s%s", request->change ? "change" : "command",
	    name_of(request), why, failure.has_error ? ", " : "",
	    failure.has_error ? iec61850_cause_name(failure.cause) : "");
	answer(q, request, &failure);
}

static void
not_answered(struct requests *q, struct request *request, const struct mms_result *r)
{
	struct failure failure = { .service_error = NO_ANSWER,
		.has_error = request->has_error,
		.error = request->error,
		.cause = request->cause };
	char text[64];

	limit_warning(&q->limit, "%s %s failed: %s", request->change ? "change" : "command",
	    name_of(request),
	    r->outcome == MMS_REFUSED ? mms_error_text(r->error, text)
				      : mms_outcome_name(r->outcome));
	answer(q, request, &failure);
}

void
requests_result(struct requests *q, const struct mms_result *r, struct monotime now)
{
	struct request *request = q->first;

	if (!request || !q->asked)
		return;
	if (r->outcome == MMS_ANSWERED)
		answered(q, request, r, now);
	else
		not_answered(q, request, r);
	done(q);
}

static bool
is_oper_of(const struct mms_name *name, const struct conf_command *command)
{
	char item[ATTRIBUTE];

	snprintf(item, sizeof(item), "%s$Oper", command->item);
	return name->scope == MMS_DOMAIN && mms_str_equal(name->domain, mms_str(command->domain)) &&
	       mms_str_equal(name->item, mms_str(item));
}

static void
on_terminated(struct requests *q, const struct iec61850_termination *t)
{
	struct request *now = q->asked && q->first->command ? q->first : NULL;

	for (size_t i = 0; i < REQUESTS_TERMINATIONS; i++) {
		struct termination *w = &q->terminations[i];
		if (!w->command || w->number != t->number || !is_oper_of(&t->object, w->command))
			continue;
		register_termination(
		    q, w->command, &w->session, t->has_error, t->error.error, t->error.cause);
		free(w->session.json);
		*w = (struct termination){ .command = NULL };
		return;
	}
	/* It comes before the answer, behind which it is registered. */
	if (now && now->action == ACTION_OPERATE && now->number == t->number &&
	    is_oper_of(&t->object, now->command)) {
		now->terminated = true;
		now->has_error = t->has_error;
		now->error = t->error.error;
		now->cause = t->error.cause;
	} else {
		log_debug("termination of a command that nobody waits for");
	}
}

static void
on_error(struct requests *q, const struct iec61850_application_error *e)
{
	struct request *now = q->asked && q->first->command ? q->first : NULL;

	if (!now || !iec61850_error_is_of(e, now->command->domain, now->command->item, now->number))
		return;
	now->has_error = true;
	now->error = e->error;
	now->cause = e->cause;
}

bool
requests_report(struct requests *q, const struct mms_report *report)
{
	struct iec61850_termination t;
	enum dec rc = iec61850_termination_decode(&t, report);

	if (rc == DEC_OK && t.terminated)
		on_terminated(q, &t);
	else if (rc == DEC_OK)
		on_error(q, &t.error);
	else if (rc == DEC_BAD)
		limit_warning(&q->limit, "a malformed report about a command was dropped");
	return rc != DEC_UNSUP;
}

void
requests_lost(struct requests *q)
{
	while (q->first) {
		refuse(q, q->first, NO_ANSWER, "the connection is lost");
		done(q);
	}
	for (size_t i = 0; i < REQUESTS_TERMINATIONS; i++) {
		if (q->terminations[i].command)
			limit_warning(&q->limit, "command %s: lost before its termination",
			    q->terminations[i].command->name);
		free(q->terminations[i].session.json);
		q->terminations[i] = (struct termination){ .command = NULL };
	}
}

int64_t
requests_due(const struct requests *q, struct monotime now)
{
	int64_t least = -1;

	for (size_t i = 0; i < REQUESTS_TERMINATIONS; i++) {
		if (!q->terminations[i].command)
			continue;
		int64_t ms = monotime_diff_ms(q->terminations[i].until, now) + 1;
		least = least < 0 || ms < least ? ms : least;
	}
	return least < -1 ? 0 : least;
}

void
requests_tick(struct requests *q, struct monotime now)
{
	for (size_t i = 0; i < REQUESTS_TERMINATIONS; i++) {
		struct termination *t = &q->terminations[i];
		if (!t->command || monotime_cmp(t->until, now) > 0)
			continue;
		limit_warning(
		    &q->limit, "command %s: no termination within 100 s", t->command->name);
		free(t->session.json);
		*t = (struct termination){ .command = NULL };
	}
}
