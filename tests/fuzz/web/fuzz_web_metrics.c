/* Rows of the control socket's `metrics`, into the text for Prometheus. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/control.h"
#include "web/metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_reply reply;
	struct metrics *m = metrics_new(size % 2);
	struct buffer b;

	buffer_init(&b, 64 * 1024 * 1024);
	if (control_reply_decode(data, size, &reply) == 0)
		json_foreach (row, reply.rows)
			metrics_add(m, row);
	json_free(reply.doc);
	while (metrics_write(m, &b))
		;
	if (buffer_failed(&b) || b.len == 0 || buffer_data(&b)[b.len - 1] != '\n')
		abort();
	buffer_clear(&b);
	metrics_free(m);
	return 0;
}
