/* The control socket's queries of events: the latest of each type, or a page of the time series. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/control/control_client.h"

enum { MAX_PATTERNS = 512 * 1024 /* bytes of encoded types in a query */ };

static void
put_events(struct control_client *c, struct eventer_events_iter *events)
{
	struct eventer_event e;

	while (!c->overrun && events && eventer_events_next(events, &e))
		control_put_event(c, NULL, NULL, &e.timestamp, &e);
}

/* The rest of the answer comes in later turns. */
static bool
is_part(const struct eventer_events_iter *events)
{
	return events && eventer_events_more(events);
}

static void
on_latest(void *arg, struct eventer_events_iter *events, const char *error)
{
	struct control_client *c = arg;

	put_events(c, events);
	if (is_part(events))
		return;
	if (error)
		control_refuse(c, REASON_EVENT_SERVER, "the query failed: %s", error);
	else
		control_finish(c, CONTROL_DONE);
}

/* A page may be cut anywhere: the client asks on from the last event that it got. */
static void
on_page(void *arg, struct eventer_events_iter *events, const char *error)
{
	struct control_client *c = arg;

	put_events(c, events);
	if (is_part(events))
		return;
	c->overrun = false;
	if (error)
		control_refuse(c, REASON_EVENT_SERVER, "the query failed: %s", error);
	else
		control_finish(c, CONTROL_DONE);
}

/* The device that the text begins with, by NAME or TYPE/NAME, and in *len how much of it that is;
 * NULL with ENOTUNIQ where several have the name. */
static struct engine_device *
leading_device(struct control_client *c, const char *text, size_t *len)
{
	char name[2 * CONFIG_MAX_NAME + 2];
	struct engine_device *d = NULL;
	int error = ENOENT;

	*len = 0;
	for (int segments = 1; segments <= 2 && !d; segments++) {
		*len += strcspn(text + *len, "/");
		snprintf(name, sizeof(name), "%.*s", (int)*len, text);
		if (*len >= sizeof(name) || strcmp(name, "gateway") == 0)
			break;
		d = engine_find(c->control->engine, name);
		error = d || errno != ENOTUNIQ ? error : ENOTUNIQ;
		if (!text[*len])
			break;
		*len += !d;
	}
	errno = error;
	return d;
}

/* A pattern is a whole type; or a device's name, or that and what follows its prefix. Returns NULL,
 * or what is wrong. */
static const char *
put_pattern(struct control_client *c, struct buffer *b, const char *text)
{
	struct sbs_str segments[EVENTER_MAX_SEGMENTS];
	size_t len, n;
	struct engine_device *d = leading_device(c, text, &len);

	if (!d && errno == ENOTUNIQ)
		return "several types have a device of that name: write TYPE/NAME";
	if (!d) {
		n = control_split_type(text, segments, EVENTER_MAX_SEGMENTS);
	} else {
		size_t prefix = control_prefix(d->child, segments);
		const char *rest = text[len] ? text + len + 1 : "*";
		n = control_split_type(rest, segments + prefix, EVENTER_MAX_SEGMENTS - prefix);
		n = n ? n + prefix : 0;
	}
	if (n)
		eventer_put_type(b, segments, n);
	return n ? NULL : "an empty segment, or too many";
}

/* All of this gateway. */
static void
put_ours(const struct config *config, struct buffer *b)
{
	struct sbs_str ours[] = { sbs_str("gateway"), sbs_str(config->name), sbs_str("*") };

	if (!config->name_in_types)
		ours[1] = ours[2];
	eventer_put_type(b, ours, config->name_in_types ? 3 : 2);
}

static struct eventer_time
time_of(const struct json *request, const char *key)
{
	const struct json *pair = json_get(request, key);
	int64_t s = 0, us = 0;

	if (!pair)
		return (struct eventer_time){ 0 };
	json_int(pair->child, INT64_MIN, INT64_MAX, &s);
	json_int(pair->child->next, 0, 999999, &us);
	return (struct eventer_time){ true, { s, (uint32_t)us } };
}

/* A page of the time series. */
static struct eventer_query
page_of(const struct json *request)
{
	const struct json *after = json_get(request, "after");
	struct eventer_query q = { .kind = EVENTER_QUERY_TIMESERIES,
		.from = time_of(request, "since"),
		.to = time_of(request, "until"),
		.order = json_is_true(json_get(request, "newest_first")) ? EVENTER_DESCENDING
									 : EVENTER_ASCENDING,
		.has_max_results = true,
		.has_last_id = after };

	json_int(json_get(request, "page"), 1, CONTROL_MAX_PAGE, &q.max_results);
	if (after) {
		json_int(after->child, INT64_MIN, INT64_MAX, &q.last_id.server);
		json_int(after->child->next, INT64_MIN, INT64_MAX, &q.last_id.session);
		json_int(after->last, INT64_MIN, INT64_MAX, &q.last_id.instance);
	}
	return q;
}

void
control_on_events(struct control_client *c, const struct json *request)
{
	const struct json *patterns = json_get(request, "types");
	bool history = json_get(request, "page");
	struct eventer_query q =
	    history ? page_of(request) : (struct eventer_query){ .kind = EVENTER_QUERY_LATEST };
	const char *why = NULL, *bad = NULL;
	struct buffer b;

	buffer_init(&b, MAX_PATTERNS);
	q.has_types = true;
	q.types.count = patterns && patterns->count ? patterns->count : 1;
	if (!patterns || patterns->count == 0) {
		put_ours(c->control->engine->config, &b);
	} else {
		json_foreach (pattern, patterns)
			if (!why && (why = put_pattern(c, &b, pattern->text)))
				bad = pattern->text;
	}
	if (why) {
		control_refuse(c, REASON_VALUE, "event type '%.200s': %s", bad, why);
		buffer_clear(&b);
	} else if (engine_query(c->control->engine, &q, &b, history ? on_page : on_latest, c) < 0) {
		control_refuse_errno(c, "cannot query");
	}
}
