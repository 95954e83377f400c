#include "device-runners/runtime/report/describe.h"

#include <string.h>

#include "common/textbuf.h"
#include "device-runners/runtime/runner_private.h"

enum {
	NOTED_DATA = 500,     /* of a device, in a check */
	PAGE_MAX = 48 * 1024, /* bytes of rows after which a message ends */
	ROW_MAX = 12 * 1024,  /* a longer one is left out */
	ROWS_LIMIT = 1024 * 1024,
};

struct describe {
	struct runner *notes; /* in a check: rows are notes of it */
	struct buffer rows;
	msgpack_packer packer;
	uint32_t count;
	bool bad; /* the row has a type that no event may have */
};

static int
write_rows(void *data, const char *bytes, size_t len)
{
	buffer_append(data, bytes, len);
	return 0;
}

static void
pack_type(struct describe *d, const char *const *type)
{
	msgpack_packer *p = &d->packer;
	size_t n = 0;

	for (; type && type[n]; n++)
		d->bad |= strlen(type[n]) > IPC_MAX_TEXT;
	if (n == 0) {
		msgpack_pack_nil(p);
		return;
	}
	d->bad |= n > IPC_MAX_SEGMENTS;
	msgpack_pack_array(p, n);
	for (size_t i = 0; i < n; i++)
		ipc_pack_str(p, type[i]);
}

static void
pack_verb(struct describe *d, const struct describe_verb *v)
{
	msgpack_packer *p = &d->packer;

	msgpack_pack_array(p, 7);
	ipc_pack_reason(p, v->verb);
	pack_type(d, v->takes);
	ipc_pack_reason(p, v->request ? v->request : "");
	pack_type(d, v->result);
	ipc_pack_reason(p, v->match ? v->match : "");
	ipc_pack_reason(p, v->good ? v->good : "");
	ipc_pack_reason(p, v->form ? v->form : "");
}

static void
add_type(struct textbuf *t, const char *word, const char *const *type)
{
	textbuf_add(t, "; %s ", word);
	for (size_t i = 0; type[i]; i++)
		textbuf_add(t, "%s%s", i ? "/" : "", type[i]);
}

/* A row in a line for people. */
static void
note_data(struct runner *r, const struct describe_data *data)
{
	char text[IPC_MAX_TEXT];
	struct textbuf t = textbuf_make(text, sizeof(text));

	textbuf_add(&t, "data %s: %s%s%s", data->name, data->value ? data->value : "",
	    data->value && *data->value && data->about ? ", " : "", data->about ? data->about : "");
	if (data->gives)
		add_type(&t, "from", data->gives);
	for (size_t i = 0; i < data->verb_count; i++)
		add_type(&t, data->verbs[i].verb, data->verbs[i].takes);
	runner_note(r, "%s", textbuf_end(&t));
}

void
describe_put(struct describe *d, const struct describe_data *data)
{
	if (d->notes) {
		note_data(d->notes, data);
		return;
	}
	msgpack_packer *p = &d->packer;
	size_t before = d->rows.len;

	d->bad = false;
	msgpack_pack_array(p, 6);
	ipc_pack_reason(p, data->name);
	ipc_pack_reason(p, data->value ? data->value : "");
	ipc_pack_reason(p, data->about ? data->about : "");
	pack_type(d, data->gives);
	msgpack_pack_array(p, data->verb_count);
	for (size_t i = 0; i < data->verb_count; i++)
		pack_verb(d, &data->verbs[i]);
	pack_type(d, data->parts);
	if (d->bad || d->rows.len - before > ROW_MAX)
		buffer_truncate(&d->rows, before);
	else
		d->count++;
}

void
runner_note_data(struct runner *r)
{
	struct describe d = { .notes = r };
	size_t i = 0;

	while (i < NOTED_DATA && r->type->describe_data && r->type->describe_data(r->device, &d, i))
		i++;
	if (i == NOTED_DATA)
		runner_note(
		    r, "and more data: 'gatewayctl describe' prints them of a running device");
}

void
runner_describe(struct runner *r, uint32_t id, uint32_t from)
{
	struct describe d = { .count = 0 };
	bool (*describe)(void *, struct describe *, size_t) = r->type->describe_data;
	uint32_t at = from;
	bool more = r->started && !r->stopping && describe;

	buffer_init(&d.rows, ROWS_LIMIT);
	msgpack_packer_init(&d.packer, &d.rows, write_rows);
	while (more && d.rows.len < PAGE_MAX) {
		more = describe(r->device, &d, at);
		at += more;
	}
	msgpack_packer *p = channel_begin(&r->channel, IPC_DESCRIPTION, id);
	msgpack_pack_array(p, 2);
	if (more)
		msgpack_pack_uint32(p, at);
	else
		msgpack_pack_nil(p);
	msgpack_pack_array(p, d.count);
	buffer_append(&r->channel.out, buffer_data(&d.rows), d.rows.len);
	runner_sent(r, channel_send(&r->channel, -1));
	buffer_clear(&d.rows);
}
