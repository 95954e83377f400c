/* One message: walked to its leaves and written again, which must be readable and then stay as it
 * is. */
#include "protocols/ber/ber.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A constructed element is entered, as far as the depth allows; anything else is copied. */
static bool
copy(struct ber_reader *r, struct ber_writer *w)
{
	struct ber_element e;
	uint32_t tag;

	while (ber_ok(r) && (ber_more(r) || r->depth)) {
		if (!ber_more(r)) {
			ber_leave(r);
			ber_end(w);
		} else if (ber_peek(r, &tag) && tag & BER_CONSTRUCTED && r->depth < BER_MAX_DEPTH) {
			ber_begin(w, tag);
			ber_enter(r, tag);
		} else if (ber_next(r, &e))
			ber_put_bytes(w, e.tag, e.data, e.len);
	}
	return ber_ok(r);
}

/* Every kind of value that the leaf could be. */
static void
read_value(const struct ber_element *e)
{
	char text[BER_OID_TEXT];
	struct ber_oid oid, again;
	const uint8_t *p;
	uint64_t u;
	int64_t v;
	size_t bits;

	ber_element_int(e, &v);
	for (size_t octets = 1; octets <= 8; octets++)
		ber_element_uint(e, octets, &u);
	if (ber_element_bits(e, &p, &bits) && bits > e->len * 8)
		__builtin_trap();
	if (ber_oid_read(&oid, e->data, e->len) &&
	    (!ber_oid_parse(&again, ber_oid_text(&oid, text)) || !ber_oid_equal(&oid, &again)))
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t first[1 << 16], second[1 << 16];
	struct ber_reader r;
	struct ber_writer w;
	struct ber_element e;

	ber_reader_init(&r, data, size, BER_MAX_DEPTH);
	while (ber_more(&r) && ber_next(&r, &e))
		read_value(&e);
	ber_reader_init(&r, data, size, BER_MAX_DEPTH);
	ber_writer_init(&w, first, sizeof(first));
	if (!copy(&r, &w) || w.failed)
		return 0;
	size_t len = ber_writer_done(&w);
	ber_reader_init(&r, first, len, BER_MAX_DEPTH);
	ber_writer_init(&w, second, sizeof(second));
	if (!copy(&r, &w) || ber_writer_done(&w) != len || memcmp(first, second, len) != 0)
		__builtin_trap();
	return 0;
}
