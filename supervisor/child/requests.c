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

static void
on_opened(void *arg, int fd, int error, const char *why)
{
	struct request_open *o = arg;
	struct requests *r = o->requests;

	struct plan_row *row = &r->plan[o->index];

	o->requests = NULL;
	if (fd >= 0)
		row->open = true;
	r->on_opened(
	    r->arg, o->id, fd, error, fd >= 0 && row->kind != IPC_RESOURCE_FILE ? "" : why);
}

const char *
requests_open(struct requests *r, uint32_t id, uint64_t index, bool ending)
{
	struct request_open *o = NULL;

	if (index >= r->plan_count || !r->broker)
		return "an open that is not in its plan";
	if (++r->opened > REQUESTS_MAX_OPENS)
		return "a flood of opens";
	if (ending)
		return NULL;
	for (size_t i = 0; i < IPC_MAX_ASKED; i++) {
		if (r->opens[i].requests && r->opens[i].id == id)
			return "an open with an id in use";
		if (!r->opens[i].requests && !o)
			o = &r->opens[i];
	}
	if (!o)
		return "too many opens at once";
	const struct plan_row *row = &r->plan[index];
	*o = (struct request_open){ r, id, index, NULL };
	o->request = broker_open(r->broker, row->kind, row->target, row->port, on_opened, o);
	if (!o->request) {
		o->requests = NULL;
		r->on_opened(r->arg, id, -1, ENOMEM, "out of memory");
	}
	return NULL;
}

void
requests_cancel(struct requests *r, uint32_t id)
{
	for (size_t i = 0; i < IPC_MAX_ASKED; i++) {
		if (!r->opens[i].requests || r->opens[i].id != id)
			continue;
		broker_cancel(r->opens[i].request);
		r->opens[i].requests = NULL;
	}
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
	for (size_t i = 0; i < IPC_MAX_ASKED; i++) {
		if (r->opens[i].requests)
			broker_cancel(r->opens[i].request);
		r->opens[i].requests = NULL;
	}
	for (size_t i = 0; i < r->plan_count; i++)
		free(r->plan[i].target);
	free(r->plan);
	r->plan = NULL;
	r->plan_count = 0;
	r->messages = r->bytes = r->opened = 0;
}
