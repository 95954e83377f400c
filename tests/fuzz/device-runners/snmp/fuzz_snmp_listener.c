/* Datagrams, each behind two octets of its length, to a trap listener with users of every level. */
#include "device-runners/snmp/listener.h"
#include "device-runners/snmp/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_heard(void *arg, const struct listener_heard *h)
{
	struct buffer text;

	(void)arg;
	for (size_t i = 0; i < h->count; i++) {
		struct json_writer w = { .b = &text };
		buffer_init(&text, 1 << 20);
		if (value_put(&w, NULL, &h->bindings[i].value, i & 1, h->version) &&
		    !buffer_failed(&text) &&
		    !json_valid((const char *)buffer_data(&text), text.len))
			__builtin_trap();
		buffer_clear(&text);
	}
}

static void
reply(void *arg, const uint8_t *data, size_t len)
{
	static struct snmp_pdu pdu;
	struct snmp_message m;

	(void)arg;
	if (snmp_message_decode(&m, &pdu, data, len) != DEC_OK || m.size != len)
		__builtin_trap();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct listener_ops ops = { on_heard, reply };
	static struct usm_user users[] = { { .name = "open" }, { .name = "user", .auth = USM_MD5 },
		{ .name = "priv", .auth = USM_SHA512, .priv = USM_DES } };
	static const struct listener_conf conf = {
		.users = users, .user_count = 3, .engine = { { 0x80, 0, 0, 0, 1 }, 5 }, .boots = 3
	};
	struct monotime now = { 1000000000 };
	struct listener l;

	if (listener_init(&l, &conf, &ops, NULL, now, 0) < 0)
		return 0;
	for (size_t at = 0; at + 2 <= size;) {
		size_t len = (size_t)(data[at] << 8 | data[at + 1]);
		at += 2;
		len = len < size - at ? len : size - at;
		listener_receive(&l, data + at, len, now);
		at += len;
		now.ns += 1000000;
	}
	listener_clear(&l);
	return 0;
}
