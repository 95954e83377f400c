#include "web/reply.h"

#include <string.h>

#include "common/json.h"

enum { MAX_ERROR_BODY = 16 * 1024 };

/* Nothing from elsewhere, no script or style in the page itself, no frame around it. */
static const struct {
	const char *name, *value;
} headers[] = {
	{ .name = "Content-Security-Policy",
	    .value =
		"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
		"img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" },
	{ .name = "X-Content-Type-Options", .value = "nosniff" },
	{ .name = "Referrer-Policy", .value = "no-referrer" },
	{ .name = "Cross-Origin-Resource-Policy", .value = "same-origin" },
};

enum MHD_Result
reply_queue(struct MHD_Connection *connection, unsigned status, const char *type, const char *cache,
    struct MHD_Response *response)
{
	if (!response)
		return MHD_NO;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		MHD_add_response_header(response, headers[i].name, headers[i].value);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, cache);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result
reply_bytes(struct MHD_Connection *connection, unsigned status, const char *type, const void *data,
    size_t len)
{
	return reply_queue(connection, status, type, "no-store",
	    MHD_create_response_from_buffer(len, (void *)data, MHD_RESPMEM_MUST_COPY));
}

enum MHD_Result
reply_refusal(
    struct MHD_Connection *connection, unsigned status, const char *reason, const char *text)
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, MAX_ERROR_BODY);
	json_begin_object(&w, NULL);
	json_put_str(&w, "error", text);
	if (reason)
		json_put_str(&w, "reason", reason);
	json_end_object(&w);
	buffer_u8(&b, '\n');
	enum MHD_Result result =
	    buffer_failed(&b) ? MHD_NO
			      : reply_bytes(connection, status, REPLY_JSON, buffer_data(&b), b.len);
	buffer_clear(&b);
	return result;
}

enum MHD_Result
reply_error(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return reply_refusal(connection, status, NULL, text);
}

enum MHD_Result
reply_asset(struct MHD_Connection *connection, const struct asset *asset)
{
	const char *has =
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
	bool same = has && strcmp(has, asset->etag) == 0;
	struct MHD_Response *response = MHD_create_response_from_buffer(
	    same ? 0 : asset->len, asset->data, MHD_RESPMEM_PERSISTENT);

	if (response)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, asset->etag);
	return reply_queue(connection, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, asset->type,
	    "no-cache", response);
}
