/* What a server sends, in pieces, to a client that makes calls whenever it may. The first octet
 * says how long the pieces are, the second how much time passes between them. */
#include <stdlib.h>

#include "protocols/mms/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t taken, told;
static bool ended;

static void
call(struct mms_client *c, struct monotime now)
{
	static const struct mms_variable v = { .name = { MMS_DOMAIN, { "d", 1 }, { "x", 1 } } };

	while (mms_client_may_call(c))
		taken += (taken % 2 ? mms_client_read(c, taken, &v, 1, now)
				    : mms_client_status(c, taken, now)) == MMS_TAKEN;
}

static void
drain(struct mms_client *c)
{
	struct mms_event e;

	while (mms_client_next(c, &e)) {
		if (ended)
			__builtin_trap();
		told += e.kind == MMS_EVENT_RESULT;
		ended = e.kind == MMS_EVENT_ENDED;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mms_params params = { .local_detail = 65000,
		.outstanding = 3,
		.associate_timeout_ms = 1000,
		.response_timeout_ms = 100,
		.status_delay_ms = 100,
		.status_timeout_ms = 100 };
	struct mms_client *c = mms_client_new(&params);
	struct monotime now = { 1 };
	struct buffer out;

	if (!c || size < 2)
		goto done;
	taken = told = 0;
	ended = false;
	buffer_init(&out, 1 << 24);
	mms_client_start(c, &out, now);
	size_t piece = (size_t)data[0] * 8 + 1;
	for (size_t at = 2; at < size; at += piece) {
		mms_client_feed(c, data + at, size - at < piece ? size - at : piece, now);
		drain(c);
		call(c, now);
		now = monotime_add_ms(now, data[1]);
		mms_client_tick(c, now);
	}
	mms_client_lost(c, "the end");
	drain(c);
	if (!ended || told != taken || buffer_failed(&out))
		__builtin_trap();
	buffer_clear(&out);
done:
	mms_client_free(c);
	return 0;
}
