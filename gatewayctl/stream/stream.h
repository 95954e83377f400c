/* The rows of gatewayctl's streams (events, states, the link, frames) as a line each. */
#ifndef GATEWAYCTL_STREAM_STREAM_H
#define GATEWAYCTL_STREAM_STREAM_H

#include "gatewayctl/output.h"

enum { STREAM_DEVICE_WIDTH = 8 }; /* of the device column, at first */

/* The kind of a row, or -1. */
int stream_kind(const struct json *row);
/* Its columns as JSON. */
const struct column *stream_columns(int kind);
/* Whether --count counts its rows. */
bool stream_counts(int kind);
/* Prints a row to standard output. *device_width: of the device column, which grows. */
void stream_print(const struct json *row, int kind, size_t *device_width);

#endif
