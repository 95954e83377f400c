#include "device-runners/snmp/value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "common/hex.h"
#include "common/number.h"
#include "common/utf8.h"

enum { IP_OCTETS = 4 };

#define HEX_SPACE " \t\n\v\f\r"

/* How a type's content is written and read. */
enum form { FORM_SIGNED, FORM_UNSIGNED, FORM_TEXT, FORM_HEX, FORM_OID, FORM_ADDRESS };

struct kind {
	uint32_t tag;
	const char *name;
	enum form form;
	uint8_t octets; /* of an unsigned one */
};

/* The first of a tag is what comes from the wire, the first of a name what goes to it. */
static const struct kind kinds[] = {
	{ .tag = BER_INTEGER, .name = "INTEGER", .form = FORM_SIGNED, .octets = 0 },
	{ .tag = SNMP_GAUGE32, .name = "UNSIGNED", .form = FORM_UNSIGNED, .octets = 4 },
	{ .tag = SNMP_UINTEGER32, .name = "UNSIGNED", .form = FORM_UNSIGNED, .octets = 4 },
	{ .tag = SNMP_COUNTER32, .name = "COUNTER", .form = FORM_UNSIGNED, .octets = 4 },
	{ .tag = SNMP_COUNTER64, .name = "BIG_COUNTER", .form = FORM_UNSIGNED, .octets = 8 },
	{ .tag = SNMP_TIME_TICKS, .name = "TIME_TICKS", .form = FORM_UNSIGNED, .octets = 4 },
	{ .tag = BER_OCTET_STRING, .name = "STRING", .form = FORM_TEXT, .octets = 0 },
	{ .tag = BER_OCTET_STRING, .name = "STRING_HEX", .form = FORM_HEX, .octets = 0 },
	{ .tag = BER_OBJECT_ID, .name = "OBJECT_ID", .form = FORM_OID, .octets = 0 },
	{ .tag = SNMP_IP_ADDRESS, .name = "IP_ADDRESS", .form = FORM_ADDRESS, .octets = 0 },
	{ .tag = SNMP_OPAQUE, .name = "ARBITRARY", .form = FORM_HEX, .octets = 0 },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const struct kind *
kind_of_tag(uint32_t tag, bool hex)
{
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].tag == tag &&
		    (tag != BER_OCTET_STRING || hex == (kinds[i].form == FORM_HEX)))
			return &kinds[i];
	return NULL;
}

static const struct kind *
kind_of_name(const char *name)
{
	for (size_t i = 0; name && i < KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

const char *
value_error(const struct ber_element *v, enum snmp_version version)
{
	switch (v->tag) {
	case BER_NULL:
		return version == SNMP_V1 ? "EMPTY" : "UNSPECIFIED";
	case SNMP_NO_SUCH_OBJECT:
		return "NO_SUCH_OBJECT";
	case SNMP_NO_SUCH_INSTANCE:
		return "NO_SUCH_INSTANCE";
	case SNMP_END_OF_MIB_VIEW:
		return "END_OF_MIB_VIEW";
	default:
		return NULL;
	}
}

const char *
value_report(enum usm_report report)
{
	static const char *const names[] = {
		[USM_REPORT_TIME_WINDOW] = "NOT_IN_TIME_WINDOWS",
		[USM_REPORT_USER] = "UNKNOWN_USER_NAMES",
		[USM_REPORT_ENGINE] = "UNKNOWN_ENGINE_IDS",
		[USM_REPORT_DIGEST] = "WRONG_DIGESTS",
		[USM_REPORT_DECRYPTION] = "DECRYPTION_ERRORS",
	};

	return names[report];
}

void
value_put_error(struct json_writer *w, const char *key, const char *error)
{
	json_begin_object(w, key);
	json_put_str(w, "type", "ERROR");
	json_put_str(w, "value", error);
	json_end_object(w);
}

/* --- To JSON --- */

/* How many bytes one U+FFFD stands for: the beginning of a sequence that is not one (Unicode,
 * 3.9, best practice for U+FFFD). */
static size_t
bad_sequence(const uint8_t *p, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n = 1, follow = p[0] < 0xc2 || p[0] > 0xf4 ? 0
			       : p[0] < 0xe0		  ? 1
			       : p[0] < 0xf0		  ? 2
							  : 3;

	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	for (; n <= follow && n < left && p[n] >= low && p[n] <= high; n++)
		low = 0x80, high = 0xbf;
	return n;
}

static void
put_text(struct json_writer *w, const struct ber_element *v)
{
	const uint8_t *p = v->data;
	size_t left = v->len;
	struct buffer clean;

	if (utf8_valid(p, left)) {
		json_put_strn(w, "value", (const char *)p, left);
		return;
	}
	buffer_init(&clean, 3 * left);
	while (left) {
		size_t good = utf8_valid_until(p, left);
		buffer_append(&clean, p, good);
		p += good;
		left -= good;
		if (left == 0)
			break;
		size_t bad = bad_sequence(p, left);
		buffer_append(&clean, "\xef\xbf\xbd", 3);
		p += bad;
		left -= bad;
	}
	json_put_strn(w, "value", (const char *)buffer_data(&clean), clean.len);
	buffer_clear(&clean);
}

static void
put_hex(struct json_writer *w, const struct ber_element *v)
{
	static const char digits[] = "0123456789abcdef";
	struct buffer text;

	buffer_init(&text, 2 * v->len);
	for (size_t i = 0; i < v->len; i++) {
		buffer_u8(&text, (uint8_t)digits[v->data[i] >> 4]);
		buffer_u8(&text, (uint8_t)digits[v->data[i] & 15]);
	}
	json_put_strn(w, "value", (const char *)buffer_data(&text), text.len);
	buffer_clear(&text);
}

/* Reads a value as a number or as a short text; false where its content is not of its type. */
static bool
read_short(const struct kind *k, const struct ber_element *v, char *text, size_t *len)
{
	struct ber_oid oid;
	int64_t i;
	uint64_t u;

	switch (k->form) {
	case FORM_SIGNED:
		if (!ber_element_int(v, &i))
			return false;
		*len = (size_t)(number_put_int(text, i) - text);
		return true;
	case FORM_UNSIGNED:
		if (!ber_element_uint(v, k->octets, &u))
			return false;
		*len = (size_t)(number_put_uint(text, u) - text);
		return true;
	case FORM_OID:
		if (!ber_oid_read(&oid, v->data, v->len))
			return false;
		*len = strlen(ber_oid_text(&oid, text));
		return true;
	case FORM_ADDRESS:
		if (v->len != IP_OCTETS || !inet_ntop(AF_INET, v->data, text, BER_OID_TEXT))
			return false;
		*len = strlen(text);
		return true;
	default:
		return true;
	}
}

bool
value_put(struct json_writer *w, const char *key, const struct ber_element *v, bool hex,
    enum snmp_version version)
{
	const char *error = value_error(v, version);
	char text[BER_OID_TEXT];
	size_t len = 0;

	if (error) {
		value_put_error(w, key, error);
		return true;
	}
	const struct kind *k = kind_of_tag(v->tag, hex);
	if (!k || !read_short(k, v, text, &len))
		return false;
	json_begin_object(w, key);
	json_put_str(w, "type", k->name);
	if (k->form == FORM_TEXT)
		put_text(w, v);
	else if (k->form == FORM_HEX)
		put_hex(w, v);
	else if (k->form == FORM_SIGNED || k->form == FORM_UNSIGNED)
		json_put_raw(w, "value", text, len);
	else
		json_put_strn(w, "value", text, len);
	json_end_object(w);
	return true;
}

/* --- From JSON --- */

int
value_hex(const char *text, uint8_t *out, size_t max)
{
	size_t n = 0;

	for (text += strspn(text, HEX_SPACE); *text; text += strspn(text, HEX_SPACE), n++) {
		int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0 || n == max)
			return -1;
		out[n] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	return (int)n;
}

static bool
put_counter64(struct ber_writer *w, const struct kind *k, const struct json *value)
{
	int64_t v;
	char *end;

	if (json_int(value, 0, INT64_MAX, &v)) {
		ber_put_int(w, k->tag, v);
		return true;
	}
	/* From 2^63 on, which json_int() does not reach. */
	if (!value || value->type != JSON_NUMBER || value->text[0] == '-')
		return false;
	errno = 0;
	uint64_t u = strtoull(value->text, &end, 10);
	if (errno || *end)
		return false;
	ber_put_uint(w, k->tag, u);
	return true;
}

static bool
put_number(struct ber_writer *w, const struct kind *k, const struct json *value)
{
	int64_t min = k->form == FORM_SIGNED ? INT32_MIN : 0, v;
	int64_t max = k->form == FORM_SIGNED ? INT32_MAX : UINT32_MAX;

	if (k->octets == sizeof(uint64_t))
		return put_counter64(w, k, value);
	if (!json_int(value, min, max, &v))
		return false;
	ber_put_int(w, k->tag, v);
	return true;
}

static bool
put_string(struct ber_writer *w, const struct kind *k, const struct json *value)
{
	static uint8_t octets[SNMP_MAX_DATAGRAM];
	struct ber_oid oid;
	struct in_addr address;
	int n;

	if (!value || value->type != JSON_STRING)
		return false;
	switch (k->form) {
	case FORM_TEXT:
		ber_put_bytes(w, k->tag, value->text, value->len);
		return true;
	case FORM_HEX:
		n = json_str(value) ? value_hex(value->text, octets, sizeof(octets)) : -1;
		if (n >= 0)
			ber_put_bytes(w, k->tag, octets, (size_t)n);
		return n >= 0;
	case FORM_OID:
		if (!json_str(value) || !ber_oid_parse(&oid, value->text))
			return false;
		ber_put_oid(w, k->tag, &oid);
		return true;
	default:
		if (!json_str(value) || inet_pton(AF_INET, value->text, &address) != 1)
			return false;
		ber_put_bytes(w, k->tag, &address, IP_OCTETS);
		return true;
	}
}

size_t
value_encode(
    uint8_t *out, size_t size, const struct json *data, enum snmp_version version, const char **why)
{
	const struct json *value = json_get(data, "value");
	const struct kind *k = kind_of_name(json_str(json_get(data, "type")));
	struct ber_writer w;

	*why = "data has no type that can be written";
	if (!k)
		return 0;
	*why = "version 1 has no BIG_COUNTER";
	if (k->tag == SNMP_COUNTER64 && version == SNMP_V1)
		return 0;
	*why = "the value is none of its type";
	ber_writer_init(&w, out, size);
	bool number = k->form == FORM_SIGNED || k->form == FORM_UNSIGNED;
	if (!(number ? put_number(&w, k, value) : put_string(&w, k, value)))
		return 0;
	*why = "the value is too long";
	return ber_writer_done(&w);
}
