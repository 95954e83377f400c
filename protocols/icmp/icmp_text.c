#include "protocols/icmp/icmp_text.h"

/* RFC 792; RFC 4443. */
static const struct {
	enum icmp_family family;
	uint8_t type;
	bool echo;
	const char *name;
} types[] = {
	{ ICMP_V4, 8, true, "echo request" },
	{ ICMP_V4, 0, true, "echo reply" },
	{ ICMP_V4, 3, false, "destination unreachable" },
	{ ICMP_V4, 11, false, "time exceeded" },
	{ ICMP_V6, 128, true, "echo request" },
	{ ICMP_V6, 129, true, "echo reply" },
	{ ICMP_V6, 1, false, "destination unreachable" },
	{ ICMP_V6, 2, false, "packet too big" },
	{ ICMP_V6, 3, false, "time exceeded" },
};

void
icmp_text(struct textbuf *t, enum icmp_family family, const uint8_t *p, size_t len)
{
	struct cursor c = cursor_make(p, len);
	uint8_t type = cursor_u8(&c), code = cursor_u8(&c);
	const char *name = NULL;
	bool echo = false;

	cursor_u16be(&c); /* checksum */
	uint16_t id = cursor_u16be(&c), sequence = cursor_u16be(&c);
	if (!cursor_ok(&c)) {
		textbuf_add(t, "%zu bytes that are no message", len);
		return;
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].family == family && types[i].type == type) {
			name = types[i].name;
			echo = types[i].echo;
		}
	if (echo)
		textbuf_add(t, "%s, identifier %u, sequence %u, %zu bytes", name, id, sequence,
		    cursor_left(&c));
	else if (name)
		textbuf_add(t, "%s, code %u", name, code);
	else
		textbuf_add(t, "type %u, code %u", type, code);
}
