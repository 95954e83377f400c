/* First octet: version and level. The rest: datagrams, each behind two octets of its length, to a
 * manager that waits for answers and is polled on. Identifiers are known: they begin with 1. */
#include "device-runners/snmp/poll.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct poll poll;
static struct agent agent;
static int write_owner;
static struct monotime now;
static struct agent_conf conf;

static void
send_nowhere(void *arg, const uint8_t *data, size_t len)
{
	(void)arg, (void)data;
	if (len == 0)
		__builtin_trap();
}

static void
ask(void)
{
	uint8_t bindings[2000];
	size_t len = poll_next(&poll, bindings, sizeof(bindings));

	agent_ask(&agent, SNMP_GET, bindings, len, &poll, now);
}

static void
on_up(void *arg)
{
	static const uint8_t binding[] = { 0x30, 7, 6, 3, 0x2b, 6, 1, 5, 0 };

	(void)arg;
	ask();
	agent_ask(&agent, SNMP_SET, binding, sizeof(binding), &write_owner, now);
}

static void
on_unknown(void *arg)
{
	(void)arg;
}

static void
on_news(void *arg, const struct poll_item *item, const char *cause, const struct answer_value *v)
{
	struct buffer text;
	struct json_writer w = { .b = &text };

	(void)arg, (void)cause;
	buffer_init(&text, 1 << 20);
	answer_put(&w, NULL, v, item->hex, conf.version);
	if (!buffer_failed(&text) && !json_valid((const char *)buffer_data(&text), text.len))
		__builtin_trap();
	buffer_clear(&text);
}

static void
on_done(void *arg, void *owner, const struct agent_answer *a)
{
	(void)arg;
	if (owner == &write_owner) {
		answer_is_success(a, poll_oid(&poll), conf.version);
		return;
	}
	if (a->result == AGENT_CLOSED || answer_closes(a, poll_oid(&poll)))
		return;
	poll_answered(&poll, a, conf.version, on_news, NULL);
	ask();
}

static void
make_poll(void)
{
	static const char *const oids[] = { "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.3.0", "1.3.6.1" };
	struct ber_oid oid;

	if (poll_init(&poll, 3, 2) < 0)
		__builtin_trap();
	for (size_t i = 0; i < 3; i++)
		if (!ber_oid_parse(&oid, oids[i]) || poll_add(&poll, &oid, oids[i], i == 0) < 0)
			__builtin_trap();
	if (poll_ready(&poll) < 0)
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct agent_ops ops = { send_nowhere, on_up, on_unknown, on_done };
	static const enum snmp_version versions[] = { SNMP_V1, SNMP_V2C, SNMP_V3, SNMP_V3 };

	if (size == 0)
		return 0;
	conf = (struct agent_conf){ .version = versions[data[0] & 3],
		.community = "public",
		.timeout_ns = 1000000,
		.retries = 1 };
	conf.user = (struct usm_user){ .name = "user",
		.auth = data[0] >> 2 & 1 ? USM_MD5 : USM_NO_AUTH,
		.priv = (data[0] >> 2 & 3) == 3 ? USM_AES128 : USM_NO_PRIV };
	make_poll();
	now = (struct monotime){ 1000000000 };
	agent_init(&agent, &conf, &ops, NULL, 0);
	agent_open(&agent, now);
	for (size_t at = 1; at + 2 <= size;) {
		size_t len = (size_t)(data[at] << 8 | data[at + 1]);
		at += 2;
		len = len < size - at ? len : size - at;
		agent_receive(&agent, data + at, len, now);
		at += len;
		now.ns += 300000;
		agent_tick(&agent, now);
	}
	agent_close(&agent);
	poll_clear(&poll);
	return 0;
}
