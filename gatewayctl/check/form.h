/*
 * Whether an event is what a device takes: its payload against the form of a request, which is JSON
 * with kinds in the place of values, and the parts of its type that a '?' stands for.
 *
 * A kind is that of a description ("integer 0..5", "text", ...), "null", "oid", or words; '|'
 * stands between alternatives. "GROUP01..16" stands for the words GROUP01 to GROUP16. An array has
 * a kind of all its elements, and, second, how many there are. A key that ends with '?' may be
 * missing or null.
 */
#ifndef GATEWAYCTL_CHECK_FORM_H
#define GATEWAYCTL_CHECK_FORM_H

#include "gatewayctl/description.h"

/* payload: NULL where there is none. false with why, in words. */
bool form_takes(const struct json *row, const struct json *verb, const struct json *payload,
    char why[DESCRIPTION_WHY]);
/* wild: what stands at each '?' of the row's type. false with why. */
bool form_takes_parts(
    const struct json *row, const struct described *wild, char why[DESCRIPTION_WHY]);

#endif
