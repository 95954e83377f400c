/* What a message centre sends, in frames, to a session that submits; every eighth frame a time-out.
 */
#include <stdlib.h>

#include "protocols/smpp/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct smpp_params params = { .bind_command = SMPP_BIND_TRANSCEIVER,
		.enquire_delay_ms = 100,
		.enquire_timeout_ms = 100,
		.window = 3 };
	const struct smpp_sm sm = { .text = { "x", 1 } };
	struct monotime now = { 1 };
	struct smpp_session s;
	struct buffer out;
	uint32_t sequence = 0;
	size_t used;
	enum dec rc;

	buffer_init(&out, 1 << 22);
	smpp_session_start(&s, &params, &out, now);
	for (unsigned n = 0; (rc = smpp_frame(data, size, &used, &sequence)) == DEC_OK;
	     data += used, size -= used) {
		struct smpp_event e = smpp_session_input(&s, data, used, now);
		if (e.kind == SMPP_SUBMITTED && e.tag >= n + 1)
			__builtin_trap();
		if (smpp_session_may_submit(&s))
			smpp_session_submit(&s, &sm, n);
		now = monotime_add_ms(now, ++n % 8 ? 1 : 150);
		smpp_session_tick(&s, now);
	}
	if (rc == DEC_BAD)
		smpp_session_bad_frame(&s, sequence);
	if (buffer_failed(&out))
		__builtin_trap();
	buffer_clear(&out);
	return 0;
}
