#include "protocols/iec61850/control.h"

const char *const iec61850_category_names[] = { "BAY_CONTROL", "STATION_CONTROL", "REMOTE_CONTROL",
	"AUTOMATIC_BAY", "AUTOMATIC_STATION", "AUTOMATIC_REMOTE", "MAINTENANCE", "PROCESS", NULL };
const char *const iec61850_check_names[] = { "SYNCHRO", "INTERLOCK", NULL };

enum { CHECK_BITS = 2, BEHIND_NUMBER = 3 /* T, Test and Check stand behind ctlNum in Oper */ };

bool
iec61850_control_put(struct ber_writer *w, const struct iec61850_control *c, bool cancel)
{
	size_t ident = strlen(c->ident);

	mms_begin(w, MMS_STRUCTURE);
	if (!iec61850_value_from_json(w, c->type, c->value))
		return false;
	if (c->operate_time)
		mms_put_utc_time(w, &(struct mms_utc_time){ 0 });
	mms_begin(w, MMS_STRUCTURE);
	mms_put_int(w, c->category);
	mms_put_octets(w, c->ident, ident < IEC61850_MAX_IDENT ? ident : IEC61850_MAX_IDENT);
	ber_end(w);
	mms_put_uint(w, c->number);
	mms_put_utc_time(w, &c->time);
	mms_put_bool(w, c->test);
	if (!cancel)
		mms_put_flags(w, c->checks, CHECK_BITS);
	ber_end(w);
	return true;
}

/* The text without its last attribute: "LD/LN$CO$name" of "LD/LN$CO$name$Oper". Devices send it
 * with and without. */
static struct mms_str
object_of(struct mms_str s)
{
	const char *p = s.p;
	size_t dollars = 0;

	for (size_t i = 0; i < s.len; i++)
		if (p[i] == '$' && ++dollars == 3)
			s.len = i;
	return s;
}

static bool
read_error(struct iec61850_application_error *e, const struct mms_value *v)
{
	struct mms_value object, error, number, cause;

	if (!mms_value_member(v, 0, &object) || !mms_value_member(v, 1, &error) ||
	    !mms_value_member(v, 3, &number) || !mms_value_member(v, 4, &cause) ||
	    !mms_value_str(&object, &e->object))
		return false;
	e->object = object_of(e->object);
	return mms_value_int(&error, &e->error) && mms_value_uint(&number, &e->number) &&
	       mms_value_int(&cause, &e->cause);
}

static bool
ends_with(struct mms_str s, const char *end)
{
	size_t len = strlen(end);

	return s.len >= len && memcmp(s.p + s.len - len, end, len) == 0;
}

static bool
read_termination(
    struct iec61850_termination *t, const struct mms_variable *variable, const struct mms_value *v)
{
	struct mms_values members;
	struct mms_value number;

	if (!mms_value_members(v, &members))
		return false;
	size_t count = mms_values_count(members);
	t->terminated = true;
	t->object = variable->name;
	return count > BEHIND_NUMBER && mms_value_member(v, count - BEHIND_NUMBER - 1, &number) &&
	       mms_value_uint(&number, &t->number);
}

enum dec
iec61850_termination_decode(struct iec61850_termination *t, const struct mms_report *report)
{
	struct mms_list variables = report->variables, results = report->results;
	struct mms_variable variable;
	struct mms_access access;

	*t = (struct iec61850_termination){ 0 };
	if (report->is_list)
		return DEC_UNSUP;
	while (mms_variable_next(&variables, &variable)) {
		if (!mms_access_next(&results, &access) || !access.success)
			return DEC_BAD;
		if (mms_str_equal(variable.name.item, mms_str("LastApplError"))) {
			if (!read_error(&t->error, &access.value))
				return DEC_BAD;
			t->has_error = true;
		} else if (ends_with(variable.name.item, "$Oper") &&
			   !read_termination(t, &variable, &access.value)) {
			return DEC_BAD;
		}
	}
	return t->has_error || t->terminated ? DEC_OK : DEC_UNSUP;
}

bool
iec61850_error_is_of(const struct iec61850_application_error *e, const char *domain,
    const char *item, uint8_t number)
{
	size_t n = strlen(domain), m = strlen(item);

	return e->number == number && e->object.len == n + 1 + m &&
	       memcmp(e->object.p, domain, n) == 0 && e->object.p[n] == '/' &&
	       memcmp(e->object.p + n + 1, item, m) == 0;
}

const char *
iec61850_cause_name(int64_t cause)
{
	static const char *const names[] = { "UNKNOWN", "NOT_SUPPORTED",
		"BLOCKED_BY_SWITCHING_HIERARCHY", "SELECT_FAILED", "INVALID_POSITION",
		"POSITION_REACHED", "PARAMETER_CHANGE_IN_EXECUTION", "STEP_LIMIT",
		"BLOCKED_BY_MODE", "BLOCKED_BY_PROCESS", "BLOCKED_BY_INTERLOCKING",
		"BLOCKED_BY_SYNCHROCHECK", "COMMAND_ALREADY_IN_EXECUTION", "BLOCKED_BY_HEALTH",
		"ONE_OF_N_CONTROL", "ABORTION_BY_CANCEL", "TIME_LIMIT_OVER", "ABORTION_BY_TRIP",
		"OBJECT_NOT_SELECTED", "OBJECT_ALREADY_SELECTED", "NO_ACCESS_AUTHORITY",
		"ENDED_WITH_OVERSHOOT", "ABORTION_DUE_TO_DEVIATION",
		"ABORTION_BY_COMMUNICATION_LOSS", "BLOCKED_BY_COMMAND", "NONE",
		"INCONSISTENT_PARAMETERS", "LOCKED_BY_OTHER_CLIENT" };

	return cause >= 0 && cause < (int64_t)(sizeof(names) / sizeof(names[0])) ? names[cause]
										 : "UNKNOWN";
}

const char *
iec61850_test_error_name(int64_t error)
{
	static const char *const names[] = { "NO_ERROR", "UNKNOWN", "TIMEOUT_TEST_NOT_OK",
		"OPERATOR_TEST_NOT_OK" };

	return error >= 0 && error < 4 ? names[error] : "UNKNOWN";
}

const char *
iec61850_service_error_name(int64_t access_error)
{
	static const struct {
		enum mms_access_error error;
		const char *name;
	} names[] = {
		{ .error = MMS_ACCESS_DENIED, .name = "ACCESS_VIOLATION" },
		{ .error = MMS_ACCESS_NON_EXISTENT, .name = "INSTANCE_NOT_AVAILABLE" },
		{ .error = MMS_ACCESS_TEMPORARILY_UNAVAILABLE,
		    .name = "INSTANCE_LOCKED_BY_OTHER_CLIENT" },
		{ .error = MMS_ACCESS_TYPE_INCONSISTENT, .name = "TYPE_CONFLICT" },
		{ .error = MMS_ACCESS_VALUE_INVALID, .name = "PARAMETER_VALUE_INCONSISTENT" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((int64_t)names[i].error == access_error)
			return names[i].name;
	return "FAILED_DUE_TO_COMMUNICATIONS_CONSTRAINT";
}
