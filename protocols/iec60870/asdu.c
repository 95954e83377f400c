#include "protocols/iec60870/asdu.h"

#include <string.h>

enum {
	FILE_SEGMENT = 125,    /* F_SG_NA_1, the one type of variable length */
	SEGMENT_LENGTH_AT = 3, /* its length follows name and section */
};

const struct asdu_sizes asdu_sizes_104 = { .cause = 2, .common = 2, .object = 3 };

uint16_t
asdu_max_common(const struct asdu_sizes *s)
{
	return s->common == 1 ? 0xff : 0xffff;
}

uint32_t
asdu_max_object(const struct asdu_sizes *s)
{
	return (UINT32_C(1) << 8 * s->object) - 1;
}

/* Bytes that follow the header, as it announces them; -1: not to be known from these bytes. */
static int
body_size(const struct asdu *a)
{
	const struct asdu_head *h = &a->head;
	int address = a->sizes.object, object = h->type->size, tag = h->type->time;

	if (h->type->id == FILE_SEGMENT) {
		if (h->count != 1)
			return h->count == 0 ? 0 : -1;
		if (cursor_left(&a->rest) < (size_t)(address + object))
			return address + object;
		return address + object + a->rest.p[address + SEGMENT_LENGTH_AT];
	}
	if (h->sequence && a->tag_each)
		return address + h->count * (object + tag);
	if (h->sequence)
		return h->count ? address + h->count * object + tag : 0;
	return h->count * (address + object + tag);
}

/* The one tag of a sequence that stands behind its last element. */
static void
take_tag(struct asdu *a)
{
	const struct iec_type *type = a->head.type;
	struct cursor c = { a->rest.end - type->time, a->rest.end, false };

	iec_time_decode(&a->tag, &c, type->time);
	a->rest.end -= type->time;
}

static bool
head_decode(struct asdu *a, struct cursor *c)
{
	struct asdu_head *h = &a->head;

	h->type_id = cursor_u8(c);
	uint8_t vsq = cursor_u8(c);
	h->sequence = vsq & 0x80;
	h->count = vsq & 0x7f;
	uint8_t cause = cursor_u8(c);
	h->test = cause & 0x80;
	h->negative = cause & 0x40;
	h->cause = cause & 0x3f;
	if (a->sizes.cause == 2)
		h->originator = cursor_u8(c);
	h->common = (uint16_t)cursor_le(c, a->sizes.common);
	h->type = iec_type_find(h->type_id);
	return cursor_ok(c);
}

enum dec
asdu_decode(struct asdu *a, const struct asdu_sizes *sizes, const void *data, size_t len)
{
	*a = (struct asdu){ .sizes = *sizes, .rest = cursor_make(data, len) };
	if (!head_decode(a, &a->rest))
		return DEC_MORE;
	if (!a->head.type)
		return DEC_UNSUP;
	a->tag_each = a->head.sequence && a->head.count > 1 && a->head.type->time;
	if (a->tag_each && cursor_left(&a->rest) != (size_t)body_size(a))
		a->tag_each = false;
	int size = body_size(a);
	if (size < 0 || cursor_left(&a->rest) > (size_t)size)
		return DEC_BAD;
	if (cursor_left(&a->rest) < (size_t)size)
		return DEC_MORE;
	a->left = a->head.count;
	if (!a->head.sequence || a->left == 0)
		return DEC_OK;
	if (a->head.type->time && !a->tag_each)
		take_tag(a);
	a->next = (uint32_t)cursor_le(&a->rest, sizes->object);
	return a->next + a->left - 1u > asdu_max_object(sizes) ? DEC_BAD : DEC_OK;
}

bool
asdu_next(struct asdu *a, struct iec_object *o)
{
	if (a->left == 0)
		return false;
	a->left--;
	if (!a->head.sequence) {
		o->address = (uint32_t)cursor_le(&a->rest, a->sizes.object);
		iec_object_decode(o, a->head.type, &a->rest);
		return cursor_ok(&a->rest);
	}
	*o = (struct iec_object){ .address = a->next++ };
	a->head.type->get(o, &a->rest);
	if (a->tag_each)
		iec_time_decode(&o->time, &a->rest, a->head.type->time);
	else if (a->head.type->time)
		o->time = a->tag;
	return cursor_ok(&a->rest);
}

static uint8_t *
put_le(uint8_t *p, uint32_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*p++ = (uint8_t)(v >> 8 * i);
	return p;
}

void
asdu_begin(
    struct asdu_writer *w, const struct asdu_sizes *sizes, const struct asdu_head *head, size_t max)
{
	w->sizes = *sizes;
	w->head = *head;
	w->head.count = 0;
	w->max = max < ASDU_MAX ? max : ASDU_MAX;
	w->next = 0;
	uint8_t *p = w->data;
	*p++ = head->type->id;
	*p++ = 0;
	*p++ = (uint8_t)((head->cause & 0x3f) | head->negative << 6 | head->test << 7);
	if (sizes->cause == 2)
		*p++ = head->originator;
	p = put_le(p, head->common, sizes->common);
	w->len = (size_t)(p - w->data);
}

bool
asdu_add(struct asdu_writer *w, const struct iec_object *o)
{
	const struct iec_type *type = w->head.type;
	bool sequence = w->head.sequence, first = w->head.count == 0;
	size_t need = iec_object_size(o, type) + (!sequence || first ? w->sizes.object : 0);

	if (w->head.count == ASDU_MAX_OBJECTS || need > w->max - w->len)
		return false;
	if (o->address > asdu_max_object(&w->sizes) || iec_object_check(o, type) ||
	    (sequence && (type->time || (!first && o->address != w->next))))
		return false;
	uint8_t *p = w->data + w->len;
	if (!sequence || first)
		p = put_le(p, o->address, w->sizes.object);
	p = iec_object_encode(o, type, p);
	w->len = (size_t)(p - w->data);
	w->next = o->address + 1;
	w->head.count++;
	return true;
}

const uint8_t *
asdu_end(struct asdu_writer *w)
{
	w->data[1] = (uint8_t)(w->head.count | w->head.sequence << 7);
	return w->data;
}

const uint8_t *
asdu_of_one(struct asdu_writer *w, const struct asdu_sizes *sizes, const struct asdu_head *head,
    const struct iec_object *o, size_t max)
{
	asdu_begin(w, sizes, head, max);
	return asdu_add(w, o) ? asdu_end(w) : NULL;
}

size_t
asdu_mirror(uint8_t *out, size_t max, const struct asdu_sizes *sizes, const void *data, size_t len,
    uint16_t common, unsigned cause, bool negative)
{
	const uint8_t *in = data;
	size_t common_at = 2u + sizes->cause;

	if (len < common_at + sizes->common || len > max)
		return 0;
	memcpy(out, in, len);
	out[2] = (uint8_t)((in[2] & 0x80) | negative << 6 | cause);
	put_le(out + common_at, common, sizes->common);
	return len;
}

void
asdu_batch_flush(struct asdu_batch *b)
{
	if (b->writer.head.count)
		b->send(b->arg, asdu_end(&b->writer), b->writer.len);
	b->writer.head.count = 0;
}

void
asdu_batch_add(struct asdu_batch *b, const struct iec_type *type, const struct iec_object *o)
{
	if (b->writer.head.count && b->head.type == type && asdu_add(&b->writer, o))
		return;
	asdu_batch_flush(b);
	b->head.type = type;
	asdu_begin(&b->writer, &b->sizes, &b->head, b->max);
	asdu_add(&b->writer, o);
}
