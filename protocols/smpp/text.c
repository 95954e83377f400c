#include "protocols/smpp/text.h"

#include <stdio.h>
#include <string.h>

#include "common/utf8.h"

enum { GSM_ESCAPE = 0x1b, MAX_NAME = 32, MAX_CHARACTER = 16 };

/* Python's names and their aliases, letters lower and '_' for '-' and ' ', and what iconv calls
 * them. */
static const struct {
	const char *names[6];
	const char *iconv;
} codecs[] = {
	{ .names = { "gsm", "gsm0338", "gsm_03_38" } },
	{ .names = { "ascii", "us_ascii", "646" }, .iconv = "ASCII" },
	{ .names = { "utf_8", "utf8", "u8", "utf", "cp65001" }, .iconv = "UTF-8" },
	{ .names = { "utf_16", "utf16", "u16" }, .iconv = "UTF-16" },
	{ .names = { "utf_16_be", "utf_16be", "unicodebigunmarked" }, .iconv = "UTF-16BE" },
	{ .names = { "utf_16_le", "utf_16le", "unicodelittleunmarked" }, .iconv = "UTF-16LE" },
	{ .names = { "utf_32", "utf32", "u32" }, .iconv = "UTF-32" },
	{ .names = { "utf_32_be", "utf_32be" }, .iconv = "UTF-32BE" },
	{ .names = { "utf_32_le", "utf_32le" }, .iconv = "UTF-32LE" },
	{ .names = { "latin_1", "latin1", "latin", "iso_8859_1", "iso8859_1", "l1" },
	    .iconv = "ISO-8859-1" },
	{ .names = { "iso8859_2", "iso_8859_2", "latin2", "l2" }, .iconv = "ISO-8859-2" },
	{ .names = { "iso8859_3", "iso_8859_3", "latin3", "l3" }, .iconv = "ISO-8859-3" },
	{ .names = { "iso8859_4", "iso_8859_4", "latin4", "l4" }, .iconv = "ISO-8859-4" },
	{ .names = { "iso8859_5", "iso_8859_5", "cyrillic" }, .iconv = "ISO-8859-5" },
	{ .names = { "iso8859_6", "iso_8859_6", "arabic" }, .iconv = "ISO-8859-6" },
	{ .names = { "iso8859_7", "iso_8859_7", "greek", "greek8" }, .iconv = "ISO-8859-7" },
	{ .names = { "iso8859_8", "iso_8859_8", "hebrew" }, .iconv = "ISO-8859-8" },
	{ .names = { "iso8859_9", "iso_8859_9", "latin5", "l5" }, .iconv = "ISO-8859-9" },
	{ .names = { "iso8859_10", "iso_8859_10", "latin6", "l6" }, .iconv = "ISO-8859-10" },
	{ .names = { "iso8859_11", "iso_8859_11", "thai" }, .iconv = "ISO-8859-11" },
	{ .names = { "iso8859_13", "iso_8859_13", "latin7", "l7" }, .iconv = "ISO-8859-13" },
	{ .names = { "iso8859_14", "iso_8859_14", "latin8", "l8" }, .iconv = "ISO-8859-14" },
	{ .names = { "iso8859_15", "iso_8859_15", "latin9", "l9" }, .iconv = "ISO-8859-15" },
	{ .names = { "iso8859_16", "iso_8859_16", "latin10", "l10" }, .iconv = "ISO-8859-16" },
	{ .names = { "cp1250", "windows_1250" }, .iconv = "CP1250" },
	{ .names = { "cp1251", "windows_1251" }, .iconv = "CP1251" },
	{ .names = { "cp1252", "windows_1252" }, .iconv = "CP1252" },
	{ .names = { "cp1253", "windows_1253" }, .iconv = "CP1253" },
	{ .names = { "cp1254", "windows_1254" }, .iconv = "CP1254" },
	{ .names = { "cp1255", "windows_1255" }, .iconv = "CP1255" },
	{ .names = { "cp1256", "windows_1256" }, .iconv = "CP1256" },
	{ .names = { "cp1257", "windows_1257" }, .iconv = "CP1257" },
	{ .names = { "cp1258", "windows_1258" }, .iconv = "CP1258" },
	{ .names = { "cp437", "437", "ibm437" }, .iconv = "CP437" },
	{ .names = { "cp850", "850", "ibm850" }, .iconv = "CP850" },
	{ .names = { "cp852", "852", "ibm852" }, .iconv = "CP852" },
	{ .names = { "cp866", "866", "ibm866" }, .iconv = "CP866" },
	{ .names = { "koi8_r" }, .iconv = "KOI8-R" },
	{ .names = { "koi8_u" }, .iconv = "KOI8-U" },
	{ .names = { "mac_roman", "macroman", "macintosh" }, .iconv = "MACINTOSH" },
	{ .names = { "gb2312", "euc_cn", "euccn" }, .iconv = "GB2312" },
	{ .names = { "gbk", "936", "cp936" }, .iconv = "GBK" },
	{ .names = { "gb18030" }, .iconv = "GB18030" },
	{ .names = { "big5", "big5_tw" }, .iconv = "BIG5" },
	{ .names = { "euc_kr", "euckr", "ks_c_5601" }, .iconv = "EUC-KR" },
	{ .names = { "shift_jis", "shiftjis", "sjis", "s_jis" }, .iconv = "SHIFT_JIS" },
	{ .names = { "euc_jp", "eucjp", "ujis" }, .iconv = "EUC-JP" },
};

/* TS 23.038, 6.2.1: the code points of septets 0 to 127. */
static const uint16_t gsm_basic[128] = {
	'@',
	0xa3,
	'$',
	0xa5,
	0xe8,
	0xe9,
	0xf9,
	0xec,
	0xf2,
	0xc7,
	'\n',
	0xd8,
	0xf8,
	'\r',
	0xc5,
	0xe5,
	0x394,
	'_',
	0x3a6,
	0x393,
	0x39b,
	0x3a9,
	0x3a0,
	0x3a8,
	0x3a3,
	0x398,
	0x39e,
	0xffff,
	0xc6,
	0xe6,
	0xdf,
	0xc9,
	' ',
	'!',
	'"',
	'#',
	0xa4,
	'%',
	'&',
	'\'',
	'(',
	')',
	'*',
	'+',
	',',
	'-',
	'.',
	'/',
	'0',
	'1',
	'2',
	'3',
	'4',
	'5',
	'6',
	'7',
	'8',
	'9',
	':',
	';',
	'<',
	'=',
	'>',
	'?',
	0xa1,
	'A',
	'B',
	'C',
	'D',
	'E',
	'F',
	'G',
	'H',
	'I',
	'J',
	'K',
	'L',
	'M',
	'N',
	'O',
	'P',
	'Q',
	'R',
	'S',
	'T',
	'U',
	'V',
	'W',
	'X',
	'Y',
	'Z',
	0xc4,
	0xd6,
	0xd1,
	0xdc,
	0xa7,
	0xbf,
	'a',
	'b',
	'c',
	'd',
	'e',
	'f',
	'g',
	'h',
	'i',
	'j',
	'k',
	'l',
	'm',
	'n',
	'o',
	'p',
	'q',
	'r',
	's',
	't',
	'u',
	'v',
	'w',
	'x',
	'y',
	'z',
	0xe4,
	0xf6,
	0xf1,
	0xfc,
	0xe0,
};

/* 6.2.1.1: after the escape. */
static const struct {
	uint16_t point;
	uint8_t septet;
} gsm_extension[] = {
	{ .point = '\f', .septet = 0x0a },
	{ .point = '^', .septet = 0x14 },
	{ .point = '{', .septet = 0x28 },
	{ .point = '}', .septet = 0x29 },
	{ .point = '\\', .septet = 0x2f },
	{ .point = '[', .septet = 0x3c },
	{ .point = '~', .septet = 0x3d },
	{ .point = ']', .septet = 0x3e },
	{ .point = '|', .septet = 0x40 },
	{ .point = 0x20ac, .septet = 0x65 },
};

enum {
	CODECS = sizeof(codecs) / sizeof(codecs[0]),
	NAMES = sizeof(codecs[0].names) / sizeof(codecs[0].names[0]),
	EXTENSIONS = sizeof(gsm_extension) / sizeof(gsm_extension[0]),
};

/* As Python's encodings.normalize_encoding(), for what codec names hold. */
static int
find_codec(const char *name)
{
	char plain[MAX_NAME];
	size_t n = strlen(name);

	if (n >= sizeof(plain))
		return -1;
	for (size_t i = 0; i <= n; i++) {
		char c = name[i];
		plain[i] = c == '-' || c == ' ' ? '_' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	for (int i = 0; i < CODECS; i++)
		for (int k = 0; k < NAMES && codecs[i].names[k]; k++)
			if (strcmp(codecs[i].names[k], plain) == 0)
				return i;
	return -1;
}

bool
smpp_codec_is(const char *name, const char *other)
{
	int i = find_codec(name);

	return i >= 0 && i == find_codec(other);
}

int
smpp_codec_open(struct smpp_codec *c, const char *name)
{
	int i = find_codec(name);

	*c = (struct smpp_codec){ .gsm = i == 0, .iconv = (iconv_t)-1 };
	if (i < 0)
		return -1;
	if (!c->gsm)
		c->iconv = iconv_open(codecs[i].iconv, "UTF-8");
	return c->gsm || c->iconv != (iconv_t)-1 ? 0 : -1;
}

void
smpp_codec_close(struct smpp_codec *c)
{
	if (!c->gsm && c->iconv != (iconv_t)-1)
		iconv_close(c->iconv);
	*c = (struct smpp_codec){ .iconv = (iconv_t)-1 };
}

void
smpp_codec_list(char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < CODECS && used < size; i++)
		used += (size_t)snprintf(
		    text + used, size - used, "%s%s", used ? ", " : "", codecs[i].names[0]);
}

static size_t
encode_gsm(uint32_t point, uint8_t octets[MAX_CHARACTER])
{
	for (int i = 0; i < 128; i++) {
		if (i != GSM_ESCAPE && gsm_basic[i] == point) {
			octets[0] = (uint8_t)i;
			return 1;
		}
	}
	for (int i = 0; i < EXTENSIONS; i++) {
		if (gsm_extension[i].point == point) {
			octets[0] = GSM_ESCAPE;
			octets[1] = gsm_extension[i].septet;
			return 2;
		}
	}
	return 0;
}

/* One character of n octets of UTF-8; returns its octets, 0: the codec cannot say it. */
static size_t
encode_character(
    struct smpp_codec *c, const char *p, size_t n, uint32_t point, uint8_t octets[MAX_CHARACTER])
{
	char *in = (char *)p, *out = (char *)octets;
	size_t left = MAX_CHARACTER;

	if (c->gsm)
		return encode_gsm(point, octets);
	if (iconv(c->iconv, &in, &n, &out, &left) == (size_t)-1 || n)
		return 0;
	return MAX_CHARACTER - left;
}

/* The code point at p, before end; *n: its octets, 0 where it is not UTF-8. */
static uint32_t
character_at(const char *p, const char *end, size_t *n)
{
	const uint8_t *b = (const uint8_t *)p;

	if (b[0] < 0x80) {
		*n = 1;
		return b[0];
	}
	*n = utf8_length(b, (size_t)(end - p));
	uint32_t point = b[0] & (0x7fu >> *n);
	for (size_t i = 1; i < *n; i++)
		point = point << 6 | (b[i] & 0x3f);
	return point;
}

enum smpp_text_result
smpp_text_encode(struct smpp_codec *c, const char *text, size_t limit, size_t max,
    struct buffer *out, size_t *parts, size_t *count)
{
	uint8_t octets[MAX_CHARACTER];
	const char *end = text + strlen(text);
	size_t n;

	*count = 1;
	parts[0] = 0;
	if (!c->gsm)
		iconv(c->iconv, NULL, NULL, NULL, NULL);
	for (const char *p = text; p < end; p += n) {
		uint32_t point = character_at(p, end, &n);
		size_t len = n ? encode_character(c, p, n, point, octets) : 0;
		if (len == 0)
			return TEXT_UNENCODABLE;
		if (parts[*count - 1] + len > limit) {
			if (*count == max || len > limit)
				return TEXT_TOO_LONG;
			parts[(*count)++] = 0;
		}
		buffer_append(out, octets, len);
		parts[*count - 1] += len;
	}
	return buffer_failed(out) ? TEXT_TOO_LONG : TEXT_OK;
}
