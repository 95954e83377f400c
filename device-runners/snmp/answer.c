#include "device-runners/snmp/answer.h"

#include "device-runners/snmp/value.h"

static const char gen_err[] = "GEN_ERR";

static struct answer_value
error_of(const char *name)
{
	return (struct answer_value){ .error = name ? name : gen_err };
}

/* The report of USM that the first binding holds in place of what was asked for. */
static enum usm_report
report_in(const struct agent_answer *a)
{
	if (a->result == AGENT_REPORT)
		return a->report;
	return a->result == AGENT_ANSWER && a->pdu->count ? usm_report_of(&a->pdu->bindings[0])
							  : USM_REPORT_NONE;
}

struct answer_value
answer_read(const struct agent_answer *a, const struct ber_oid *oid, enum snmp_version version)
{
	if (a->result != AGENT_ANSWER)
		return error_of(value_report(report_in(a)));
	if (a->pdu->error_status)
		return error_of(snmp_error_name(a->pdu->error_status));
	const struct snmp_binding *b = snmp_pdu_find(a->pdu, oid);
	if (!b)
		return error_of(value_report(report_in(a)));
	const char *error = value_error(&b->value, version);
	return error ? error_of(error) : (struct answer_value){ .value = &b->value };
}

void
answer_put(struct json_writer *w, const char *key, const struct answer_value *v, bool hex,
    enum snmp_version version)
{
	if (v->error)
		value_put_error(w, key, v->error);
	else if (!value_put(w, key, v->value, hex, version))
		value_put_error(w, key, gen_err);
}

bool
answer_is_success(
    const struct agent_answer *a, const struct ber_oid *oid, enum snmp_version version)
{
	if (a->result == AGENT_ANSWER && !a->pdu->error_status && a->pdu->count == 0)
		return true;
	return answer_read(a, oid, version).value;
}

const char *
answer_closes(const struct agent_answer *a, const struct ber_oid *oid)
{
	enum usm_report report = report_in(a);

	if (a->result == AGENT_TIMEOUT)
		return "no answer";
	if (a->result == AGENT_REPORT && report == USM_REPORT_ENGINE)
		return "the agent has another engine ID now";
	if (report != USM_REPORT_SECURITY_LEVEL)
		return NULL;
	if (a->result == AGENT_ANSWER && (a->pdu->error_status || snmp_pdu_find(a->pdu, oid)))
		return NULL;
	return "the agent does not take this user's security level";
}
