#include "supervisor/child/requests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Empty texts have no bytes, and their pointer may be NULL. */
static bool
has_nul(const msgpack_object_str *s)
{
	return s->size && memchr(s->ptr, '\0', s->size);
}

static const char *
add_row(struct requests *r, const msgpack_object *f)
{
	const msgpack_object_str *target = &f[1].via.str;

	if (f[0].via.u64 >= IPC_RESOURCE_COUNT || f[2].via.u64 > UINT16_MAX || has_nul(target))
		return "an unknown kind of resource";
	char *copy = target->size ? strndup(target->ptr, target->size) : strdup("");
	if (!copy)
		return "out of memory";
	r->plan[r->plan_count++] = (struct plan_row){
		.kind = (enum ipc_resource)f[0].via.u64,
		.target = copy,
		.port = (uint16_t)f[2].via.u64,
	};
	return NULL;
}

const char *
requests_set_plan(struct requests *r, const msgpack_object_array *list)
{
	const char *why = NULL;

	if (list->size > IPC_MAX_PLAN)
		return "too many resources in its plan";
	r->plan = calloc(list->size + 1, sizeof(r->plan[0]));
	if (!r->plan)
		return "out of memory";
	for (uint32_t i = 0; i < list->size && !why; i++)
		why = add_row(r, list->ptr[i].via.array.ptr);
	return why;
}

/* Takes it off the list and frees it. */
static void
forget(struct request_open *o)
{
	struct request_open **at = &o->requests->opens;

	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	free(o);
}

static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct request_open *o = arg;
	struct requests *r = o->requests;
	struct plan_row *row = &r->plan[o->index];
	uint32_t id = o->id;

	forget(o);
	if (fd >= 0)
		row->open = true;
	r->on_opened(r->arg, id, fd, error, fd >= 0 && row->kind != IPC_RESOURCE_FILE ? "" : why);
}

/* In front of the list; the broker answers later. Returns 0, or -1: out of memory. */
static int
begin_open(struct requests *r, uint32_t id, uint64_t index)
{
	const struct plan_row *row = &r->plan[index];
	struct request_open *o = malloc(sizeof(*o));

	if (!o)
		return -1;
	*o = (struct request_open){ .requests = r, .next = r->opens, .id = id, .index = index };
	r->opens = o;
	o->request = broker_open(r->broker, row->kind, row->target, row->port, on_opened, o);
	if (o->request)
		return 0;
	forget(o);
	return -1;
}

const char *
requests_open(struct requests *r, uint32_t id, uint64_t index, bool ending)
{
	size_t count = 0;

	if (index >= r->plan_count || !r->broker)
		return "an open that is not in its plan";
	if (++r->opened > REQUESTS_MAX_OPENS)
		return "a flood of opens";
	if (ending)
		return NULL;
	for (const struct request_open *o = r->opens; o; o = o->next, count++)
		if (o->id == id)
			return "an open with an id in use";
	if (count == IPC_MAX_ASKED)
		return "too many opens at once";
	if (begin_open(r, id, index) < 0)
		r->on_opened(r->arg, id, -1, ENOMEM, "out of memory");
	return NULL;
}

void
requests_cancel(struct requests *r, uint32_t id)
{
	struct request_open *o = r->opens;

	while (o && o->id != id)
		o = o->next;
	if (!o)
		return;
	broker_cancel(o->request);
	forget(o);
}

bool
requests_is_flood(struct requests *r, ev_tstamp now, size_t len)
{
	if (now - r->second >= 1.) {
		r->second = now;
		r->messages = r->bytes = r->opened = 0;
	}
	r->messages++;
	r->bytes += (uint32_t)len;
	return r->messages > REQUESTS_MAX_MESSAGES || r->bytes > REQUESTS_MAX_BYTES;
}

void
requests_clear(struct requests *r)
{
	while (r->opens) {
		broker_cancel(r->opens->request);
		forget(r->opens);
	}
	for (size_t i = 0; i < r->plan_count; i++)
		free(r->plan[i].target);
	free(r->plan);
	r->plan = NULL;
	r->plan_count = 0;
	r->messages = r->bytes = r->opened = 0;
}
