/* UTF-8 as RFC 3629 has it: shortest form, no surrogates, at most U+10FFFF. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_valid(const void *text, size_t len);
/* Bytes before the first that is not, len where all are. */
size_t utf8_valid_until(const void *text, size_t len);
/* Bytes (2 to 4) of the sequence of several bytes that p, left bytes long, starts with; 0 where it
 * starts with none. */
size_t utf8_length(const uint8_t *p, size_t left);

#endif
