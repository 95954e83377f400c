#include "protocols/ber/oid.h"

#include <string.h>

#include "common/number.h"

enum {
	ROOTS = 40,	 /* the second arc is below it where the first is 0 or 1 */
	MAX_SEPTETS = 5, /* octets of an arc */
};

/* Appends one subidentifier. */
static bool
put_arc(struct ber_oid *oid, uint64_t v)
{
	unsigned septets = 1;

	while (septets < 10 && v >> 7 * septets)
		septets++;
	if (septets > MAX_SEPTETS || oid->len + septets > BER_OID_MAX)
		return false;
	for (unsigned i = septets; i > 0; i--)
		oid->octets[oid->len++] = (uint8_t)((v >> 7 * (i - 1) & 0x7f) | (i > 1 ? 0x80 : 0));
	return true;
}

/* The decimal number that *text starts with; *text moves behind it. */
static bool
parse_arc(const char **text, uint64_t *v)
{
	const char *p = *text;

	if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
		return false;
	for (*v = 0; *p >= '0' && *p <= '9'; p++)
		if ((*v = *v * 10 + (uint64_t)(*p - '0')) > UINT32_MAX)
			return false;
	*text = p;
	return true;
}

bool
ber_oid_parse(struct ber_oid *oid, const char *text)
{
	uint64_t first, v;

	oid->len = 0;
	if (!parse_arc(&text, &first) || first > 2 || *text++ != '.')
		return false;
	if (!parse_arc(&text, &v) || (first < 2 && v >= ROOTS) || !put_arc(oid, first * ROOTS + v))
		return false;
	for (unsigned arcs = 2; *text; arcs++)
		if (arcs == BER_OID_MAX_ARCS || *text++ != '.' || !parse_arc(&text, &v) ||
		    !put_arc(oid, v))
			return false;
	return true;
}

/* The subidentifier at *at, which moves behind it. False where it is cut short, longer than it has
 * to be, or does not fit. */
static bool
read_arc(const uint8_t *data, size_t len, size_t *at, uint64_t *v)
{
	size_t start = *at;

	if (start < len && data[start] == 0x80)
		return false;
	for (*v = 0; *at < len && *at - start < MAX_SEPTETS;) {
		*v = *v << 7 | (data[*at] & 0x7f);
		if (!(data[(*at)++] & 0x80))
			return *v <= UINT32_MAX + (start == 0 ? UINT64_C(2) * ROOTS : 0);
	}
	return false;
}

bool
ber_oid_read(struct ber_oid *oid, const uint8_t *data, size_t len)
{
	unsigned arcs = 1;
	uint64_t v;

	oid->len = 0;
	if (len == 0 || len > BER_OID_MAX)
		return false;
	for (size_t at = 0; at < len; arcs++)
		if (arcs == BER_OID_MAX_ARCS || !read_arc(data, len, &at, &v))
			return false;
	memcpy(oid->octets, data, len);
	oid->len = (uint16_t)len;
	return true;
}

char *
ber_oid_text(const struct ber_oid *oid, char *text)
{
	char *p = text;
	uint64_t v;

	for (size_t at = 0; at < oid->len;) {
		bool root = at == 0;
		if (!read_arc(oid->octets, oid->len, &at, &v))
			break;
		if (root) {
			uint64_t first = v < 2 * ROOTS ? v / ROOTS : 2;
			p = number_put_uint(p, first);
			v -= first * ROOTS;
		}
		*p++ = '.';
		p = number_put_uint(p, v);
	}
	*p = '\0';
	return text;
}

bool
ber_oid_equal(const struct ber_oid *a, const struct ber_oid *b)
{
	return a->len == b->len && memcmp(a->octets, b->octets, a->len) == 0;
}

bool
ber_oid_starts_with(const struct ber_oid *oid, const struct ber_oid *start)
{
	return oid->len >= start->len && memcmp(oid->octets, start->octets, start->len) == 0;
}
