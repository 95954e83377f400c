/* The interface of gateway-web below /api/v1: a table of paths, the request of the control socket
 * that each becomes, and how its rows are shown: as gatewayctl --json shows them. */
#ifndef WEB_API_H
#define WEB_API_H

#include "common/json.h"
#include "gatewayctl/view.h"
#include "ipc/control.h"

/* The form of the answer. */
enum api_shape {
	API_ROWS,    /* an array of them, or server-sent events */
	API_METRICS, /* text for Prometheus */
	API_LIVE,    /* whether gatewayd answers */
	API_READY,   /* whether its devices may run */
	API_TOP,     /* an array of rows, after a second look */
};

/* The part that may follow the path: nothing, TYPE/NAME or NAME of a device, or either. */
enum api_device { API_NO_DEVICE, API_DEVICE, API_ANY_DEVICE };

struct api_route {
	const char *path;
	enum control_id command;
	enum api_shape shape;
	const struct view_format *view; /* of API_ROWS */
	enum api_device device;
	const char *member; /* of the request, that names the device; a list unless "name" */
	bool streams;
	bool pages; /* its answers come in parts */
	bool board; /* without a device: what changes of all of them */
};

/* The route of a path, and in *device what follows it, still encoded; or NULL. */
const struct api_route *api_find(const char *path, const char **device);
/* Writes the request. device: decoded, or "". from: of a route in pages. all: of health. */
void api_put_request(
    struct buffer *b, const struct api_route *route, const char *device, uint32_t from, bool all);

#endif
