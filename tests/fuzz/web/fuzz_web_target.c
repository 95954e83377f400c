/* The path and the values of a request to gateway-web. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "web/api.h"
#include "web/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2 * TARGET_MAX], out[TARGET_MAX + 1];
	const char *device;
	size_t n = size < sizeof(text) ? size : sizeof(text) - 1;

	memcpy(text, data, n);
	text[n] = '\0';
	const struct api_route *r = api_find(text, &device);
	bool good = target_decode(r ? device : text, out);
	if (good && !utf8_valid(out, strlen(out)))
		abort();
	if (target_number(text, 1000) > 1000)
		abort();
	if (!r || !good)
		return 0;
	struct buffer b;
	enum control_id id;
	char err[CONTROL_MAX_ERROR];
	buffer_init(&b, CONTROL_MAX_REQUEST);
	api_put_request(&b, r, out, 0, false);
	struct json_doc *doc =
	    control_request_decode(buffer_data(&b), b.len, &id, err, sizeof(err));
	/* Whatever the path: a request of the table, and one that looks. */
	if (!doc || id != r->command || !control_command_looks(id))
		abort();
	json_free(doc);
	buffer_clear(&b);
	return 0;
}
