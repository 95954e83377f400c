#include "protocols/modbus/text.h"

enum { EXCEPTION_BIT = 0x80, COIL_ON = 0xff00 };

static const char *const functions[] = {
	[MODBUS_READ_COILS] = "read coils",
	[MODBUS_READ_DISCRETE_INPUTS] = "read discrete inputs",
	[MODBUS_READ_HOLDING_REGISTERS] = "read holding registers",
	[MODBUS_READ_INPUT_REGISTERS] = "read input registers",
	[MODBUS_WRITE_SINGLE_COIL] = "write coil",
	[MODBUS_WRITE_SINGLE_REGISTER] = "write register",
	[MODBUS_WRITE_MULTIPLE_COILS] = "write coils",
	[MODBUS_WRITE_MULTIPLE_REGISTERS] = "write registers",
	[MODBUS_MASK_WRITE_REGISTER] = "mask write register",
	[MODBUS_READ_FIFO_QUEUE] = "read FIFO queue",
};

static const char *const exceptions[] = {
	[MODBUS_ILLEGAL_FUNCTION] = "illegal function",
	[MODBUS_ILLEGAL_DATA_ADDRESS] = "illegal data address",
	[MODBUS_ILLEGAL_DATA_VALUE] = "illegal data value",
	[MODBUS_DEVICE_FAILURE] = "server device failure",
	[MODBUS_ACKNOWLEDGE] = "acknowledge",
	[MODBUS_DEVICE_BUSY] = "server device busy",
	[MODBUS_GATEWAY_PATH_UNAVAILABLE] = "gateway path unavailable",
	[MODBUS_GATEWAY_TARGET_FAILED] = "gateway target device failed to respond",
};

const char *
modbus_function_name(uint8_t fc)
{
	return fc < sizeof(functions) / sizeof(functions[0]) ? functions[fc] : NULL;
}

const char *
modbus_exception_name(uint8_t exception)
{
	return exception < sizeof(exceptions) / sizeof(exceptions[0]) ? exceptions[exception]
								      : NULL;
}

static void
put_function(struct textbuf *t, uint8_t fc)
{
	const char *name = modbus_function_name(fc);

	if (name)
		textbuf_add(t, "%s", name);
	else
		textbuf_add(t, "function %u", fc);
}

static void
put_exception(struct textbuf *t, uint8_t fc, uint8_t exception)
{
	const char *name = modbus_exception_name(exception);

	put_function(t, fc);
	textbuf_add(t, ": exception %u%s%s", exception, name ? ", " : "", name ? name : "");
}

static void
put_range(struct textbuf *t, const struct modbus_pdu *pdu)
{
	uint32_t last = (uint32_t)pdu->address + pdu->quantity - 1;

	if (pdu->quantity == 0)
		textbuf_add(t, " %u, none of them", pdu->address);
	else if (pdu->quantity == 1)
		textbuf_add(t, " %u", pdu->address);
	else
		textbuf_add(t, " %u to %u", pdu->address, last);
}

static bool
has_bits(uint8_t fc)
{
	return fc == MODBUS_READ_COILS || fc == MODBUS_READ_DISCRETE_INPUTS ||
	       fc == MODBUS_WRITE_MULTIPLE_COILS;
}

/* An answer does not say how many bits were asked for: all that came are shown. */
static void
put_values(struct textbuf *t, const struct modbus_pdu *pdu)
{
	bool bits = has_bits(pdu->fc);
	size_t count = bits ? pdu->len * 8 : pdu->len / 2;

	if (bits && pdu->quantity && pdu->quantity < count)
		count = pdu->quantity;
	textbuf_add(t, ":%s", count ? "" : " none");
	for (size_t i = 0; i < count && !textbuf_is_full(t); i++) {
		const uint8_t *reg = pdu->data + 2 * i;
		textbuf_add(
		    t, " %u", bits ? modbus_bit(pdu->data, i) : (unsigned)(reg[0] << 8 | reg[1]));
	}
}

static void
put_fields(struct textbuf *t, enum modbus_direction dir, const struct modbus_pdu *pdu)
{
	bool request = dir == MODBUS_REQUEST;

	switch (pdu->fc) {
	case MODBUS_WRITE_SINGLE_COIL:
		textbuf_add(t, " %u: ", pdu->address);
		textbuf_add(t,
		    pdu->value == COIL_ON ? "on"
		    : pdu->value == 0	  ? "off"
					  : "%#x",
		    pdu->value);
		break;
	case MODBUS_WRITE_SINGLE_REGISTER:
		textbuf_add(t, " %u: %u", pdu->address, pdu->value);
		break;
	case MODBUS_MASK_WRITE_REGISTER:
		textbuf_add(
		    t, " %u: and %#06x, or %#06x", pdu->address, pdu->and_mask, pdu->or_mask);
		break;
	case MODBUS_READ_FIFO_QUEUE:
		if (request)
			textbuf_add(t, " %u", pdu->address);
		else
			put_values(t, pdu);
		break;
	case MODBUS_WRITE_MULTIPLE_COILS:
	case MODBUS_WRITE_MULTIPLE_REGISTERS:
		put_range(t, pdu);
		if (request)
			put_values(t, pdu);
		break;
	default:
		if (request)
			put_range(t, pdu);
		else
			put_values(t, pdu);
	}
}

void
modbus_pdu_text(struct textbuf *t, enum modbus_direction dir, const uint8_t *pdu, size_t len)
{
	struct modbus_pdu d = { 0 };
	enum dec dec = modbus_pdu_decode_padded(dir, pdu, len, &d);
	bool exception = dir == MODBUS_RESPONSE && len >= 2 && pdu[0] & EXCEPTION_BIT;

	if (len == 0) {
		textbuf_add(t, "no function");
	} else if (exception) {
		put_exception(t, pdu[0] & ~EXCEPTION_BIT, pdu[1]);
	} else if (dec == DEC_OK) {
		put_function(t, d.fc);
		put_fields(t, dir, &d);
	} else {
		put_function(t, pdu[0]);
		textbuf_add(t, dec == DEC_UNSUP ? ", %zu bytes" : ", damaged, %zu bytes", len - 1);
	}
}

void
modbus_frame_text(struct textbuf *t, enum modbus_framing framing, enum modbus_direction dir,
    const uint8_t *p, size_t len)
{
	struct modbus_stream s;
	struct modbus_frame f;
	size_t room;

	modbus_stream_init(&s, framing, dir);
	uint8_t *to = modbus_stream_room(&s, &room);
	bool whole = len <= room;
	if (whole) {
		memcpy(to, p, len);
		modbus_stream_commit(&s, len);
		/* The length of a function that is not ours is known by what follows: nothing. */
		whole = modbus_stream_next(&s, NULL, &f) == DEC_OK ||
			modbus_stream_silence(&s, &f) == DEC_OK;
	}
	if (!whole || s.skipped || modbus_stream_pending(&s)) {
		textbuf_add(t, "%zu bytes that are no frame", len);
		return;
	}
	if (framing == MODBUS_TCP)
		textbuf_add(t, "transaction %u, ", f.transaction);
	textbuf_add(t, "unit %u, ", f.unit);
	modbus_pdu_text(t, dir, f.pdu, f.len);
}
