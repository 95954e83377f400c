/*
 * A backup of what a running gateway-eventd keeps, and a smaller file of what
 * a stopped one kept. Processes of their own: the server notices a client.
 */
#ifndef EVENT_SERVER_BACKUP_H
#define EVENT_SERVER_BACKUP_H

#include <stddef.h>
#include <stdint.h>

struct backup_source {
	const char *unix_path;
	const char *token; /* or NULL */
	int64_t server_id;
};

/* Asks the server for all events page by page, and writes them to a new store in dir, which must
 * not exist. It has every event that was committed before the call, as far as the server still
 * keeps it; dir is there only when it is whole. *count: its events. 0, or -1 with a message. */
int backup_make(
    const struct backup_source *from, const char *dir, size_t *count, char *err, size_t err_size);

#endif
