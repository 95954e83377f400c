#include "device-runners/modbus/outcome.h"

#include "common/remedy.h"
#include "protocols/modbus/text.h"

void
outcome_answered(struct health_end *h, const struct modbus_pdu *res, int64_t ns)
{
	if (!res->exception) {
		health_answered(h, ns, 0);
		return;
	}
	const char *name = modbus_exception_name(res->exception);
	const char *remedy = remedy_text(REMEDY_MODBUS, res->exception);
	if (res->exception == MODBUS_GATEWAY_PATH_UNAVAILABLE ||
	    res->exception == MODBUS_GATEWAY_TARGET_FAILED) {
		health_note_error(h, "exception %u: %s", res->exception, name);
		health_down(h, "exception %u: %s%s", res->exception, name, remedy);
	} else {
		health_error(
		    h, "exception %u: %s%s", res->exception, name ? name : "unknown", remedy);
	}
}

void
outcome_timed_out(struct health_end *h, int64_t timeout_ns)
{
	health_timeout(h, "no answer within %.3g s%s", (double)timeout_ns * 1e-9,
	    remedy_text(REMEDY_MODBUS, 0));
}
