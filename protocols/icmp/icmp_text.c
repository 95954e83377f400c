#include "protocols/icmp/icmp_text.h"

/* RFC 792; RFC 4443. */
static const struct {
	enum icmp_family family;
	uint8_t type;
	bool echo;
	const char *name;
} types[] = {
	{ .family = ICMP_V4, .type = 8, .echo = true, .name = "echo request" },
	{ .family = ICMP_V4, .type = 0, .echo = true, .name = "echo reply" },
	{ .family = ICMP_V4, .type = 3, .echo = false, .name = "destination unreachable" },
	{ .family = ICMP_V4, .type = 11, .echo = false, .name = "time exceeded" },
	{ .family = ICMP_V6, .type = 128, .echo = true, .name = "echo request" },
	{ .family = ICMP_V6, .type = 129, .echo = true, .name = "echo reply" },
	{ .family = ICMP_V6, .type = 1, .echo = false, .name = "destination unreachable" },
	{ .family = ICMP_V6, .type = 2, .echo = false, .name = "packet too big" },
	{ .family = ICMP_V6, .type = 3, .echo = false, .name = "time exceeded" },
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
