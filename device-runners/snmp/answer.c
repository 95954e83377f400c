#include "device-runners/snmp/answer.h"

#include <assert.h>

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

const char *
answer_remedy(const struct agent_answer *a, enum snmp_version version)
{
	static_assert((int)REMEDY_SNMP_LEVEL == USM_REPORT_SECURITY_LEVEL &&
			  (int)REMEDY_SNMP_USER == USM_REPORT_USER &&
			  (int)REMEDY_SNMP_DIGEST == USM_REPORT_DIGEST &&
			  (int)REMEDY_SNMP_DECRYPTION == USM_REPORT_DECRYPTION,
	    "the remedies of reports have their numbers");

	if (a->result != AGENT_TIMEOUT)
		return remedy_text(REMEDY_SNMP, (int)report_in(a));
	return remedy_text(
	    REMEDY_SNMP, version == SNMP_V3 ? REMEDY_SNMP_NO_ENGINE : REMEDY_SNMP_SILENT);
}
