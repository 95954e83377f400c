/* The control socket's messages, both ways. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[CONTROL_MAX_ERROR];
	enum control_id id = CONTROL_COMMAND_COUNT;
	struct control_reply reply;

	struct json_doc *doc = control_request_decode(data, size, &id, err, sizeof(err));
	if (doc && (size > CONTROL_MAX_REQUEST || id >= CONTROL_COMMAND_COUNT ||
		       strcmp(json_str(json_get(json_root(doc), "command")),
			   control_command_name(id)) != 0))
		abort();
	json_free(doc);
	if (control_reply_decode(data, size, &reply) == 0 && !reply.rows)
		abort();
	json_free(reply.doc);
	return 0;
}
