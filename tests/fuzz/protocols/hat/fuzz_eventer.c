/* The first byte chooses the message; a decoded event, encoded again, decodes to the same bytes. */
#include <stdlib.h>

#include "protocols/hat/eventer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(struct eventer_events_iter *it)
{
	static const struct sbs_str pattern[] = { { "?", 1 }, { "a", 1 }, { "*", 1 } };
	struct eventer_event e, again;
	struct buffer b;

	buffer_init(&b, 1 << 20);
	while (eventer_events_next(it, &e)) {
		eventer_type_match(e.type.segments, e.type.count, pattern, 3);
		if (it->registered)
			continue;
		buffer_reset(&b);
		eventer_put_event(&b, &e.id, e.type.raw, &e.timestamp, e.rest);
		struct sbs_str bytes = { (const char *)buffer_data(&b), b.len };
		if (eventer_event_decode(bytes, &again) != DEC_OK ||
		    !sbs_str_eq(again.rest, e.rest))
			abort();
	}
	buffer_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sbs_str rest = { (const char *)data + 1, size - 1 };
	struct eventer_register_res register_res;
	struct eventer_init_req init_req;
	struct eventer_init_res init_res;
	struct eventer_events_iter it;
	struct eventer_query query;
	struct eventer_type type;
	enum eventer_status status;
	bool more;

	if (size == 0)
		return 0;
	switch (data[0] % EVENTER_MSG_COUNT) {
	case EVENTER_INIT_REQ:
		if (eventer_init_req_decode(rest, &init_req) == DEC_OK) {
			struct eventer_types_iter types =
			    eventer_types_begin(&init_req.subscriptions);
			while (eventer_types_next(&types, &type))
				;
			if (!cursor_done(&types.c))
				abort();
		}
		break;
	case EVENTER_INIT_RES:
		eventer_init_res_decode(rest, &init_res);
		break;
	case EVENTER_STATUS_NOTIFY:
		eventer_status_decode(rest, &status);
		break;
	case EVENTER_EVENTS_NOTIFY:
		if (eventer_events_notify_decode(rest, &it) == DEC_OK)
			walk(&it);
		break;
	case EVENTER_REGISTER_REQ:
		if (eventer_register_req_decode(rest, &it) == DEC_OK)
			walk(&it);
		break;
	case EVENTER_REGISTER_RES:
		if (eventer_register_res_decode(rest, &register_res) == DEC_OK)
			walk(&register_res.events);
		break;
	case EVENTER_QUERY_REQ:
		eventer_query_req_decode(rest, &query);
		break;
	case EVENTER_QUERY_RES:
		if (eventer_query_res_decode(rest, &it) == DEC_OK) {
			walk(&it);
			eventer_query_res_end(&it, &more);
		}
		break;
	default:
		break;
	}
	return 0;
}
