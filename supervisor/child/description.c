/* A runner's description of its device's data, when somebody asks: page by page, of which nothing
 * is kept. */
#include <errno.h>

#include "supervisor/child/child_private.h"

int
child_describe(struct child *c, uint32_t from, child_description_cb *cb, void *arg)
{
	struct child_describe *d = NULL;

	for (size_t i = 0; i < IPC_MAX_DESCRIBES; i++)
		if (c->describes[i].id == 0)
			d = &c->describes[i];
	if (child_state(c) != CHILD_RUNNING || !d) {
		errno = d ? ENOTCONN : EBUSY;
		return -1;
	}
	if (++c->last_describe == 0)
		c->last_describe = 1;
	*d = (struct child_describe){ c->last_describe, from, cb, arg };
	msgpack_packer *p = channel_begin(&c->channel, IPC_DESCRIBE, d->id);
	msgpack_pack_array(p, 1);
	msgpack_pack_uint32(p, from);
	child_sent(c, channel_send(&c->channel, -1));
	return 0;
}

void
child_forget_description(struct child *c, const void *arg)
{
	for (size_t i = 0; i < IPC_MAX_DESCRIBES; i++)
		if (c->describes[i].id && c->describes[i].arg == arg)
			c->describes[i].cb = NULL;
}

static const char *
check(const struct child_describe *d, const msgpack_object *next, const msgpack_object_array *rows)
{
	/* Without progress, reading page after page would never end. */
	if (next->type != MSGPACK_OBJECT_NIL && next->via.u64 <= d->from)
		return "a description without progress";
	for (uint32_t i = 0; i < rows->size; i++)
		if (rows->ptr[i].via.array.ptr[4].via.array.size > IPC_MAX_DESCRIBED_VERBS)
			return "a description with too many verbs";
	return NULL;
}

const char *
child_on_description(struct child *c, uint32_t id, const msgpack_object *body)
{
	const msgpack_object *next = &body->via.array.ptr[0];
	const msgpack_object_array *rows = &body->via.array.ptr[1].via.array;
	struct child_describe *d = NULL;

	for (size_t i = 0; i < IPC_MAX_DESCRIBES; i++)
		if (id && c->describes[i].id == id)
			d = &c->describes[i];
	if (!d)
		return "an unsolicited description";
	const struct child_describe asked = *d;
	const char *why = check(d, next, rows);
	if (why)
		return why;
	d->id = 0;
	if (asked.cb)
		asked.cb(asked.arg, rows,
		    next->type == MSGPACK_OBJECT_NIL ? 0 : (uint32_t)next->via.u64);
	return NULL;
}

void
child_describe_clear(struct child *c)
{
	for (size_t i = 0; i < IPC_MAX_DESCRIBES; i++) {
		const struct child_describe asked = c->describes[i];
		c->describes[i].id = 0;
		if (asked.id && asked.cb)
			asked.cb(asked.arg, NULL, 0);
	}
}
