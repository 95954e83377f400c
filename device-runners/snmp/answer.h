/*
 * The value of one object in an answer. In the SNMP runner.
 */
#ifndef DEVICE_RUNNERS_SNMP_ANSWER_H
#define DEVICE_RUNNERS_SNMP_ANSWER_H

#include "common/json.h"
#include "common/remedy.h"
#include "device-runners/snmp/agent.h"

/* One of the two is not NULL. */
struct answer_value {
	const char *error; /* its name, "GEN_ERR"; static */
	const struct ber_element *value;
};

struct answer_value answer_read(
    const struct agent_answer *a, const struct ber_oid *oid, enum snmp_version version);
/* The object of `data` in an event. */
void answer_put(struct json_writer *w, const char *key, const struct answer_value *v, bool hex,
    enum snmp_version version);
/* Whether a SET of that object was done: no error, and the object with a value, or no binding at
 * all. */
bool answer_is_success(
    const struct agent_answer *a, const struct ber_oid *oid, enum snmp_version version);
/* Why the polling that got this answer can not go on, or NULL. */
const char *answer_closes(const struct agent_answer *a, const struct ber_oid *oid);
/* What an operator can do about it: "; SENTENCE", or "". */
const char *answer_remedy(const struct agent_answer *a, enum snmp_version version);

#endif
