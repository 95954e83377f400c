#include "web/api.h"

#include <string.h>

#include "web/target.h"

static const struct api_route routes[] = {
	{ .path = "/metrics", .command = CONTROL_METRICS, .shape = API_METRICS },
	{ .path = "/healthz", .command = CONTROL_INFO, .shape = API_LIVE },
	{ .path = "/readyz", .command = CONTROL_INFO, .shape = API_READY },
	{ .path = "/api/v1/info", .command = CONTROL_INFO, .view = &view_info },
	{ .path = "/api/v1/status",
	    .command = CONTROL_STATUS,
	    .view = &view_status,
	    .device = API_ANY_DEVICE,
	    .member = "names" },
	{ .path = "/api/v1/top",
	    .command = CONTROL_TOP,
	    .shape = API_TOP,
	    .device = API_ANY_DEVICE,
	    .member = "names" },
	{ .path = "/api/v1/health",
	    .command = CONTROL_HEALTH,
	    .view = &view_health,
	    .device = API_ANY_DEVICE,
	    .member = "names" },
	{ .path = "/api/v1/show",
	    .command = CONTROL_SHOW,
	    .view = &view_show,
	    .device = API_DEVICE,
	    .member = "names" },
	{ .path = "/api/v1/events",
	    .command = CONTROL_EVENTS,
	    .view = &view_events,
	    .device = API_ANY_DEVICE,
	    .member = "types" },
	{ .path = "/api/v1/describe",
	    .command = CONTROL_DESCRIBE,
	    .view = &view_describe,
	    .device = API_DEVICE,
	    .member = "name",
	    .pages = true },
	{ .path = "/api/v1/watch",
	    .command = CONTROL_WATCH,
	    .view = &view_stream,
	    .device = API_ANY_DEVICE,
	    .member = "names",
	    .streams = true,
	    .board = true },
	{ .path = "/api/v1/trace",
	    .command = CONTROL_TRACE,
	    .view = &view_stream,
	    .device = API_DEVICE,
	    .member = "names",
	    .streams = true },
};

const struct api_route *
api_find(const char *path, const char **device)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		const struct api_route *r = &routes[i];
		*device = target_below(path, r->path);
		if (*device && (**device ? r->device != API_NO_DEVICE : r->device != API_DEVICE))
			return r;
	}
	return NULL;
}

void
api_put_request(
    struct buffer *b, const struct api_route *route, const char *device, uint32_t from, bool all)
{
	struct json_writer w = { .b = b };
	bool list = route->member && strcmp(route->member, "name") != 0;

	json_begin_object(&w, NULL);
	json_put_str(&w, "command", control_command_name(route->command));
	if (*device && list)
		json_begin_array(&w, route->member);
	if (*device)
		json_put_str(&w, list ? NULL : route->member, device);
	if (*device && list)
		json_end_array(&w);
	if (from)
		json_put_int(&w, "from", from);
	if (all && route->command == CONTROL_HEALTH)
		json_put_bool(&w, "all", true);
	json_end_object(&w);
}
