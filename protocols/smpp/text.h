/*
 * Texts in the encodings that short messages have: Python's codec names, which
 * configurations use, and GSM 03.38 (3GPP TS 23.038, 6.2.1), cut into parts
 * between characters. Pure; conversions are the C library's.
 */
#ifndef PROTOCOLS_SMPP_TEXT_H
#define PROTOCOLS_SMPP_TEXT_H

#include <iconv.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

enum { TEXT_MAX_PARTS = 255 };

struct smpp_codec {
	bool gsm;
	iconv_t iconv; /* from UTF-8; not of gsm */
};

enum smpp_text_result { TEXT_OK, TEXT_UNENCODABLE, TEXT_TOO_LONG };

/* name: as Python takes it ("utf-8", "UTF8", "latin_1", "cp1251", ...), or "gsm". Loads what the
 * conversion needs, so that later nothing is opened. Returns 0, or -1 when the name is not known.
 */
int smpp_codec_open(struct smpp_codec *c, const char *name);
void smpp_codec_close(struct smpp_codec *c);
/* The names that are known, with commas. */
void smpp_codec_list(char *text, size_t size);
/* Whether name means the same codec as other: "UTF-16BE" and "utf_16_be". */
bool smpp_codec_is(const char *name, const char *other);

/* Encodes UTF-8 text; parts of at most `limit` octets are cut between characters, their lengths in
 * parts[0 .. *count). TEXT_TOO_LONG: more than max parts. The text's octets are appended to out. */
enum smpp_text_result smpp_text_encode(struct smpp_codec *c, const char *text, size_t limit,
    size_t max, struct buffer *out, size_t *parts, size_t *count);

#endif
