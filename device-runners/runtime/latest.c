#include "device-runners/runtime/latest.h"

#include <string.h>

#include "ipc/message.h"

enum {
	MAX_BYTES = IPC_MAX_MESSAGE / 2, /* of the types of one query */
	MANY = 4096,			 /* more than so many are asked for in parts */
	SLOW_MS = 200,			 /* for the first part: then they are not, if that can be */
};

static size_t
size_of(const struct runner_type *t)
{
	size_t size = 1;

	for (size_t i = 0; i < t->len; i++)
		size += strlen(t->segments[i]) + 5;
	return size;
}

static void ask_part(struct latest *l);

static void
on_event(void *arg, const struct runner_event *event)
{
	struct latest *l = arg;

	l->cb(l->arg, event);
}

static void
on_pattern_failed(void *arg, const char *why)
{
	struct latest *l = arg;

	log_info("the latest events are asked for in parts: %s", why);
	l->pattern_failed = true;
	l->next = 0;
	ask_part(l);
}

static void
ask_pattern(struct latest *l)
{
	runner_query_or(l->runner, l->pattern, 1, on_event, on_pattern_failed, l);
}

static void
on_first_part(void *arg, const struct runner_event *event)
{
	struct latest *l = arg;

	if (event)
		l->cb(l->arg, event);
	else if (!l->pattern_failed && monotime_diff_ms(monotime_now(), l->since) > SLOW_MS)
		ask_pattern(l);
	else
		ask_part(l);
}

static void
on_part(void *arg, const struct runner_event *event)
{
	struct latest *l = arg;

	if (event)
		l->cb(l->arg, event);
	else
		ask_part(l);
}

static void
ask_part(struct latest *l)
{
	struct latest_type texts[IPC_MAX_QUERY_TYPES];
	struct runner_type types[IPC_MAX_QUERY_TYPES];
	runner_query_cb *cb = l->next ? on_part : on_first_part;
	size_t n = 0, size = 0;

	while (n < IPC_MAX_QUERY_TYPES && size < MAX_BYTES && l->type(l->arg, l->next, &texts[n])) {
		types[n] = texts[n].type;
		size += size_of(&types[n]);
		n++;
		l->next++;
	}
	if (n)
		runner_query(l->runner, types, n, cb, l);
	else
		l->cb(l->arg, NULL);
}

void
latest_ask(struct latest *l, struct runner *r, const struct runner_type *pattern)
{
	struct latest_type t;

	l->runner = r;
	l->pattern = pattern;
	l->next = 0;
	l->pattern_failed = false;
	l->since = monotime_now();
	if (l->type(l->arg, MANY, &t))
		ask_part(l);
	else
		ask_pattern(l);
}
