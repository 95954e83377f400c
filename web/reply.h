/* The HTTP responses of gateway-web: the headers that each has, errors as JSON. */
#ifndef WEB_REPLY_H
#define WEB_REPLY_H

#include <microhttpd.h>

#include "web/assets.h"

#define REPLY_JSON "application/json; charset=utf-8"
#define REPLY_EVENT_STREAM "text/event-stream; charset=utf-8"

/* Adds the headers that every response has; cache: the value of Cache-Control. Takes the response;
 * NULL is out of memory. */
enum MHD_Result reply_queue(struct MHD_Connection *connection, unsigned status, const char *type,
    const char *cache, struct MHD_Response *response);
/* Copies the bytes. */
enum MHD_Result reply_bytes(struct MHD_Connection *connection, unsigned status, const char *type,
    const void *data, size_t len);
/* {"error": text} */
enum MHD_Result reply_error(struct MHD_Connection *connection, unsigned status, const char *text);
/* With gatewayd's word for programs beside the text; NULL: none. */
enum MHD_Result reply_refusal(
    struct MHD_Connection *connection, unsigned status, const char *reason, const char *text);
/* The file, or 304 where the client has it. It lives as long as the daemon. */
enum MHD_Result reply_asset(struct MHD_Connection *connection, const struct asset *asset);

#endif
