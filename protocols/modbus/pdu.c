#include "protocols/modbus/pdu.h"

enum {
	EXCEPTION_BIT = 0x80,
	COIL_ON = 0xff00,
};

enum layout {
	LAYOUT_NONE,
	LAYOUT_QUANTITY, /* address, quantity */
	LAYOUT_VALUE,	 /* address, value */
	LAYOUT_WRITE,	 /* address, quantity, byte count u8, data */
	LAYOUT_MASK,	 /* address, and mask, or mask */
	LAYOUT_ADDRESS,	 /* address */
	LAYOUT_BYTES,	 /* byte count u8, data */
	LAYOUT_FIFO,	 /* byte count u16, count u16, data */
};

struct function {
	enum layout layout[2]; /* by enum modbus_direction */
	bool bits;	       /* data are bits, not registers */
	uint16_t max;	       /* of quantity */
};

static const struct function functions[] = {
	[MODBUS_READ_COILS] = { .layout = { [MODBUS_REQUEST] = LAYOUT_QUANTITY,
				    [MODBUS_RESPONSE] = LAYOUT_BYTES },
	    .bits = true,
	    .max = MODBUS_MAX_READ_BITS },
	[MODBUS_READ_DISCRETE_INPUTS] = { .layout = { [MODBUS_REQUEST] = LAYOUT_QUANTITY,
					      [MODBUS_RESPONSE] = LAYOUT_BYTES },
	    .bits = true,
	    .max = MODBUS_MAX_READ_BITS },
	[MODBUS_READ_HOLDING_REGISTERS] = { .layout = { [MODBUS_REQUEST] = LAYOUT_QUANTITY,
						[MODBUS_RESPONSE] = LAYOUT_BYTES },
	    .max = MODBUS_MAX_READ_REGS },
	[MODBUS_READ_INPUT_REGISTERS] = { .layout = { [MODBUS_REQUEST] = LAYOUT_QUANTITY,
					      [MODBUS_RESPONSE] = LAYOUT_BYTES },
	    .max = MODBUS_MAX_READ_REGS },
	[MODBUS_WRITE_SINGLE_COIL] = { .layout = { [MODBUS_REQUEST] = LAYOUT_VALUE,
					   [MODBUS_RESPONSE] = LAYOUT_VALUE },
	    .bits = true,
	    .max = 1 },
	[MODBUS_WRITE_SINGLE_REGISTER] = { .layout = { [MODBUS_REQUEST] = LAYOUT_VALUE,
					       [MODBUS_RESPONSE] = LAYOUT_VALUE },
	    .max = 1 },
	[MODBUS_WRITE_MULTIPLE_COILS] = { .layout = { [MODBUS_REQUEST] = LAYOUT_WRITE,
					      [MODBUS_RESPONSE] = LAYOUT_QUANTITY },
	    .bits = true,
	    .max = MODBUS_MAX_WRITE_BITS },
	[MODBUS_WRITE_MULTIPLE_REGISTERS] = { .layout = { [MODBUS_REQUEST] = LAYOUT_WRITE,
						  [MODBUS_RESPONSE] = LAYOUT_QUANTITY },
	    .max = MODBUS_MAX_WRITE_REGS },
	[MODBUS_MASK_WRITE_REGISTER] = { .layout = { [MODBUS_REQUEST] = LAYOUT_MASK,
					     [MODBUS_RESPONSE] = LAYOUT_MASK },
	    .max = 1 },
	[MODBUS_READ_FIFO_QUEUE] = { .layout = { [MODBUS_REQUEST] = LAYOUT_ADDRESS,
					 [MODBUS_RESPONSE] = LAYOUT_FIFO },
	    .max = MODBUS_MAX_FIFO_REGS },
};

static const struct function *
function_of(uint8_t fc)
{
	if (fc >= sizeof(functions) / sizeof(functions[0]))
		return NULL;
	return functions[fc].layout[0] == LAYOUT_NONE ? NULL : &functions[fc];
}

static size_t
bytes_of(const struct function *f, size_t quantity)
{
	return f->bits ? (quantity + 7) / 8 : quantity * 2;
}

enum dec
modbus_pdu_size(enum modbus_direction dir, const uint8_t *p, size_t len, size_t *size)
{
	if (len == 0)
		return DEC_MORE;
	if (dir == MODBUS_RESPONSE && p[0] & EXCEPTION_BIT) {
		*size = 2;
		return function_of(p[0] & ~EXCEPTION_BIT) ? DEC_OK : DEC_UNSUP;
	}
	const struct function *f = function_of(p[0]);
	if (!f)
		return DEC_UNSUP;
	static const struct {
		uint8_t fixed, count_at, count_len;
	} sizes[] = {
		[LAYOUT_QUANTITY] = { .fixed = 5 },
		[LAYOUT_VALUE] = { .fixed = 5 },
		[LAYOUT_WRITE] = { .fixed = 6, .count_at = 5, .count_len = 1 },
		[LAYOUT_MASK] = { .fixed = 7 },
		[LAYOUT_ADDRESS] = { .fixed = 3 },
		[LAYOUT_BYTES] = { .fixed = 2, .count_at = 1, .count_len = 1 },
		[LAYOUT_FIFO] = { .fixed = 3, .count_at = 1, .count_len = 2 },
	};
	enum layout l = f->layout[dir];
	size_t n = 0;
	if (sizes[l].count_len) {
		if (len < (size_t)sizes[l].count_at + sizes[l].count_len)
			return DEC_MORE;
		for (size_t i = 0; i < sizes[l].count_len; i++)
			n = n << 8 | p[sizes[l].count_at + i];
	}
	*size = sizes[l].fixed + n;
	return *size <= MODBUS_MAX_PDU ? DEC_OK : DEC_BAD;
}

static void
take_data(struct cursor *c, struct modbus_pdu *pdu, size_t n)
{
	pdu->data = cursor_bytes(c, n);
	pdu->len = pdu->data ? n : 0;
}

static void
decode_fifo(struct cursor *c, struct modbus_pdu *pdu)
{
	size_t bytes = cursor_u16be(c);

	pdu->quantity = cursor_u16be(c);
	if (bytes != 2 + 2 * (size_t)pdu->quantity || pdu->quantity > MODBUS_MAX_FIFO_REGS)
		cursor_fail(c);
	else
		take_data(c, pdu, bytes - 2);
}

static void
decode_body(struct cursor *c, const struct function *f, enum layout layout, struct modbus_pdu *pdu)
{
	if (layout != LAYOUT_BYTES && layout != LAYOUT_FIFO)
		pdu->address = cursor_u16be(c);
	switch (layout) {
	case LAYOUT_QUANTITY:
		pdu->quantity = cursor_u16be(c);
		break;
	case LAYOUT_VALUE:
		pdu->value = cursor_u16be(c);
		pdu->quantity = 1;
		break;
	case LAYOUT_WRITE:
		pdu->quantity = cursor_u16be(c);
		take_data(c, pdu, cursor_u8(c));
		break;
	case LAYOUT_MASK:
		pdu->and_mask = cursor_u16be(c);
		pdu->or_mask = cursor_u16be(c);
		pdu->quantity = 1;
		break;
	case LAYOUT_BYTES:
		take_data(c, pdu, cursor_u8(c));
		if (!f->bits && pdu->len % 2)
			cursor_fail(c);
		break;
	case LAYOUT_FIFO:
		decode_fifo(c, pdu);
		break;
	case LAYOUT_ADDRESS:
	case LAYOUT_NONE:
		break;
	}
}

enum dec
modbus_pdu_decode(enum modbus_direction dir, const uint8_t *p, size_t len, struct modbus_pdu *pdu)
{
	struct cursor c = cursor_make(p, len);

	*pdu = (struct modbus_pdu){ .fc = cursor_u8(&c) };
	if (!cursor_ok(&c) || len > MODBUS_MAX_PDU)
		return DEC_BAD;
	bool exception = dir == MODBUS_RESPONSE && pdu->fc & EXCEPTION_BIT;
	if (exception)
		pdu->fc &= (uint8_t)~EXCEPTION_BIT;
	const struct function *f = function_of(pdu->fc);
	if (!f)
		return DEC_UNSUP;
	if (exception) {
		pdu->exception = cursor_u8(&c);
		return cursor_done(&c) && pdu->exception ? DEC_OK : DEC_BAD;
	}
	decode_body(&c, f, f->layout[dir], pdu);
	return cursor_done(&c) ? DEC_OK : DEC_BAD;
}

enum dec
modbus_pdu_decode_padded(
    enum modbus_direction dir, const uint8_t *p, size_t len, struct modbus_pdu *pdu)
{
	enum dec d = modbus_pdu_decode(dir, p, len, pdu);
	size_t size;

	/* One without anything behind it is the usual case. */
	if (d == DEC_OK || modbus_pdu_size(dir, p, len, &size) != DEC_OK || size >= len)
		return d;
	return modbus_pdu_decode(dir, p, size, pdu);
}

static uint8_t *
put_u16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *
encode_body(uint8_t *p, enum layout layout, const struct modbus_pdu *pdu)
{
	if (layout != LAYOUT_BYTES && layout != LAYOUT_FIFO)
		p = put_u16(p, pdu->address);
	if (layout == LAYOUT_QUANTITY || layout == LAYOUT_WRITE)
		p = put_u16(p, pdu->quantity);
	if (layout == LAYOUT_VALUE)
		p = put_u16(p, pdu->value);
	if (layout == LAYOUT_MASK)
		p = put_u16(put_u16(p, pdu->and_mask), pdu->or_mask);
	if (layout == LAYOUT_FIFO)
		p = put_u16(put_u16(p, pdu->len + 2), pdu->len / 2);
	if (layout == LAYOUT_WRITE || layout == LAYOUT_BYTES)
		*p++ = (uint8_t)pdu->len;
	if (layout == LAYOUT_WRITE || layout == LAYOUT_BYTES || layout == LAYOUT_FIFO) {
		if (pdu->len)
			memcpy(p, pdu->data, pdu->len);
		p += pdu->len;
	}
	return p;
}

size_t
modbus_pdu_encode(
    enum modbus_direction dir, const struct modbus_pdu *pdu, uint8_t out[MODBUS_MAX_PDU])
{
	const struct function *f = function_of(pdu->fc);

	if (dir == MODBUS_RESPONSE && pdu->exception) {
		out[0] = pdu->fc | EXCEPTION_BIT;
		out[1] = pdu->exception;
		return 2;
	}
	if (!f || pdu->len > bytes_of(f, f->max))
		return 0;
	out[0] = pdu->fc;
	return (size_t)(encode_body(out + 1, f->layout[dir], pdu) - out);
}

uint8_t
modbus_request_check(const struct modbus_pdu *req)
{
	const struct function *f = function_of(req->fc);

	if (!f)
		return MODBUS_ILLEGAL_FUNCTION;
	if (req->fc == MODBUS_WRITE_SINGLE_COIL && req->value != 0 && req->value != COIL_ON)
		return MODBUS_ILLEGAL_DATA_VALUE;
	if (f->layout[MODBUS_REQUEST] == LAYOUT_ADDRESS)
		return 0;
	if (req->quantity == 0 || req->quantity > f->max)
		return MODBUS_ILLEGAL_DATA_VALUE;
	if (f->layout[MODBUS_REQUEST] == LAYOUT_WRITE && req->len != bytes_of(f, req->quantity))
		return MODBUS_ILLEGAL_DATA_VALUE;
	if ((uint32_t)req->address + req->quantity > MODBUS_ADDRESSES)
		return MODBUS_ILLEGAL_DATA_ADDRESS;
	return 0;
}

bool
modbus_response_fits(const struct modbus_pdu *req, const struct modbus_pdu *res)
{
	const struct function *f = function_of(req->fc);

	if (!f || res->fc != req->fc)
		return false;
	if (res->exception)
		return true;
	switch (f->layout[MODBUS_RESPONSE]) {
	case LAYOUT_BYTES:
		return res->len == bytes_of(f, req->quantity);
	case LAYOUT_QUANTITY:
		return res->address == req->address && res->quantity == req->quantity;
	case LAYOUT_VALUE:
		return res->address == req->address && res->value == req->value;
	case LAYOUT_MASK:
		return res->address == req->address && res->and_mask == req->and_mask &&
		       res->or_mask == req->or_mask;
	default:
		return true;
	}
}

bool
modbus_response_serves(const struct modbus_pdu *req, const struct modbus_pdu *res)
{
	const struct function *f = function_of(req->fc);

	if (!f || res->fc != req->fc)
		return false;
	if (res->exception)
		return true;
	switch (f->layout[MODBUS_RESPONSE]) {
	case LAYOUT_BYTES:
		return res->len >= bytes_of(f, req->quantity);
	case LAYOUT_VALUE:
	case LAYOUT_MASK:
		return res->address == req->address;
	default:
		return modbus_response_fits(req, res);
	}
}
