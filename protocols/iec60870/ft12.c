#include "protocols/iec60870/ft12.h"

#include <errno.h>

enum {
	START_FIXED = 0x10,
	START_VARIABLE = 0x68,
	END = 0x16,
	SINGLE = 0xE5,
	BIT_DIR = 0x80,
	BIT_PRM = 0x40,
	BIT_FCB_ACD = 0x20,
	BIT_FCV_DFC = 0x10,
	HEADER_VARIABLE = 4,
};

/* Bit n: function code n is defined. */
static const uint16_t defined_functions[] = {
	[FT12_PRIMARY] = 1u << 0 | 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 7 | 1u << 8 |
			 1u << 9 | 1u << 10 | 1u << 11,
	[FT12_SECONDARY] = 1u << 0 | 1u << 1 | 1u << 8 | 1u << 9 | 1u << 11 | 1u << 14 | 1u << 15,
};

static uint8_t
checksum(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + p[i]);
	return sum;
}

uint16_t
ft12_broadcast(uint8_t address_size)
{
	return address_size == 1 ? 0xFF : 0xFFFF;
}

static uint8_t
control_field(const struct ft12_params *p, const struct ft12_frame *f)
{
	bool primary = f->kind == FT12_PRIMARY;

	return (uint8_t)((p->direction && f->dir ? BIT_DIR : 0) | (primary ? BIT_PRM : 0) |
			 ((primary ? f->fcb : f->acd) ? BIT_FCB_ACD : 0) |
			 ((primary ? f->fcv : f->dfc) ? BIT_FCV_DFC : 0) | f->function);
}

int
ft12_encode(const struct ft12_params *p, const struct ft12_frame *f, uint8_t out[FT12_MAX_FRAME])
{
	size_t user = 1 + (size_t)p->address_size + f->len, at = 0;

	if (f->kind == FT12_SINGLE) {
		out[0] = SINGLE;
		return 1;
	}
	if (p->address_size > 2 || f->function > 15 || f->address >> (8 * p->address_size)) {
		errno = EINVAL;
		return -1;
	}
	if (user > FT12_MAX_USER) {
		errno = EMSGSIZE;
		return -1;
	}
	if (f->len) {
		out[at++] = START_VARIABLE;
		out[at++] = (uint8_t)user;
		out[at++] = (uint8_t)user;
		out[at++] = START_VARIABLE;
	} else {
		out[at++] = START_FIXED;
	}
	uint8_t *start = out + at;
	out[at++] = control_field(p, f);
	for (unsigned i = 0; i < p->address_size; i++)
		out[at++] = (uint8_t)(f->address >> (8 * i));
	if (f->len)
		memcpy(out + at, f->data, f->len);
	at += f->len;
	out[at] = checksum(start, user);
	out[at + 1] = END;
	return (int)at + 2;
}

/* The user part: control field, address, data. */
static enum dec
decode_user(const struct ft12_params *p, const uint8_t *user, size_t len, struct ft12_frame *f)
{
	struct cursor c = cursor_make(user, len);
	uint8_t control = cursor_u8(&c);

	*f = (struct ft12_frame){ .kind = control & BIT_PRM ? FT12_PRIMARY : FT12_SECONDARY };
	bool bit5 = control & BIT_FCB_ACD, bit4 = control & BIT_FCV_DFC;
	if (f->kind == FT12_PRIMARY)
		f->fcb = bit5, f->fcv = bit4;
	else
		f->acd = bit5, f->dfc = bit4;
	f->dir = p->direction && control & BIT_DIR;
	f->function = control & 0x0F;
	f->address = (uint16_t)cursor_le(&c, p->address_size);
	f->len = cursor_left(&c);
	f->data = cursor_bytes(&c, f->len);
	if (!cursor_ok(&c))
		return DEC_BAD;
	return defined_functions[f->kind] >> f->function & 1 ? DEC_OK : DEC_UNSUP;
}

static enum dec
decode_fixed(
    const struct ft12_params *p, const uint8_t *b, size_t len, struct ft12_frame *f, size_t *size)
{
	size_t user = 1 + (size_t)p->address_size;

	if (len < user + 3)
		return DEC_MORE;
	if (b[user + 2] != END || b[user + 1] != checksum(b + 1, user))
		return DEC_BAD;
	*size = user + 3;
	return decode_user(p, b + 1, user, f);
}

static enum dec
decode_variable(
    const struct ft12_params *p, const uint8_t *b, size_t len, struct ft12_frame *f, size_t *size)
{
	if (len > 1 && b[1] < 1 + p->address_size)
		return DEC_BAD;
	if ((len > 2 && b[1] != b[2]) || (len > 3 && b[3] != START_VARIABLE))
		return DEC_BAD;
	if (len < HEADER_VARIABLE || len < (size_t)b[1] + 6)
		return DEC_MORE;
	size_t user = b[1];
	const uint8_t *u = b + HEADER_VARIABLE;
	if (u[user + 1] != END || u[user] != checksum(u, user))
		return DEC_BAD;
	*size = user + 6;
	return decode_user(p, u, user, f);
}

enum dec
ft12_decode(
    const struct ft12_params *p, const void *bytes, size_t len, struct ft12_frame *f, size_t *size)
{
	const uint8_t *b = bytes;

	if (!len)
		return DEC_MORE;
	if (b[0] == SINGLE) {
		*f = (struct ft12_frame){ .kind = FT12_SINGLE };
		*size = 1;
		return DEC_OK;
	}
	if (b[0] == START_FIXED)
		return decode_fixed(p, b, len, f, size);
	return b[0] == START_VARIABLE ? decode_variable(p, b, len, f, size) : DEC_BAD;
}

void
ft12_rx_init(struct ft12_rx *rx, struct ft12_params params)
{
	rx->params = params;
	rx->head = rx->len = 0;
	rx->lost = false;
	rx->garbage = 0;
}

size_t
ft12_rx_put(struct ft12_rx *rx, const void *bytes, size_t n)
{
	memmove(rx->buf, rx->buf + rx->head, rx->len);
	rx->head = 0;
	if (n > sizeof(rx->buf) - rx->len)
		n = sizeof(rx->buf) - rx->len;
	memcpy(rx->buf + rx->len, bytes, n);
	rx->len += n;
	return n;
}

static void
rx_consume(struct ft12_rx *rx, size_t n)
{
	rx->head += n;
	rx->len -= n;
}

static void
rx_skip(struct ft12_rx *rx)
{
	rx_consume(rx, 1);
	rx->garbage++;
	rx->lost = true;
}

/* Whether E5 at the head is a frame: not amid garbage, nor the first byte of it. */
static bool
single_is_frame(const struct ft12_rx *rx)
{
	const uint8_t *next = rx->buf + rx->head + 1;

	if (rx->lost)
		return false;
	return rx->len == 1 || *next == START_FIXED || *next == START_VARIABLE || *next == SINGLE;
}

enum dec
ft12_rx_next(struct ft12_rx *rx, struct ft12_frame *f)
{
	while (rx->len) {
		size_t size = 0;
		enum dec dec = ft12_decode(&rx->params, rx->buf + rx->head, rx->len, f, &size);
		if (dec == DEC_MORE)
			return DEC_MORE;
		if (dec == DEC_BAD || (f->kind == FT12_SINGLE && !single_is_frame(rx))) {
			rx_skip(rx);
			continue;
		}
		rx_consume(rx, size);
		rx->lost = false;
		return dec;
	}
	return DEC_MORE;
}

void
ft12_rx_gap(struct ft12_rx *rx)
{
	if (rx->len)
		rx_skip(rx);
	else
		rx->lost = false;
}

bool
ft12_rx_partial(const struct ft12_rx *rx)
{
	return rx->len > 0;
}
