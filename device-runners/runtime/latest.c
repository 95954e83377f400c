#include "device-runners/runtime/latest.h"

#include <string.h>

#include "ipc/message.h"

enum { MAX_BYTES = IPC_MAX_MESSAGE / 2 /* of the types of one query */ };

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
	size_t n = 0, size = 0;

	while (n < IPC_MAX_QUERY_TYPES && size < MAX_BYTES && l->type(l->arg, l->next, &texts[n])) {
		types[n] = texts[n].type;
		size += size_of(&types[n]);
		n++;
		l->next++;
	}
	if (n)
		runner_query(l->runner, types, n, on_part, l);
	else
		l->cb(l->arg, NULL);
}

static void
on_pattern_failed(void *arg, const char *why)
{
	log_info("the latest events are asked for in parts: %s", why);
	ask_part(arg);
}

static void
on_event(void *arg, const struct runner_event *event)
{
	struct latest *l = arg;

	l->cb(l->arg, event);
}

void
latest_ask(struct latest *l, struct runner *r, const struct runner_type *pattern)
{
	l->runner = r;
	l->next = 0;
	runner_query_or(r, pattern, 1, on_event, on_pattern_failed, l);
}
