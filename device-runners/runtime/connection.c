#include "device-runners/runtime/connection.h"

#include <string.h>

static const struct {
	const char *name, *json, *link;
} words[] = {
	[CONNECTION_CONNECTING] = { .name = "CONNECTING",
	    .json = "\"CONNECTING\"",
	    .link = "connecting" },
	[CONNECTION_CONNECTED] = { .name = "CONNECTED",
	    .json = "\"CONNECTED\"",
	    .link = "connected" },
	[CONNECTION_DISCONNECTED] = { .name = "DISCONNECTED",
	    .json = "\"DISCONNECTED\"",
	    .link = "disconnected" },
};

const char *
connection_status_name(enum connection_status status)
{
	return words[status].name;
}

void
connection_register_status(
    struct runner *r, const char *const type[], size_t type_len, enum connection_status status)
{
	runner_register(r, type, type_len, NULL, words[status].json, strlen(words[status].json));
}

void
connection_set_link(struct runner *r, enum connection_status status)
{
	runner_set_link(r, words[status].link);
}

void
connection_tell(struct runner *r, enum connection_status status)
{
	static const char *const type[] = { "gateway", "status" };

	connection_register_status(r, type, 2, status);
	connection_set_link(r, status);
}
