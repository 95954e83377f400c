/* gatewayctl new iec61850_client NAME --scl FILE: the keys of a device from a file of the system
 * configuration language (IEC 61850-6). In gatewayctl. */
#ifndef GATEWAYCTL_SCL_SCL_H
#define GATEWAYCTL_SCL_SCL_H

#include <stddef.h>

#include "common/buffer.h"

enum { SCL_MAX_OUTPUT = 64 << 20 };

/*
 * Appends the keys of iec61850_client for the server of an IED, each line indented by two blanks,
 * to out, and a line for whatever is left out, with its line in the file, to notes. ied: NULL where
 * the file has one server. Returns 0, or -1: why, SCL_WHY octets, says what is wrong.
 */
int scl_convert(const char *data, size_t len, const char *ied, struct buffer *out,
    struct buffer *notes, char *why);

/* The same of a file, with what is left out told on stderr. Inits keys. Returns an exit code,
 * having said what is wrong. */
int scl_read(struct buffer *keys, const char *path, const char *ied);

/* Each IED of a file that has a server, for completion; none where the file cannot be read. */
void scl_each_ied(const char *path, void (*each)(void *arg, const char *name), void *arg);
/* The same of a file's contents. */
void scl_list_ieds(
    const char *data, size_t len, void (*each)(void *arg, const char *name), void *arg);

#endif
