#include "protocols/hat/chatter.h"

static const char ping_type[] = "HatChatter.Ping";
static const char pong_type[] = "HatChatter.Pong";

void
chatter_init(struct chatter *c, struct buffer *out, size_t max_frame, struct monotime now)
{
	*c = (struct chatter){
		.out = out,
		.max_frame = max_frame,
		.next_id = 1,
		.ping_ms = CHATTER_PING_MS,
		.dead_ms = CHATTER_DEAD_MS,
		.now = now,
		.heard = now,
	};
	buffer_init(&c->in, 0);
	buffer_init(&c->scratch, 0);
	chatter_raise_max_frame(c, max_frame);
}

void
chatter_raise_max_frame(struct chatter *c, size_t max_frame)
{
	c->max_frame = max_frame;
	/* A whole frame, and as much again of the ones that came with its end. */
	c->in.limit = 2 * (max_frame + 1 + CHATTER_MAX_LENGTH_BYTES);
	c->scratch.limit = max_frame;
}

void
chatter_clear(struct chatter *c)
{
	buffer_clear(&c->in);
	buffer_clear(&c->scratch);
	c->used = 0;
}

static void
drop_used(struct chatter *c)
{
	buffer_consume(&c->in, c->used);
	c->used = 0;
}

uint8_t *
chatter_room(struct chatter *c, size_t want, size_t *size)
{
	drop_used(c);
	size_t left = c->in.limit - c->in.len;
	*size = want < left ? want : left;
	return *size ? buffer_reserve(&c->in, *size) : NULL;
}

void
chatter_fed(struct chatter *c, size_t n, struct monotime now)
{
	buffer_commit(&c->in, n);
	c->now = now;
}

/* Everything but the data. */
static void
get_head(struct cursor *c, struct chatter_msg *msg)
{
	msg->id = sbs_get_int(c);
	msg->first = sbs_get_int(c);
	msg->owner = sbs_get_bool(c);
	msg->token = sbs_get_bool(c);
	msg->last = sbs_get_bool(c);
	msg->cut = false;
	msg->type = sbs_get_str(c);
}

static bool
decode_msg(const uint8_t *p, size_t len, struct chatter_msg *msg)
{
	struct cursor c = cursor_make(p, len);

	get_head(&c, msg);
	msg->data = sbs_get_bytes(&c);
	return cursor_done(&c);
}

enum dec
chatter_frame_decode(
    const uint8_t *p, size_t len, size_t max_frame, size_t *used, struct chatter_msg *msg)
{
	struct cursor c = cursor_make(p, len);

	*used = 1;
	if (len == 0)
		return DEC_MORE;
	size_t width = cursor_u8(&c);
	if (width == 0 || width > CHATTER_MAX_LENGTH_BYTES)
		return DEC_BAD;
	*used = 1 + width;
	if (cursor_left(&c) < width)
		return DEC_MORE;
	uint64_t size = cursor_be(&c, width);
	if (size > max_frame)
		return DEC_BAD;
	*used += (size_t)size;
	if (cursor_left(&c) < size)
		return DEC_MORE;
	return decode_msg(c.p, (size_t)size, msg) ? DEC_OK : DEC_BAD;
}

/* The head of a frame that is too long, once it is there; the rest is skipped as it comes. */
static enum dec
begin_skip(struct chatter *c, struct chatter_msg *msg, size_t *used)
{
	struct cursor in = cursor_make(buffer_data(&c->in), c->in.len);
	size_t width = cursor_u8(&in);
	uint64_t size =
	    width && width <= CHATTER_MAX_LENGTH_BYTES ? cursor_be(&in, width) : (uint64_t)0;

	if (!cursor_ok(&in) || size <= c->max_frame || size > CHATTER_MAX_SKIP)
		return DEC_BAD;
	if (cursor_left(&in) < CHATTER_MAX_HEADER)
		return DEC_MORE;
	uint64_t here = cursor_left(&in) < size ? cursor_left(&in) : size;
	*used = 1 + width + (size_t)here;
	get_head(&in, msg);
	if (!cursor_ok(&in))
		return DEC_BAD;
	msg->cut = true;
	msg->data = (struct sbs_str){ 0 };
	c->skip = size - here;
	return DEC_OK;
}

/* Drops what has come of a frame that is cut. Returns whether all of it has. */
static bool
skip_rest(struct chatter *c)
{
	size_t n = c->skip < c->in.len ? (size_t)c->skip : c->in.len;

	buffer_consume(&c->in, n);
	c->skip -= n;
	return c->skip == 0;
}

enum dec
chatter_next(struct chatter *c, struct chatter_msg *msg)
{
	for (;;) {
		drop_used(c);
		if (!skip_rest(c))
			return DEC_MORE;
		size_t used;
		enum dec r =
		    chatter_frame_decode(buffer_data(&c->in), c->in.len, c->max_frame, &used, msg);
		if (r == DEC_BAD && c->skip_large)
			r = begin_skip(c, msg, &used);
		if (r != DEC_OK)
			return r;
		c->used = used;
		c->heard = c->now;
		c->pinged.ns = 0;
		if (sbs_str_eq(msg->type, sbs_str(ping_type))) {
			struct chatter_conv conv = chatter_msg_conv(msg);
			chatter_send(c, &conv, pong_type, true, (struct sbs_str){ 0 });
		} else if (!sbs_str_eq(msg->type, sbs_str(pong_type))) {
			return DEC_OK;
		}
	}
}

struct monotime
chatter_deadline(const struct chatter *c)
{
	if (c->ping_ms == 0)
		return (struct monotime){ 0 };
	if (c->pinged.ns)
		return monotime_add_ms(c->pinged, c->dead_ms);
	return monotime_add_ms(c->heard, c->ping_ms);
}

bool
chatter_tick(struct chatter *c, struct monotime now)
{
	c->now = now;
	if (c->ping_ms == 0 || monotime_cmp(now, chatter_deadline(c)) < 0)
		return true;
	if (c->pinged.ns)
		return false;
	c->pinged = now;
	chatter_send(c, NULL, ping_type, false, (struct sbs_str){ 0 });
	return true;
}

/* Everything of a frame but its data, which has data_len bytes; NULL and sticky failure where there
 * is no room for the whole frame. */
static bool
put_header(struct buffer *b, const struct chatter_msg *m, size_t data_len)
{
	size_t size = sbs_int_size(m->id) + sbs_int_size(m->first) + 3 +
		      sbs_int_size((int64_t)m->type.len) + m->type.len +
		      sbs_int_size((int64_t)data_len) + data_len;
	unsigned width = 1;

	while (width < CHATTER_MAX_LENGTH_BYTES && size >> (8 * width))
		width++;
	uint8_t *p = buffer_reserve(b, 1 + width + size);
	if (!p)
		return false;
	*p++ = (uint8_t)width;
	for (unsigned i = width; i > 0; i--)
		*p++ = (uint8_t)(size >> (8 * (i - 1)));
	p = sbs_write_int(p, m->id);
	p = sbs_write_int(p, m->first);
	*p++ = m->owner;
	*p++ = m->token;
	*p++ = m->last;
	p = sbs_write_str(p, m->type);
	sbs_write_int(p, (int64_t)data_len);
	buffer_commit(b, 1 + width + size - data_len);
	return true;
}

void
chatter_frame_encode(struct buffer *b, const struct chatter_msg *msg)
{
	if (put_header(b, msg, msg->data.len))
		buffer_append(b, msg->data.p, msg->data.len);
}

int64_t
chatter_begin(
    struct chatter *c, const struct chatter_conv *conv, const char *type, bool last, size_t len)
{
	struct chatter_msg m = {
		.id = c->next_id,
		.first = conv ? conv->first : c->next_id,
		.owner = conv ? conv->owner : true,
		.token = true,
		.last = last,
		.type = sbs_str(type),
	};

	if (!put_header(c->out, &m, len))
		return -1;
	c->next_id++;
	return m.first;
}

int64_t
chatter_send(struct chatter *c, const struct chatter_conv *conv, const char *type, bool last,
    struct sbs_str data)
{
	int64_t first = chatter_begin(c, conv, type, last, data.len);

	if (first >= 0)
		buffer_append(c->out, data.p, data.len);
	return first;
}

struct buffer *
chatter_scratch(struct chatter *c)
{
	buffer_reset(&c->scratch);
	return &c->scratch;
}

int64_t
chatter_send_scratch(
    struct chatter *c, const struct chatter_conv *conv, const char *type, bool last)
{
	if (buffer_failed(&c->scratch)) {
		c->out->failed = true;
		return -1;
	}
	struct sbs_str data = { (const char *)buffer_data(&c->scratch), c->scratch.len };
	return chatter_send(c, conv, type, last, data);
}
