#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

#include "common/buffer.h"
#include "ipc/event.h"
#include "ipc/message.h"
#include "tests/unit/suite.h"

/* One event in three fields and in four: ["gateway" "data"] nil "1"; with the times [5, 6] and [-1,
 * 0]. */
#define TYPE                                                                                       \
	"\x92\xa7gateway\xa4"                                                                      \
	"data"
#define T56 "\x92\x05\x06"
/* A frame, up to its bytes. */
#define FRAME "\x98\x01\xcf\0\0\0\0\0\0\0\1\xa6iec104\xc2\xa0\xa0\xa0"
#define TM1 "\x92\xff\x00"

struct row {
	enum ipc_type type;
	enum ipc_sender sender;
	unsigned phases;
	const char *body;
	size_t len;
};

#define ROW(name, sender, phases, bytes)                                                           \
	{                                                                                          \
		IPC_##name, sender, phases, bytes, sizeof(bytes) - 1                               \
	}
#define SUP IPC_SUPERVISOR
#define RUN IPC_RUNNER

/* Every message of the table, by hand: what is not written here from the contract is not tested. */
static const struct row rows[] = {
	ROW(INIT, SUP, PHASE_INIT,
	    "\x9a" /* ten fields */
	    "\x01" /* version 1 */
	    "\xad"
	    "modbus_master" /* type */
	    "\xa4"
	    "plc1" /* name */
	    "\xaf"
	    ":/etc/localtime"			   /* zone */
	    "\x06"				   /* log level */
	    "\xc2"				   /* check only: false */
	    "\x00"				   /* sandbox: strict */
	    "\xcf\x00\x00\x00\x00\x10\x00\x00\x00" /* memory: 256 MiB as 64 bits */
	    "\xcd\x01\x00"			   /* files: 256 */
	    "\xce\x00\x04\x00\x00"),		   /* credit: 262144 */
	ROW(OPENED, SUP, PHASE_LATER, "\x92\x6f\xa7refused"),
	ROW(EVENTS, SUP, PHASE_LATER,
	    "\x92" /* two events */
	    "\x94" TYPE T56 TM1 "\xa1"
	    "1" /* type, timestamp, source timestamp, JSON */
	    "\x94" TYPE T56 "\xc0"
	    "\x92\xa3hex\xc4\x02\x01\xff"), /* no source, bytes */
	ROW(QUERY_RESULT, SUP, PHASE_LATER,
	    "\x93\xc3\x91\x94" TYPE T56 "\xc0\xc0\xa3"
	    "cut"),
	ROW(CREDIT, SUP, PHASE_LATER, "\x91\xcd\x10\x00"), ROW(PING, SUP, PHASE_ANY, "\x90"),
	ROW(STOP, SUP, PHASE_ANY, "\x90"), ROW(SET_LOG_LEVEL, SUP, PHASE_ANY, "\x91\x07"),
	ROW(TRACE, SUP, PHASE_ANY, "\x91\xc3"), ROW(DESCRIBE, SUP, PHASE_LATER, "\x91\x00"),
	ROW(PLAN, RUN, PHASE_INIT,
	    "\x92"
	    "\x93\x00\xa9"
	    "127.0.0.1"
	    "\xcd\x01\xf6" /* connect, host, port 502 */
	    "\x93\x02\xaa"
	    "/dev/ttyS0"
	    "\x00"), /* tty, path, no port */
	ROW(CONFIG_ERROR, RUN, PHASE_ANY, "\x93\x00\xa4port\xa8too high"),
	ROW(READY, RUN, PHASE_LATER, "\x90"), ROW(OPEN, RUN, PHASE_LATER, "\x91\x00"),
	ROW(CANCEL, RUN, PHASE_LATER, "\x90"),
	ROW(REGISTER, RUN, PHASE_LATER,
	    "\x93"
	    "\x93" TYPE TM1 "\xa4true" /* source timestamp -1 s, JSON */
	    "\x93" TYPE "\xc0"
	    "\x92\xa1x\xc4\x00"	     /* none, empty bytes of type x */
	    "\x93" TYPE "\xc0\xc0"), /* nothing */
	ROW(QUERY, RUN, PHASE_LATER, "\x92\x91\xa1*\x92\xa6system\xa1?"),
	ROW(PONG, RUN, PHASE_ANY, "\x90"),
	ROW(STATS, RUN, PHASE_LATER,
	    "\x91\x92\xa5"
	    "polls"
	    "\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
	ROW(TRACE_FRAME, RUN, PHASE_LATER, FRAME "\xc4\x03\x68\x04\x07"),
	ROW(CLOSED, RUN, PHASE_ANY,
	    "\x91\xa4"
	    "done"),
	ROW(LINK, RUN, PHASE_LATER,
	    "\x91\xa9"
	    "connected"),
	ROW(HEALTH, RUN, PHASE_LATER,
	    "\x92"
	    "\x92\x00\x96" /* key 0 */
	    "\xa8"
	    "device 1\x03" T56 "\xa4late\xa0" /* down since, what, no last error */
	    "\x99\x01\x02\x03\x04\x05\x06\x07\x08\x09"
	    "\x92\xcd\x03\xff\xc0"), /* key 1023 is gone */
	ROW(DESCRIPTION, RUN, PHASE_LATER,
	    "\x92\x07" /* goes on at 7 */
	    "\x92"
	    "\x96\xa1x\xa7integer\xa0" TYPE "\x91" /* name, value, about, gives, one verb */
	    "\x97\xa5write\x91\xa1y\xa3$id\x91\xa1z\xa1m\xa1g\xa6\"text\""
	    "\xc0"			      /* no part that is a '?' */
	    "\x96\xa1p\xa0\xa0\xc0\x90\xc0"), /* no type, no verb */
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* A packet of exactly its size on the heap, so that ASan sees a read past its end. Freed by the
 * next. */
static uint8_t *
packet(unsigned type, unsigned flags, uint32_t id, const void *body, size_t len)
{
	static uint8_t *p;

	free(p);
	p = malloc(IPC_HEADER + len);
	ck_assert_ptr_nonnull(p);
	const uint8_t head[IPC_HEADER] = { type & 0xff, type >> 8, flags & 0xff, flags >> 8,
		id & 0xff, id >> 8 & 0xff, id >> 16 & 0xff, id >> 24 };
	memcpy(p, head, IPC_HEADER);
	memcpy(p + IPC_HEADER, body, len);
	return p;
}

static enum ipc_phase
any_phase(const struct row *r)
{
	return r->phases & PHASE_RUN ? PHASE_RUN : PHASE_INIT;
}

/* A REGISTER's events as their reader checks them. */
static const char *
check_events(const void *body, size_t len)
{
	struct cursor c = cursor_make(body, len);
	uint32_t count = ipc_events_begin(&c);
	struct ipc_text known = { 0 };
	struct ipc_event e;
	const char *why = NULL;

	for (uint32_t i = 0; i < count && !why; i++)
		why = ipc_event_read(&e, &c, &known);
	return why || cursor_done(&c) ? why : "bytes after the message";
}

static const char *
check_packet(const struct ipc_rule *rule, const uint8_t *bytes, size_t len, enum ipc_phase phase)
{
	struct ipc_header h;
	const char *why = ipc_check(bytes, len, rule->sender, phase, &h);

	return why || rule->type != IPC_REGISTER
		   ? why
		   : check_events(bytes + IPC_HEADER, len - IPC_HEADER);
}

static const char *
check(enum ipc_type type, const void *body, size_t len)
{
	const struct ipc_rule *rule = ipc_rule_find((uint16_t)type);

	return check_packet(rule, packet(type, 0, 0, body, len), IPC_HEADER + len,
	    rule->phases & PHASE_RUN ? PHASE_RUN : PHASE_INIT);
}

#define CHECK(name, bytes) check(IPC_##name, bytes, sizeof(bytes) - 1)

static void
assert_why(const char *got, const char *want, const char *what)
{
	ck_assert_msg(got && strcmp(got, want) == 0, "%s: got \"%s\", want \"%s\"", what,
	    got ? got : "accepted", want);
}

START_TEST(every_message_of_the_table_is_here)
{
	size_t declared = 0;

	for (unsigned t = 0; t <= UINT16_MAX; t++) {
		const struct ipc_rule *rule = ipc_rule_find((uint16_t)t);
		declared += rule != NULL;
		for (size_t i = 0; rule && i < ROWS; i++)
			if (rows[i].type == t) {
				ck_assert_uint_eq(rule->sender, rows[i].sender);
				ck_assert_uint_eq(rule->phases, rows[i].phases);
			}
	}
	ck_assert_uint_eq(declared, ROWS);
}
END_TEST

START_TEST(valid_is_accepted_with_its_header)
{
	for (size_t i = 0; i < ROWS; i++) {
		struct ipc_header h = { 0 };
		const struct row *r = &rows[i];
		const char *why = ipc_check(packet(r->type, 0, 0x87654321, r->body, r->len),
		    IPC_HEADER + r->len, r->sender, any_phase(r), &h);
		ck_assert_msg(!why, "row %zu: %s", i, why);
		ck_assert_uint_eq(h.type, r->type);
		ck_assert_uint_eq(h.id, 0x87654321);
	}
}
END_TEST

START_TEST(every_shorter_prefix_is_refused)
{
	for (size_t i = 0; i < ROWS; i++)
		for (size_t len = 0; len < IPC_HEADER + rows[i].len; len++) {
			uint8_t *exact = malloc(len ? len : 1);
			memcpy(exact, packet(rows[i].type, 0, 0, rows[i].body, rows[i].len), len);
			ck_assert_msg(check_packet(ipc_rule_find(rows[i].type), exact, len,
					  any_phase(&rows[i])),
			    "row %zu cut to %zu", i, len);
			free(exact);
		}
}
END_TEST

START_TEST(a_byte_after_it_is_refused)
{
	for (size_t i = 0; i < ROWS; i++) {
		uint8_t body[256];
		memcpy(body, rows[i].body, rows[i].len);
		body[rows[i].len] = 0xc0;
		assert_why(check(rows[i].type, body, rows[i].len + 1), "bytes after the message",
		    ipc_rule_find(rows[i].type)->name);
	}
}
END_TEST

START_TEST(the_speaker_is_checked)
{
	for (size_t i = 0; i < ROWS; i++) {
		struct ipc_header h;
		const struct row *r = &rows[i];
		assert_why(ipc_check(packet(r->type, 0, 0, r->body, r->len), IPC_HEADER + r->len,
			       r->sender == SUP ? RUN : SUP, any_phase(r), &h),
		    "not this side's message", ipc_rule_find(r->type)->name);
	}
}
END_TEST

START_TEST(the_time_is_checked)
{
	static const enum ipc_phase phases[] = { PHASE_INIT, PHASE_RUN, PHASE_STOP };

	for (size_t i = 0; i < ROWS; i++)
		for (size_t k = 0; k < 3; k++) {
			struct ipc_header h;
			const struct row *r = &rows[i];
			const char *why = ipc_check(packet(r->type, 0, 0, r->body, r->len),
			    IPC_HEADER + r->len, r->sender, phases[k], &h);
			if (r->phases & phases[k])
				ck_assert_msg(!why, "row %zu phase %d: %s", i, phases[k], why);
			else
				assert_why(why, "not in this phase", ipc_rule_find(r->type)->name);
		}
}
END_TEST

START_TEST(no_flag_is_known)
{
	for (size_t i = 0; i < ROWS; i++)
		for (unsigned bit = 0; bit < 16; bit++) {
			struct ipc_header h;
			const struct row *r = &rows[i];
			assert_why(ipc_check(packet(r->type, 1u << bit, 0, r->body, r->len),
				       IPC_HEADER + r->len, r->sender, any_phase(r), &h),
			    "unknown flags", ipc_rule_find(r->type)->name);
		}
}
END_TEST

START_TEST(unknown_types_are_refused)
{
	for (unsigned t = 0; t <= UINT16_MAX; t++) {
		struct ipc_header h;
		if (!ipc_rule_find((uint16_t)t))
			assert_why(ipc_check(packet(t, 0, 0, "\x90", 1), IPC_HEADER + 1, RUN,
				       PHASE_RUN, &h),
			    "unknown message type", "type");
	}
}
END_TEST

/* What an element announces and does not have: nothing is allocated for it, as it is never decoded.
 */
START_TEST(counts_that_lie_are_refused)
{
	assert_why(CHECK(REGISTER, "\xdd\xff\xff\xff\xff"), "not an array, or too many elements",
	    "4294967295 events");
	assert_why(
	    CHECK(REGISTER, "\xdd\x00\x00\x40\x00"), "cut short", "16384 events, none there");
	assert_why(
	    CHECK(REGISTER, "\xdc\x40\x01"), "not an array, or too many elements", "16385 events");
	assert_why(CHECK(STATS, "\xdd\x05\x55\x55\x55"), "not an array, or too many elements",
	    "2 GiB of objects in 5 bytes");
	assert_why(
	    CHECK(LINK, "\x91\xdb\xff\xff\xff\xff"), "not a text, or too long", "4 GiB text");
	assert_why(CHECK(LINK, "\x91\xda\x02\x00short"), "cut short", "512 bytes, 5 there");
	assert_why(CHECK(TRACE_FRAME, FRAME "\xc6\xff\xff\xff\xff"), "not bytes", "4 GiB bytes");
	assert_why(CHECK(TRACE_FRAME, FRAME "\xc6\x00\x00\xff\xff"
					    "x"),
	    "cut short", "64 KiB");
	assert_why(CHECK(REGISTER, "\x91\x93\x9f"), "cut short", "15 segments, none there");
	assert_why(CHECK(OPEN, "\x92\x00\x00"), "wrong number of fields", "two for one");
	assert_why(CHECK(OPEN, "\x90"), "wrong number of fields", "none for one");
}
END_TEST

START_TEST(wrong_kinds_are_refused)
{
	assert_why(CHECK(OPEN, "\x91\xc0"), "not an unsigned integer of 32 bits", "nil");
	assert_why(CHECK(OPEN, "\x91\xff"), "not an unsigned integer of 32 bits", "-1");
	assert_why(
	    CHECK(OPEN, "\x91\xca\x00\x00\x00\x00"), "not an unsigned integer of 32 bits", "float");
	assert_why(CHECK(OPEN, "\x91\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
	    "not an unsigned integer of 32 bits", "2^32");
	assert_why(CHECK(STATS, "\x91\x92\xa1x\xd0\xff"), "not an unsigned integer", "signed");
	assert_why(CHECK(TRACE, "\x91\x01"), "not a boolean", "integer");
	assert_why(CHECK(LINK, "\x91\xc4\x01x"), "not a text, or too long", "bytes");
	assert_why(CHECK(PING, "\x80"), "wrong number of fields", "map");
	assert_why(CHECK(PING, "\xc1"), "wrong number of fields", "the format that is never used");
	assert_why(CHECK(PING, "\xd4\x00\x00"), "wrong number of fields", "extension");
	assert_why(
	    CHECK(REGISTER, "\x91\x93" TYPE "\xc0\x05"), "not a payload", "a number as payload");
	assert_why(CHECK(REGISTER, "\x91\x93" TYPE "\xc0\x91\xa1x"), "not a payload", "one of two");
	assert_why(
	    CHECK(REGISTER, "\x91\x93" TYPE "\xc0\x92\xa1x\xa1y"), "not bytes", "text for bytes");
	assert_why(
	    CHECK(REGISTER, "\x91\x93" TYPE "\x91\x01\xc0"), "not a timestamp", "one of two");
	assert_why(
	    CHECK(REGISTER, "\x91\x93" TYPE "\x92\xc3\x00\xc0"), "not a timestamp", "boolean");
	assert_why(CHECK(REGISTER, "\x91\x93\x90\xc0\xc0"), "empty event type", "no segment");
	assert_why(CHECK(REGISTER, "\x91\x93\x91\x91\x91\x91\xc0\xc0\xc0"),
	    "not a text, or too long", "nested where a text is due");
}
END_TEST

START_TEST(times_have_a_range)
{
	ck_assert_ptr_null(CHECK(REGISTER, "\x91\x93" TYPE "\x92\x00\xce\x00\x0f\x42\x3f\xc0"));
	assert_why(CHECK(REGISTER, "\x91\x93" TYPE "\x92\x00\xce\x00\x0f\x42\x40\xc0"),
	    "microseconds out of range", "1000000 us");
	assert_why(
	    CHECK(REGISTER, "\x91\x93" TYPE "\x92\x00\xff\xc0"), "microseconds out of range", "-1");
	ck_assert_ptr_null(
	    CHECK(REGISTER, "\x91\x93" TYPE "\x92\xd3\x80\x00\x00\x00\x00\x00\x00\x00\x00\xc0"));
	ck_assert_ptr_null(
	    CHECK(REGISTER, "\x91\x93" TYPE "\x92\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\x00\xc0"));
	assert_why(
	    CHECK(REGISTER, "\x91\x93" TYPE "\x92\xcf\x80\x00\x00\x00\x00\x00\x00\x00\x00\xc0"),
	    "not a timestamp", "2^63 s");
}
END_TEST

START_TEST(texts_are_utf8)
{
	ck_assert_ptr_null(CHECK(LINK, "\x91\xa2\xc5\xbe"));
	assert_why(CHECK(LINK, "\x91\xa2\xc0\x80"), "not UTF-8", "overlong NUL");
	assert_why(CHECK(LINK, "\x91\xa3\xed\xa0\x80"), "not UTF-8", "surrogate");
	assert_why(CHECK(LINK, "\x91\xa1\xff"), "not UTF-8", "0xff");
	assert_why(CHECK(REGISTER, "\x91\x93\x91\xa1\x80\xc0\xc0"), "not UTF-8", "in a type");
	assert_why(CHECK(REGISTER, "\x91\x93" TYPE "\xc0\xa3\"\xfe\""),
	    "a payload that is not JSON", "in a JSON payload");
	assert_why(CHECK(REGISTER, "\x91\x93" TYPE "\xc0\x92\xa1\xfe\xc4\x00"), "not UTF-8",
	    "in a payload's type");
}
END_TEST

/* REGISTER of one event whose JSON payload makes the element `element` bytes long. */
static const char *
register_of(size_t element)
{
	static uint8_t body[IPC_MAX_MESSAGE + 16];
	size_t head = sizeof("\x93" TYPE "\xc0") - 1 + 3, text = element - head;

	memcpy(body, "\x91\x93" TYPE "\xc0\xda", head - 1);
	body[head - 1] = (uint8_t)(text >> 8);
	body[head] = (uint8_t)text;
	memset(body + head + 1, '7', text);
	return check(IPC_REGISTER, body, 1 + element);
}

START_TEST(limits_hold_to_the_byte)
{
	static char bytes[3 * (IPC_MAX_COUNT + 1) + 3];

	memcpy(bytes, "\x91\xda\x02\x00", 4);
	memset(bytes + 4, 'x', IPC_MAX_TEXT + 1);
	ck_assert_ptr_null(check(IPC_LINK, bytes, 4 + IPC_MAX_TEXT));
	bytes[3] = 1;
	assert_why(
	    check(IPC_LINK, bytes, 5 + IPC_MAX_TEXT), "not a text, or too long", "513 bytes");

	ck_assert_ptr_null(
	    CHECK(QUERY, "\x91\xdc\x00\x10\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0"
			 "\xa0\xa0\xa0\xa0"));
	assert_why(CHECK(QUERY, "\x91\xdc\x00\x11\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0\xa0"
				"\xa0\xa0\xa0\xa0\xa0"),
	    "not an event type", "17 segments");

	memcpy(bytes, "\xdc\x40\x00", 3);
	for (size_t i = 0; i <= IPC_MAX_COUNT; i++)
		memcpy(bytes + 3 + 3 * i, "\x91\xa1x", 3);
	ck_assert_ptr_null(check(IPC_QUERY, bytes, 3 + 3 * IPC_MAX_COUNT));
	bytes[2] = 1;
	assert_why(check(IPC_QUERY, bytes, 3 + 3 * (IPC_MAX_COUNT + 1)),
	    "not an array, or too many elements", "16385");

	ck_assert_ptr_null(register_of(IPC_MAX_EVENT));
	assert_why(register_of(IPC_MAX_EVENT + 1), "an event is too long", "an event of 61441");
	assert_why(
	    register_of(IPC_MAX_MESSAGE - IPC_HEADER), "longer than a message may be", "65537");
}
END_TEST

/* The reason for the walk: what it accepts is what msgpack-c decodes, whole, without a surprise. */
START_TEST(what_is_accepted_decodes)
{
	size_t accepted = 0;

	for (size_t i = 0; i < ROWS; i++)
		for (size_t at = 0; at < rows[i].len; at++)
			for (unsigned v = 0; v < 256; v++) {
				uint8_t body[256];
				size_t off = 0;
				msgpack_object o;
				memcpy(body, rows[i].body, rows[i].len);
				body[at] = (uint8_t)v;
				if (check(rows[i].type, body, rows[i].len))
					continue;
				msgpack_zone *zone = msgpack_zone_new(2048);
				ck_assert_int_eq(
				    msgpack_unpack((char *)body, rows[i].len, &off, zone, &o),
				    MSGPACK_UNPACK_SUCCESS);
				ck_assert_uint_eq(off, rows[i].len);
				msgpack_zone_free(zone);
				accepted++;
			}
	ck_assert_uint_gt(accepted, 1000);
}
END_TEST

START_TEST(remote_states_have_names)
{
	ck_assert_str_eq(ipc_remote_state_name(IPC_REMOTE_OFF), "off");
	ck_assert_str_eq(ipc_remote_state_name(IPC_REMOTE_UP), "up");
	ck_assert_str_eq(ipc_remote_state_name(IPC_REMOTE_DEGRADED), "degraded");
	ck_assert_str_eq(ipc_remote_state_name(IPC_REMOTE_DOWN), "down");
	ck_assert_str_eq(ipc_remote_state_name(IPC_REMOTE_STATE_COUNT), "unknown");
}
END_TEST

START_TEST(resources_have_names)
{
	ck_assert_str_eq(ipc_resource_name(IPC_RESOURCE_CONNECT), "connect");
	ck_assert_str_eq(ipc_resource_name(IPC_RESOURCE_FILE), "file");
	ck_assert_str_eq(ipc_resource_name(IPC_RESOURCE_UDP_LISTEN), "udp-listen");
	ck_assert_str_eq(ipc_resource_name(IPC_RESOURCE_COUNT), "unknown");
	for (int i = 0; i < IPC_RESOURCE_COUNT; i++) {
		const char *name = ipc_resource_name((enum ipc_resource)i);
		bool has_port = strcmp(name, "connect") == 0 || strcmp(name, "listen") == 0 ||
				strncmp(name, "udp", 3) == 0;
		ck_assert_int_eq(ipc_resource_has_port((enum ipc_resource)i), has_port);
	}
	ck_assert(!ipc_resource_has_port(IPC_RESOURCE_COUNT));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, every_message_of_the_table_is_here);
	tcase_add_test(tc, valid_is_accepted_with_its_header);
	tcase_add_test(tc, every_shorter_prefix_is_refused);
	tcase_add_test(tc, a_byte_after_it_is_refused);
	tcase_add_test(tc, the_speaker_is_checked);
	tcase_add_test(tc, the_time_is_checked);
	tcase_add_test(tc, no_flag_is_known);
	tcase_add_test(tc, unknown_types_are_refused);
	tcase_add_test(tc, counts_that_lie_are_refused);
	tcase_add_test(tc, wrong_kinds_are_refused);
	tcase_add_test(tc, times_have_a_range);
	tcase_add_test(tc, texts_are_utf8);
	tcase_add_test(tc, limits_hold_to_the_byte);
	tcase_add_test(tc, what_is_accepted_decodes);
	tcase_add_test(tc, resources_have_names);
	tcase_add_test(tc, remote_states_have_names);
}

UNIT_MAIN("ipc message")
