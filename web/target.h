/*
 * The target of a request, in gateway-web: the path and the values of its
 * query, foreign bytes as they came. Pure: decodes, and refuses what is not
 * exactly a path by RFC 3986.
 */
#ifndef WEB_TARGET_H
#define WEB_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TARGET_MAX = 1024 /* bytes of a path or value, encoded */ };

/* Decodes %XX of the text, of at most TARGET_MAX bytes, into out of TARGET_MAX + 1 bytes. False: a
 * bad escape, a NUL, what is no UTF-8, or too long. */
bool target_decode(const char *text, char *out);
/* The part behind `name` and a '/' in the path, "" where the path ends there; NULL: another path.
 */
const char *target_below(const char *path, const char *name);
/* A decimal number from 1 to max; 0: it is none. */
uint32_t target_number(const char *text, uint32_t max);

#endif
