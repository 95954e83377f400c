#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocols/iec60870/link.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

enum { MS = 1000000 };

static struct link master, slave;
static struct monotime now;

static struct link_station_conf
station(uint16_t address)
{
	return (struct link_station_conf){ .address = address,
		.dir = false,
		.retries = 2,
		.response_ms = 100,
		.status_ms = 1000,
		.poll_ms = { 1000, -1 },
		.reconnect_ms = 500,
		.keep_alive_ms = 5000 };
}

static void
setup(enum link_mode mode, int count)
{
	struct link_conf conf = { .mode = mode, .address_size = 1 };

	now = (struct monotime){ 1000 * (int64_t)MS };
	link_init(&master, &conf);
	for (int i = 0; i < count; i++) {
		struct link_station_conf sc = station((uint16_t)(i + 1));
		ck_assert_int_eq(link_add(&master, &sc), i);
		link_open(&master, i, now);
	}
}

static void
teardown(void)
{
	link_clear(&master);
	link_clear(&slave);
}

/* One row: wait, then bytes from the line, then what must come out, as words: "tx 10 40..", "up 0",
 * "down 0", "data 0 ..", "delivered 7", "refused 7". */
struct row {
	const char *what;
	int64_t wait_ms;
	const char *in;	 /* hex */
	const char *out; /* words, one space between them */
};

static size_t
unhex(const char *s, uint8_t *out)
{
	size_t n = 0;

	for (; s && *s; s += 2)
		out[n++] = (uint8_t)strtoul((char[]){ s[0], s[1], 0 }, NULL, 16);
	return n;
}

static void
describe(char *text, size_t size, const struct link_action *a)
{
	static const char *const names[] = { "tx", "up", "down", "data", "delivered", "refused" };
	size_t at = strlen(text);

	at += (size_t)snprintf(text + at, size - at, "%s%s", at ? " " : "", names[a->type]);
	if (a->type == LINK_DELIVERED || a->type == LINK_REFUSED)
		at += (size_t)snprintf(text + at, size - at, " %d", (int)a->token);
	else if (a->type != LINK_TRANSMIT)
		at += (size_t)snprintf(text + at, size - at, " %d", a->station);
	if (a->type == LINK_TRANSMIT || a->type == LINK_DATA)
		text[at++] = ' ';
	for (size_t i = 0; i < a->len; i++)
		at += (size_t)snprintf(text + at, size - at, "%02x", a->data[i]);
	text[at] = 0;
}

static void
run(struct link *l, const struct row *rows)
{
	for (; rows->what; rows++) {
		uint8_t in[600];
		char out[4000] = "";
		struct link_action a;
		size_t n = unhex(rows->in, in);
		now = monotime_add_ms(now, rows->wait_ms);
		if (n)
			ck_assert_uint_eq(link_receive(l, in, n, now), n);
		while (link_next(l, now, &a))
			describe(out, sizeof(out), &a);
		ck_assert_msg(!strcmp(out, rows->out), "%s: \"%s\", expected \"%s\"", rows->what,
		    out, rows->out);
	}
}

#define RESET "tx 1040014116"
#define POLL1_FCB "tx 107a017b16"
#define POLL1 "tx 105a015b16"
#define STATUS "tx 1049014a16"

START_TEST(master_connects_polls_and_loses)
{
	static const struct row rows[] = {
		{ "begins with a reset", 0, "", RESET },
		{ "no answer: again", 100, "", RESET },
		{ "answered: connected; two resets were sent, so it settles first", 10, "e5",
		    "up 0 " STATUS },
		{ "the late answer to the first reset is ignored", 0, "e5", "" },
		{ "status: the first poll has FCB 1", 0, "100b010c16", POLL1_FCB },
		{ "data with ACD: given, polled at once with FCB 0", 5, "6805056828010203042f3216",
		    "" },
		{ "that was a bad checksum; the right one", 5,
		    "6804046828010203"
		    "2e16",
		    "data 0 0203 " POLL1 },
		{ "nothing more, E5: next poll after poll_class1_delay", 5, "e5", "" },
		{ "not yet", 999, "", "" },
		{ "now, FCB 1", 1, "", POLL1_FCB },
		{ "time-out: the same FCB", 100, "", POLL1_FCB },
		{ "time-out: the same FCB", 100, "", POLL1_FCB },
		{ "retries are used up: down, reset at once", 100, "", "down 0 " RESET },
		{ NULL, 0, NULL, NULL },
	};

	setup(LINK_MASTER, 1);
	run(&master, rows);
	ck_assert_uint_eq(master.counters.repeated, 2);
}
END_TEST

START_TEST(master_sends_data)
{
	static const struct row connect[] = {
		{ "reset", 0, "", RESET },
		{ "up, first poll", 0, "e5", "up 0 " POLL1_FCB },
		{ "no data", 0, "1009010a16", "" },
		{ NULL, 0, NULL, NULL },
	};
	static const struct row rows[] = {
		{ "data, FCB 0", 0, "", "tx 680404685301aabbb916" },
		{ "an answer of another station is not ours", 0, "1000020216", "" },
		{ "an answer to something else is not ours", 0,
		    "6804046808010203"
		    "0e16",
		    "" },
		{ "not taken now: asks for the status after a while", 0, "1001010216", "" },
		{ "status", 1000, "", STATUS },
		{ "no DFC: a new frame count bit, for it was received", 0, "100b010c16",
		    "tx 680404687301aabbd916" },
		{ "taken", 0, "1000010116", "delivered 7 " POLL1 },
		{ NULL, 0, NULL, NULL },
	};

	setup(LINK_MASTER, 1);
	ck_assert_int_eq(link_send(&master, 0, 0, "x", 1, 0, now), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	run(&master, connect);
	ck_assert_int_eq(link_send(&master, 0, 0, "\xaa\xbb", 2, 7, now), 0);
	run(&master, rows);
}
END_TEST

START_TEST(master_refusals_and_broadcast)
{
	static const struct row connect[] = {
		{ "reset", 0, "", RESET },
		{ "up, first poll", 0, "e5", "up 0 " POLL1_FCB },
		{ "no data", 0, "e5", "" },
		{ NULL, 0, NULL, NULL },
	};
	static const struct row rows[] = {
		{ "broadcast and data", 0, "",
		    "tx 6804046844ffaabba816 tx 680303685301"
		    "0155"
		    "16" },
		{ "not implemented", 0, "100f011016", "refused 8" },
		{ NULL, 0, NULL, NULL },
	};
	uint8_t big[254] = { 0 };

	setup(LINK_MASTER, 1);
	run(&master, connect);
	ck_assert_int_eq(link_send(&master, 0, 0, big, sizeof(big), 0, now), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(link_send(&master, LINK_ALL, 0, "\xaa\xbb", 2, 0, now), 0);
	ck_assert_int_eq(link_send(&master, 0, 0, "\x01", 1, 8, now), 0);
	run(&master, rows);
}
END_TEST

/* A station that is silent gets one attempt a reconnect_delay, so that the other is polled. */
START_TEST(silent_station_does_not_take_the_line)
{
	struct link_action a;
	int polls = 0, resets = 0;

	setup(LINK_MASTER, 2);
	for (int ms = 0; ms < 20000; ms++) {
		now = monotime_add_ms(now, 1);
		while (link_next(&master, now, &a)) {
			if (a.type != LINK_TRANSMIT)
				continue;
			if (a.data[2] == 1) {
				bool reset = a.data[1] == 0x40;
				polls += !reset;
				link_receive(&master, "\xe5", 1, now);
			} else {
				resets++;
			}
		}
	}
	ck_assert_int_ge(resets, 25);
	ck_assert_int_le(resets, 40);
	ck_assert_int_ge(polls, 17);
}
END_TEST

static void
setup_slave(void)
{
	struct link_conf conf = { .mode = LINK_SLAVE, .address_size = 1 };
	struct link_station_conf sc = station(1);

	now = (struct monotime){ 1000 * (int64_t)MS };
	link_init(&slave, &conf);
	ck_assert_int_eq(link_add(&slave, &sc), 0);
	ck_assert_int_eq(link_add(&slave, &sc), -1);
	sc.address = 255;
	ck_assert_int_eq(link_add(&slave, &sc), -1);
	link_open(&slave, 0, now);
}

START_TEST(slave_answers)
{
	static const struct row before[] = {
		{ "nothing by itself", 5000, "", "" },
		{ "another address", 0, "1040024216", "" },
		{ "status", 0, "1049014a16", "up 0 tx 100b010c16" },
		{ "data before a reset stay unanswered", 0, "680404687301aabbd916", "" },
		{ "reset", 0, "1040014116", "tx e5" },
		{ "nothing to give", 0, "107a017b16", "tx e5" },
		{ NULL, 0, NULL, NULL },
	};
	static const struct row after[] = {
		{ "the repetition gets the last answer, though data wait now", 0, "107a017b16",
		    "tx e5" },
		{ "status shows ACD", 0, "1049014a16", "tx 102b012c16" },
		{ "a poll of any class gets data; more waits", 0, "105b015c16",
		    "tx 68030368280111"
		    "3a16" },
		{ "repeated: the same", 0, "105b015c16",
		    "tx 68030368280111"
		    "3a16" },
		{ "reset: nothing says that it arrived", 0, "1040014116", "tx 1020012116" },
		{ "given again", 0, "107a017b16",
		    "tx 68030368280111"
		    "3a16" },
		{ "new FCB: it arrived; the next, none is left", 0, "105a015b16",
		    "delivered 1 tx 68030368080122"
		    "2b16" },
		{ "reset without a repetition: the answer may be lost as well", 0, "1040014116",
		    "tx 1020012116" },
		{ "given again", 0, "107a017b16",
		    "tx 68030368080122"
		    "2b16" },
		{ "the old FCB in another request: the master gave up on it", 0, "107b017c16",
		    "tx 68030368080122"
		    "2b16" },
		{ "new FCB, data: it arrived; taken", 0, "680404685301aabbb916",
		    "delivered 2 data 0 aabb tx e5" },
		{ "repeated: answered, not taken again", 0, "680404685301aabbb916", "tx e5" },
		{ "same FCB, other data: the master gave up on the last", 0, "680404685301aabcba16",
		    "data 0 aabc tx e5" },
		{ "no reply", 0, "680404684401aabbaa16", "data 0 aabb" },
		{ "broadcast", 0, "6804046844ffaabba816", "data -1 aabb" },
		{ "test is for balanced lines", 0, "1072017316", "tx 100f011016" },
		{ "unknown function", 0, "1045014616", "tx 100f011016" },
		{ "access demand", 0, "1048014916", "tx 100b010c16" },
		{ "keep_alive_timeout", 5000, "", "down 0" },
		{ "any request brings it back", 1, "105a015b16", "up 0 tx e5" },
		{ NULL, 0, NULL, NULL },
	};

	setup_slave();
	run(&slave, before);
	ck_assert_int_eq(link_send(&slave, 0, 0, "\x11", 1, 1, now), 0);
	ck_assert_int_eq(link_send(&slave, 0, 0, "\x22", 1, 2, now), 0);
	run(&slave, after);
}
END_TEST

START_TEST(slave_keeps_silence)
{
	static const struct row connect[] = {
		{ "reset", 0, "1040014116", "up 0" },
		{ "answer", 5, "", "tx e5" },
		{ NULL, 0, NULL, NULL },
	};

	setup_slave();
	slave.conf.silent_ns = 5 * MS;
	run(&slave, connect);
	ck_assert_int_eq(link_send(&slave, 0, 0, "\x33", 1, 3, now), 0);
	static const struct row first[] = {
		{ "not before silent_interval", 0, "107a017b16", "" },
		{ "not yet", 4, "", "" },
		{ "now", 1, "",
		    "tx 68030368080133"
		    "3c16" },
		{ NULL, 0, NULL, NULL },
	};
	run(&slave, first);
	link_pause(&slave, true);
	static const struct row paused[] = {
		{ "congested", 0, "1049014a16", "" },
		{ "DFC", 5, "", "tx 101b011c16" },
		{ NULL, 0, NULL, NULL },
	};
	run(&slave, paused);
}
END_TEST

START_TEST(balanced_station)
{
	static const struct row rows[] = {
		{ "reset of our direction, DIR 0", 0, "", RESET },
		{ "its reset (DIR 1) meanwhile", 0, "10c001c116", "tx e5" },
		{ "its data are not acknowledged before our direction stands", 0,
		    "68040468f301aabb5916", "" },
		{ "an answer with our own DIR is an echo", 0, "1000010116", "" },
		{ "answered", 0, "1080018116", "up 0" },
		{ "its data again", 0, "68040468f301aabb5916", "data 0 aabb tx e5" },
		{ "test function", 0, "10d201d316", "tx e5" },
		{ "a poll is not for balanced lines", 0, "10fa01fb16", "tx 100f011016" },
		{ "status_delay", 1000, "", STATUS },
		{ "status", 0, "108b018c16", "" },
		{ NULL, 0, NULL, NULL },
	};

	setup(LINK_BALANCED, 1);
	run(&master, rows);
}
END_TEST

/* Station 2 is silent; what station 1 answers with E5 meanwhile might be 2's. */
START_TEST(whose_single_character)
{
	static const struct row connect[] = {
		{ "reset 1", 0, "", RESET },
		{ "up; reset 2", 0, "e5", "up 0 tx 1040024216" },
		{ "2 is silent; poll 1", 100, "", POLL1_FCB },
		{ "E5 in doubt: status", 10, "e5", STATUS },
		{ "its status, nothing before: it was its E5", 0, "100b010c16", "" },
		{ "the next reset of 2", 490, "", "tx 1040024216" },
		{ "2 is silent again", 100, "", "" },
		{ NULL, 0, NULL, NULL },
	};
	static const struct row own_answer[] = {
		{ "a message", 0, "", "tx 680303685301015516" },
		{ "E5 in doubt: status", 10, "e5", STATUS },
		{ "not taken, says 1 itself: the E5 was not its own", 0, "1001010216", "" },
		{ "settled; asked for its status later", 0, "100b010c16", "" },
		{ "polls go on", 400, "", POLL1_FCB },
		{ NULL, 0, NULL, NULL },
	};

	setup(LINK_MASTER, 2);
	run(&master, connect);
	ck_assert_int_eq(link_send(&master, 0, 0, "\x01", 1, 5, now), 0);
	run(&master, own_answer);
	ck_assert_uint_eq(master.stations[0].queue.count, 1);
}
END_TEST

/* Another process had the line before, and what it asked last is answered while we begin. */
START_TEST(line_of_a_predecessor)
{
	static const struct row rows[] = {
		{ "nothing is asked", 0, "", "" },
		{ "a confirmation, not of our reset", 10, "1000010116", "" },
		{ "not yet", 89, "", "" },
		{ "the time for an answer is over", 1, "", RESET },
		{ "ours", 10, "1000010116", "up 0 " POLL1_FCB },
		{ NULL, 0, NULL, NULL },
	};
	static const struct row answers[] = {
		{ "its own answers are not held back", 0, "10c001c116", "tx e5" },
		{ "then it asks", 100, "", RESET },
		{ NULL, 0, NULL, NULL },
	};

	setup(LINK_MASTER, 1);
	link_line_opened(&master, 5000, now);
	run(&master, rows);
	link_clear(&master);
	setup(LINK_BALANCED, 1);
	link_line_opened(&master, 5000, now);
	run(&master, answers);
	link_clear(&master);
	setup(LINK_MASTER, 1);
	link_line_opened(&master, 30, now);
	ck_assert_int_eq(link_deadline(&master).ns - now.ns, 30 * (int64_t)MS);
}
END_TEST

START_TEST(repetition_after_a_status)
{
	static const struct row rows[] = {
		{ "reset", 0, "1040014116", "up 0 tx e5" },
		{ "data", 0, "680404687301aabbd916", "data 0 aabb tx e5" },
		{ "status", 0, "1049014a16", "tx 100b010c16" },
		{ "the data again: their answer, not the status", 0, "680404687301aabbd916",
		    "tx e5" },
		{ NULL, 0, NULL, NULL },
	};

	setup_slave();
	run(&slave, rows);
}
END_TEST

START_TEST(data_before_a_reset)
{
	static const struct row strict[] = {
		{ "our reset", 0, "", RESET },
		{ "answered", 0, "1080018116", "up 0" },
		{ "data without a reset", 0, "68040468f301aabb5916", "" },
		{ NULL, 0, NULL, NULL },
	};
	static const struct row controlling[] = {
		{ "our reset", 0, "", RESET },
		{ "data without a reset, before our direction stands", 0, "68040468f301aabb5916",
		    "data 0 aabb tx e5" },
		{ "repeated", 0, "68040468f301aabb5916", "tx e5" },
		{ "answered", 0, "1080018116", "up 0" },
		{ NULL, 0, NULL, NULL },
	};

	setup(LINK_BALANCED, 1);
	run(&master, strict);
	link_clear(&master);
	setup(LINK_BALANCED, 1);
	master.conf.controlling = true;
	run(&master, controlling);
}
END_TEST

/* Nothing in control direction ages in a queue. */
START_TEST(commands_for_a_busy_station)
{
	static const struct row connect[] = {
		{ "reset", 0, "", RESET },
		{ "up, first poll", 0, "e5", "up 0 " POLL1_FCB },
		{ "no data, and busy (DFC)", 0, "1019011a16", "" },
		{ NULL, 0, NULL, NULL },
	};

	setup(LINK_MASTER, 1);
	master.conf.controlling = true;
	run(&master, connect);
	ck_assert_int_eq(link_send(&master, 0, 0, "\x01", 1, 5, now), 0);
	ck_assert_int_eq(link_send(&master, 0, 0, "\x02", 1, 6, now), 0);
	char out[4000] = "";
	for (int s = 0; s < 11; s++) {
		struct link_action a;
		now = monotime_add_ms(now, 1000);
		while (link_next(&master, now, &a)) {
			if (a.type == LINK_TRANSMIT) {
				ck_assert_int_ne(a.data[0], 0x68);
				bool status = (a.data[1] & 15) == FT12_REQ_STATUS;
				link_receive(&master,
				    status ? "\x10\x1b\x01\x1c\x16" : "\x10\x19\x01\x1a\x16", 5,
				    now);
			} else {
				describe(out, sizeof(out), &a);
			}
		}
	}
	ck_assert_str_eq(out, "refused 5 refused 6");
}
END_TEST

START_TEST(commands_that_waited_for_the_line)
{
	static const struct row connect[] = {
		{ "reset", 0, "", RESET },
		{ "up, first poll", 0, "e5", "up 0 " POLL1_FCB },
		{ "no data", 0, "1009010a16", "" },
		{ NULL, 0, NULL, NULL },
	};
	static const struct row young[] = {
		{ "10 s later it leaves", LINK_MAX_AGE_MS, "", "tx 680303685301015516" },
		{ "confirmed", 0, "e5", "delivered 5 " POLL1_FCB },
		{ "no data", 0, "1009010a16", "" },
		{ NULL, 0, NULL, NULL },
	};
	static const struct row old[] = {
		{ "a millisecond more and it does not; what is stamped when it leaves does",
		    LINK_MAX_AGE_MS + 1, "", "refused 6 refused 7 tx 680303685301045816" },
		{ NULL, 0, NULL, NULL },
	};

	setup(LINK_MASTER, 1);
	master.conf.controlling = true;
	run(&master, connect);
	ck_assert_int_eq(link_send(&master, 0, 0, "\x01", 1, 5, now), 0);
	run(&master, young);
	ck_assert_int_eq(link_send(&master, 0, 0, "\x02", 1, 6, now), 0);
	ck_assert_int_eq(link_send(&master, 0, 0, "\x03", 1, 7, now), 0);
	ck_assert_int_eq(link_send(&master, 0, LINK_STAMPED, "\x04", 1, 8, now), 0);
	ck_assert_int_eq(link_send(&master, LINK_ALL, 0, "\x05", 1, 9, now), 0);
	run(&master, old);
}
END_TEST

START_TEST(data_without_a_reply)
{
	static const struct row connect[] = {
		{ "our reset", 0, "", RESET },
		{ "answered", 0, "1080018116", "up 0" },
		{ NULL, 0, NULL, NULL },
	};
	static const struct row rows[] = {
		{ "SEND/NO REPLY, then SEND/CONFIRM, at once", 0, "",
		    "tx 680404684401aabbaa16 delivered 7 tx 680303687301cc4016" },
		{ "confirmed", 0, "1080018116", "delivered 8" },
		{ NULL, 0, NULL, NULL },
	};

	setup(LINK_BALANCED, 1);
	run(&master, connect);
	ck_assert_int_eq(link_send(&master, 0, LINK_NO_REPLY, "\xaa\xbb", 2, 7, now), 0);
	ck_assert_int_eq(link_send(&master, 0, 0, "\xcc", 1, 8, now), 0);
	run(&master, rows);
}
END_TEST

/* Each direction has an address of its own: 5 in our requests and their answers, 1 in the peer's.
 */
START_TEST(two_addresses)
{
	static const struct row rows[] = {
		{ "our reset", 0, "", "tx 1040054516" },
		{ "an answer of address 1 is none", 0, "1080018116", "" },
		{ "answered", 0, "1080058516", "up 0" },
		{ "a request to address 5 is not for us", 0, "10c005c516", "" },
		{ "the peer's reset", 0, "10c001c116", "tx e5" },
		{ "its request of our status", 0, "10c901ca16", "tx 100b010c16" },
		{ NULL, 0, NULL, NULL },
	};
	struct link_station_conf sc = station(5);

	setup(LINK_BALANCED, 0);
	sc.two_addresses = true;
	sc.own_address = 1;
	ck_assert_int_eq(link_add(&master, &sc), 0);
	sc.address = 6;
	ck_assert_int_eq(link_add(&master, &sc), -1); /* whose would its requests be? */
	link_open(&master, 0, now);
	run(&master, rows);
}
END_TEST

START_TEST(peer_that_restarts)
{
	static const struct row rows[] = {
		{ "our reset", 0, "", RESET },
		{ "answered", 0, "1080018116", "up 0" },
		{ "its first reset follows ours", 500, "10c001c116", "tx e5" },
		{ "the answer was lost: again", 200, "10c001c116", "tx e5" },
		{ "status", 300, "", STATUS },
		{ "answered", 0, "108b018c16", "" },
		{ "it restarted: so do we", 800, "10c001c116", "down 0 tx e5 " RESET },
		{ "answered", 0, "1080018116", "up 0" },
		{ "it follows with a reset of its own", 100, "10c001c116", "tx e5" },
		{ NULL, 0, NULL, NULL },
	};

	setup(LINK_BALANCED, 1);
	run(&master, rows);
}
END_TEST

static void
count_up(void *arg, uint8_t *data, size_t len)
{
	data[len - 1] = (uint8_t)++ * (int *)arg;
}

/* The time of a message is that of its leaving, not that of its waiting. */
START_TEST(messages_are_stamped_when_they_leave)
{
	static const struct row connect[] = {
		{ "our reset", 0, "", RESET },
		{ "answered", 0, "1080018116", "up 0" },
		{ NULL, 0, NULL, NULL },
	};
	static const struct row rows[] = {
		{ "one without a stamp, and the first", 0, "", "tx 680404687301aabbd916" },
		{ "confirmed: the next", 50, "1080018116", "delivered 1 tx 680404685301aa01ff16" },
		{ "repeated", 100, "", "tx 680404685301aa020016" },
		{ NULL, 0, NULL, NULL },
	};
	int stamps = 0;

	setup(LINK_BALANCED, 1);
	link_set_stamp(&master, count_up, &stamps);
	run(&master, connect);
	ck_assert_int_eq(link_send(&master, 0, 0, "\xaa\xbb", 2, 1, now), 0);
	ck_assert_int_eq(link_send(&master, 0, LINK_STAMPED, "\xaa\0", 2, 2, now), 0);
	run(&master, rows);
}
END_TEST

/* --- two ends and a bad line --- */

enum { PIPE = 1 << 16, STATIONS = 3 };

struct faults {
	int drop, twice, delay, corrupt, split; /* of 1000 frames */
};

/* One direction: bytes with the time that each arrives, never before an earlier one. */
struct wire {
	uint8_t bytes[PIPE];
	int64_t at[PIPE];
	size_t head, tail;
	int64_t last;
};

static struct wire wires[2];

static bool
happens(int permille)
{
	return random() % 1000 < permille;
}

static void
wire_put(struct wire *w, const uint8_t *p, size_t n, int64_t at)
{
	if (at < w->last)
		at = w->last;
	w->last = at;
	for (size_t i = 0; i < n; i++) {
		w->bytes[w->tail % PIPE] = p[i];
		w->at[w->tail++ % PIPE] = at;
	}
	expect(w->tail - w->head < PIPE);
}

static void
wire_send(struct wire *w, const struct link_action *a, const struct faults *f)
{
	uint8_t frame[FT12_MAX_FRAME];
	/* There and back longer than response_timeout, at times, and never than twice that. */
	int64_t at = now.ns + 1 * MS;

	memcpy(frame, a->data, a->len);
	if (happens(f->drop))
		return;
	/* What one disturbed character can do that parity does not see: two bits. */
	if (happens(f->corrupt)) {
		int bit = (int)(random() % 8);
		frame[(size_t)random() % a->len] ^=
		    (uint8_t)(1 << bit | 1 << ((bit + 1 + random() % 7) % 8));
	}
	if (happens(f->delay))
		at += random() % 40 * MS;
	size_t cut = happens(f->split) ? (size_t)random() % a->len : 0;
	wire_put(w, frame, cut, at);
	wire_put(w, frame + cut, a->len - cut, at + (cut ? random() % 55 * MS : 0));
	if (happens(f->twice))
		wire_put(w, frame, a->len, w->last);
}

struct app {
	struct link *link;
	uint32_t out[STATIONS], in[STATIONS];
	uint64_t confirmed[STATIONS];
	unsigned ups, downs;
};

static void
app_send(struct app *app, int st)
{
	uint8_t data[200];
	size_t n = 4 + (size_t)random() % (sizeof(data) - 4);

	for (size_t i = 4; i < n; i++)
		data[i] = (uint8_t)random();
	memcpy(data, &app->out[st], 4);
	if (!link_send(app->link, st, 0, data, n, app->out[st], now))
		app->out[st]++;
}

static void
app_turn(struct app *app, struct wire *out, struct wire *in, const struct faults *f)
{
	struct link_action a;

	while (in->head < in->tail && in->at[in->head % PIPE] <= now.ns) {
		uint8_t byte = in->bytes[in->head++ % PIPE];
		expect(link_receive(app->link, &byte, 1, now) == 1);
		if (in->head < in->tail && in->at[in->head % PIPE] <= now.ns &&
		    app->link->rx.len < FT12_RX_SIZE / 2)
			continue; /* merged reads */
		break;
	}
	while (link_next(app->link, now, &a)) {
		if (a.type == LINK_TRANSMIT)
			wire_send(out, &a, f);
		app->ups += a.type == LINK_UP;
		app->downs += a.type == LINK_DOWN;
		if (a.type == LINK_DATA) {
			expect(a.len >= 4);
			expect_msg(!memcmp(a.data, &app->in[a.station], 4),
			    "station %d: lost, doubled or out of order", a.station);
			app->in[a.station]++;
		}
		if (a.type == LINK_DELIVERED)
			expect(a.token == app->confirmed[a.station]++);
	}
}

static const struct {
	const char *what;
	enum link_mode mode;
	struct faults faults;
	bool dead; /* one more station that never answers */
} lines[] = {
	{ "balanced, clean", LINK_BALANCED, { 0, 0, 0, 0, 0 }, false },
	{ "balanced, drops", LINK_BALANCED, { 50, 0, 0, 0, 0 }, false },
	{ "balanced, all", LINK_BALANCED, { 30, 20, 30, 50, 100 }, false },
	{ "unbalanced, clean", LINK_MASTER, { 0, 0, 0, 0, 0 }, false },
	{ "unbalanced, drops", LINK_MASTER, { 50, 0, 0, 0, 0 }, false },
	{ "unbalanced, all", LINK_MASTER, { 30, 20, 30, 50, 100 }, false },
	{ "balanced, all, one dead", LINK_BALANCED, { 30, 20, 30, 50, 100 }, true },
	{ "unbalanced, all, one dead", LINK_MASTER, { 30, 20, 30, 50, 100 }, true },
};

static void
sim_setup(enum link_mode mode, bool dead, struct app apps[2])
{
	struct link_conf conf = { .mode = mode, .address_size = 1, .silent_ns = 2 * MS };

	now = (struct monotime){ 1000 * (int64_t)MS };
	memset(wires, 0, sizeof(wires));
	link_init(&master, &conf);
	if (mode == LINK_MASTER)
		conf.mode = LINK_SLAVE;
	link_init(&slave, &conf);
	apps[0] = (struct app){ .link = &master };
	apps[1] = (struct app){ .link = &slave };
	for (int i = 0; i < STATIONS; i++) {
		struct link_station_conf sc = station((uint16_t)(i + 1));
		sc.retries = 60;
		sc.keep_alive_ms = 1000000;
		sc.poll_ms[0] = 200;
		sc.poll_ms[1] = i == 1 ? 500 : -1;
		link_add(&master, &sc);
		sc.dir = mode == LINK_BALANCED;
		link_add(&slave, &sc);
		link_open(&master, i, now);
		link_open(&slave, i, now);
	}
	if (dead) {
		struct link_station_conf sc = station(99);
		link_open(&master, link_add(&master, &sc), now);
	}
}

enum { SIM_SECONDS = 3600 };

/* Simulated traffic for each line, both ways: nothing is lost, doubled or out of order. */
START_TEST(bad_line_keeps_the_order)
{
	struct app apps[2];
	const struct faults *f = &lines[_i].faults;
	static const struct faults none;

	srandom((unsigned)_i + 17);
	sim_setup(lines[_i].mode, lines[_i].dead, apps);
	int64_t end = now.ns + SIM_SECONDS * INT64_C(1000) * MS;
	while (now.ns < end) {
		now = monotime_add_ms(now, 1);
		bool quiet = now.ns > end - INT64_C(120) * 1000 * MS;
		if (!quiet && random() % 400 == 0)
			app_send(&apps[random() % 2], (int)(random() % STATIONS));
		app_turn(&apps[0], &wires[0], &wires[1], quiet ? &none : f);
		app_turn(&apps[1], &wires[1], &wires[0], quiet ? &none : f);
	}
	for (int i = 0; i < STATIONS; i++) {
		for (int e = 0; e < 2; e++) {
			ck_assert_uint_gt(apps[e].out[i], SIM_SECONDS / 4);
			ck_assert_uint_eq(apps[e].out[i], apps[!e].in[i]);
			ck_assert_uint_eq(apps[e].confirmed[i], apps[e].out[i]);
		}
	}
	ck_assert_uint_eq(apps[0].ups, STATIONS);
	ck_assert_uint_eq(apps[0].downs + apps[1].downs, 0);
	if (f->drop)
		ck_assert_uint_gt(master.counters.repeated, SIM_SECONDS / 36);
}
END_TEST

/* link_deadline() never lets a turn be missed: stepping from deadline to deadline sends the same as
 * stepping by the millisecond. */
START_TEST(deadline_is_enough)
{
	uint64_t sent[2];

	for (int by_deadline = 0; by_deadline < 2; by_deadline++) {
		struct link_action a;
		setup(LINK_MASTER, 3);
		int64_t end = now.ns + INT64_C(30) * 1000 * MS;
		while (now.ns < end) {
			while (link_next(&master, now, &a))
				if (a.type == LINK_TRANSMIT && a.data[2] != 3)
					link_receive(&master, "\xe5", 1, now);
			struct monotime at = link_deadline(&master);
			ck_assert(at.ns);
			now = by_deadline && at.ns > now.ns ? at : monotime_add_ms(now, 1);
		}
		sent[by_deadline] = master.counters.sent;
		link_clear(&master);
	}
	ck_assert_uint_gt(sent[0], 80);
	ck_assert_uint_eq(sent[0], sent[1]);
}
END_TEST

START_TEST(queue_is_bounded)
{
	struct link_action a;
	uint8_t data[200] = { 0 };
	size_t n = 0;

	setup_slave();
	link_receive(&slave, "\x10\x40\x01\x41\x16", 5, now);
	while (link_next(&slave, now, &a))
		;
	while (!link_send(&slave, 0, 0, data, sizeof(data), n, now))
		n++;
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_uint_gt(n, 10000);
	ck_assert_uint_lt(n * sizeof(data), LINK_QUEUE_BYTES);
	link_line_lost(&slave, now);
	ck_assert_uint_eq(slave.stations[0].queue.count, 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, master_connects_polls_and_loses);
	tcase_add_test(tc, master_sends_data);
	tcase_add_test(tc, master_refusals_and_broadcast);
	tcase_add_test(tc, silent_station_does_not_take_the_line);
	tcase_add_test(tc, slave_answers);
	tcase_add_test(tc, slave_keeps_silence);
	tcase_add_test(tc, balanced_station);
	tcase_add_test(tc, data_before_a_reset);
	tcase_add_test(tc, commands_for_a_busy_station);
	tcase_add_test(tc, commands_that_waited_for_the_line);
	tcase_add_test(tc, data_without_a_reply);
	tcase_add_test(tc, two_addresses);
	tcase_add_test(tc, peer_that_restarts);
	tcase_add_test(tc, messages_are_stamped_when_they_leave);
	tcase_add_test(tc, whose_single_character);
	tcase_add_test(tc, line_of_a_predecessor);
	tcase_add_test(tc, repetition_after_a_status);
	tcase_add_table_test(tc, bad_line_keeps_the_order, lines);
	tcase_add_test(tc, deadline_is_enough);
	tcase_add_test(tc, queue_is_bounded);
}

UNIT_MAIN("link")
