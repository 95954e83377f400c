/* UTF-8 as RFC 3629 has it: shortest form, no surrogates, at most U+10FFFF. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool utf8_valid(const void *text, size_t len);

#endif
