#include <stdio.h>
#include <stdlib.h>

#include "device-runners/modbus/remote.h"
#include "device-runners/modbus/sched.h"
#include "tests/unit/suite.h"

enum { MS = 1000000, MAX_LOG = 64, UNITS = 4 };

static char lines[MAX_LOG][96];
static int line_count, line_read_at;
static struct conf_master master;
static struct conf_data data[UNITS][4];
static struct conf_remote confs[UNITS];
static struct remote remotes[UNITS];
static struct monotime now;

static void
say(const struct remote *r, const char *what, const char *a, const char *b, const char *c)
{
	ck_assert_int_lt(line_count, MAX_LOG);
	snprintf(lines[line_count++], sizeof(lines[0]), "%u %s %s%s%s%s%s", r->conf->unit, what, a,
	    b ? " " : "", b ? b : "", c ? " " : "", c ? c : "");
}

static void
on_status(void *arg, const struct remote *r)
{
	(void)arg;
	say(r, "status", remote_status_name(r->status), NULL, NULL);
}

static void
on_read(void *arg, const struct remote *r, const struct conf_data *d, const char *result,
    const char *cause, const uint8_t *value)
{
	char text[MODBUS_MAX_VALUE_TEXT] = "";

	(void)arg;
	if (value)
		modbus_value_format(value, d->bits, text);
	say(r, d->name, value ? text : result, cause, NULL);
}

static void
on_written(void *arg, const struct remote *r, const struct conf_data *d, const char *id,
    const char *result)
{
	(void)arg;
	say(r, "written", d->name, id, result);
}

static const struct remote_ops ops = { on_status, on_read, on_written };

static void
expect(const char *line)
{
	ck_assert_msg(line_read_at < line_count, "nothing more was said, expected '%s'", line);
	ck_assert_str_eq(lines[line_read_at++], line);
}

static bool
was_said(const char *line)
{
	for (int i = 0; i < line_count; i++)
		if (strcmp(lines[i], line) == 0)
			return true;
	return false;
}

static void
expect_silence(void)
{
	ck_assert_msg(line_read_at == line_count, "unexpected '%s'", lines[line_read_at]);
}

/* Four registers a unit: 10, 11, 12 once a second, 20 never read. */
static void
start(void)
{
	static char *const names[] = { "a", "b", "c", "w" };

	line_count = line_read_at = 0;
	now = (struct monotime){ INT64_C(1000000000) };
	master = (struct conf_master){ .request_timeout_ns = 100 * MS, .retry_delay_ns = 500 * MS };
	for (uint8_t u = 0; u < UNITS; u++) {
		for (int i = 0; i < 4; i++)
			data[u][i] = (struct conf_data){ .name = names[i],
				.type = MODBUS_HOLDING_REGISTER,
				.start = (uint16_t)(i < 3 ? 10 + i : 20),
				.bits = 16,
				.interval_us = i < 3 ? 1000000 : PLAN_NEVER };
		confs[u] = (struct conf_remote){ .unit = (uint8_t)(u + 1),
			.timeout_poll_delay_ns = 3000 * INT64_C(1000000),
			.data = data[u],
			.count = 4 };
		ck_assert_int_eq(remote_init(&remotes[u], &master, &confs[u], &ops, NULL), 0);
	}
}

static void
end(void)
{
	for (int u = 0; u < UNITS; u++)
		remote_clear(&remotes[u]);
}

/* A device whose register n holds base + n, and where `hole` is refused. */
static void
serve(struct remote *r, uint16_t base, uint32_t hole)
{
	const struct modbus_pdu *req = remote_poll(r, now);
	uint8_t regs[250];
	struct modbus_pdu res = { .fc = 3, .data = regs, .len = 2U * req->quantity };

	for (uint32_t i = 0; i < req->quantity; i++) {
		regs[2 * i] = (uint8_t)((base + req->address + i) >> 8);
		regs[2 * i + 1] = (uint8_t)(base + req->address + i);
		if (req->address + i == hole)
			res = (struct modbus_pdu){ .fc = 3,
				.exception = MODBUS_ILLEGAL_DATA_ADDRESS };
	}
	remote_on_poll(r, &res, now);
}

static void
go_online(struct remote *r)
{
	remote_enable(r, true, now);
	remote_online(r, now);
	expect("1 status CONNECTING");
}

START_TEST(values_and_changes)
{
	struct remote *r = &remotes[0];

	start();
	go_online(r);
	ck_assert_int_le(remote_poll_at(r).ns, now.ns);
	serve(r, 100, 0);
	expect("1 status CONNECTED");
	expect("1 a 110 INTERROGATE");
	expect("1 b 111 INTERROGATE");
	expect("1 c 112 INTERROGATE");
	ck_assert_int_eq(remote_poll_at(r).ns - now.ns, 1000 * INT64_C(1000000));
	now = monotime_add_ms(now, 1000);
	serve(r, 100, 0);
	expect_silence();
	now = monotime_add_ms(now, 1000);
	serve(r, 101, 0);
	expect("1 a 111 CHANGE");
	expect("1 b 112 CHANGE");
	expect("1 c 113 CHANGE");
	remote_on_poll(
	    r, (remote_poll(r, now), &(struct modbus_pdu){ .fc = 3, .exception = 4 }), now);
	expect("1 a FUNCTION_ERROR");
	expect("1 b FUNCTION_ERROR");
	expect("1 c FUNCTION_ERROR");
	serve(r, 101, 0);
	expect("1 a 111 INTERROGATE");
	end();
}
END_TEST

START_TEST(missed_periods_are_not_made_up)
{
	struct remote *r = &remotes[0];

	start();
	go_online(r);
	serve(r, 0, 0);
	struct monotime begin = now;
	now = monotime_add_ms(now, 5300);
	serve(r, 0, 0);
	ck_assert_int_eq(remote_poll_at(r).ns - begin.ns, 6000 * INT64_C(1000000));
	end();
}
END_TEST

START_TEST(timeout_then_poll_delay)
{
	struct remote *r = &remotes[0];

	start();
	master.retry_immediate = 1;
	master.retry_delayed = 1;
	go_online(r);
	remote_poll(r, now);
	remote_on_poll(r, NULL, now);
	ck_assert_int_eq(remote_poll_at(r).ns, now.ns); /* at once */
	remote_poll(r, now);
	remote_on_poll(r, NULL, now);
	ck_assert_int_eq(remote_poll_at(r).ns - now.ns, 500 * MS); /* later */
	remote_poll(r, now);
	remote_on_poll(r, NULL, now);
	remote_poll(r, now);
	expect_silence();
	remote_on_poll(r, NULL, now);
	expect("1 status DISCONNECTED");
	ck_assert_int_eq(remote_poll_at(r).ns - now.ns, 3000 * INT64_C(1000000));
	now = monotime_add_ms(now, 3000);
	remote_poll(r, now);
	expect("1 status CONNECTING");
	serve(r, 0, 0);
	expect("1 status CONNECTED");
	expect("1 a 10 INTERROGATE");
	end();
}
END_TEST

START_TEST(enable_and_disable)
{
	struct remote *r = &remotes[0];

	start();
	remote_online(r, now);
	expect("1 status DISABLED");
	ck_assert_int_eq(remote_poll_at(r).ns, INT64_MAX);
	remote_enable(r, true, now);
	expect("1 status CONNECTING");
	remote_poll(r, now);
	remote_enable(r, false, now);
	expect("1 status DISABLED");
	remote_on_poll(r, &(struct modbus_pdu){ .fc = 3, .exception = 2 }, now);
	remote_enable(r, true, now);
	expect("1 status CONNECTING");
	remote_offline(r);
	expect("1 status DISABLED");
	remote_enable(r, false, now);
	remote_online(r, now);
	expect("1 status DISABLED");
	expect_silence();
	end();
}
END_TEST

START_TEST(a_refused_register_costs_only_itself)
{
	struct remote *r = &remotes[0];

	start();
	go_online(r);
	for (int i = 0; i < 5; i++)
		serve(r, 0, 11);
	expect("1 status CONNECTED");
	ck_assert_int_eq(line_count, 5);
	ck_assert(was_said("1 a 10 INTERROGATE"));
	ck_assert(was_said("1 b INVALID_DATA_ADDRESS"));
	ck_assert(was_said("1 c 12 INTERROGATE"));
	line_read_at = line_count;
	ck_assert_int_gt(remote_poll_at(r).ns, now.ns);
	/* A while later the whole is tried, and as it is whole again, it stays so. */
	now = monotime_add_ms(now, REMOTE_WHOLE_MS);
	serve(r, 0, 0);
	expect("1 b 11 INTERROGATE");
	expect_silence();
	ck_assert_uint_eq(r->range_count, 1);
	ck_assert_int_gt(remote_poll_at(r).ns, now.ns);
	end();
}
END_TEST

START_TEST(a_refused_whole_waits_longer)
{
	struct remote *r = &remotes[0];

	start();
	go_online(r);
	for (int i = 0; i < 5; i++)
		serve(r, 0, 11);
	int polls = 0;
	struct monotime begin = now;
	while (monotime_diff_ms(now, begin) < REMOTE_WHOLE_MS * 8) {
		now = remote_poll_at(r);
		line_count = 0;
		const struct modbus_pdu *req = remote_poll(r, now);
		polls += req->quantity == 3;
		serve(r, 0, 11);
	}
	ck_assert_int_eq(polls, 3);
	ck_assert_uint_eq(r->range_count, 3);
	end();
}
END_TEST

START_TEST(writes_keep_their_order)
{
	struct remote *r = &remotes[0];
	static const struct modbus_pdu ok = { .fc = 6 }, bad = { .fc = 6, .exception = 1 };

	start();
	remote_online(r, now);
	expect("1 status DISABLED");
	ck_assert(!remote_add_write(r, "nothing", "x", "1", 1));
	ck_assert(remote_add_write(r, "w", "big", "65536", 5));
	expect("1 written w big INVALID_DATA_VALUE");
	ck_assert(remote_add_write(r, "w", "minus", "-1", 2));
	expect("1 written w minus INVALID_DATA_VALUE");
	ck_assert(remote_add_write(r, "w", "one", "1", 1));
	ck_assert(remote_add_write(r, "a", "two", "2", 1));
	ck_assert_uint_eq(remote_write(r)->address, 20);
	ck_assert_uint_eq(remote_write(r)->value, 1);
	remote_on_write(r, &ok, now);
	expect("1 written w one SUCCESS");
	remote_on_write(r, &bad, now);
	expect("1 written a two INVALID_FUNCTION_CODE");
	remote_add_write(r, "w", "three", "3", 1);
	remote_on_write(r, NULL, now);
	expect("1 written w three TIMEOUT");
	ck_assert_int_eq(remote_write_at(r).ns, INT64_MAX);
	remote_add_write(r, "w", "four", "4", 1);
	ck_assert_uint_eq(remote_offline(r), 1);
	expect_silence();
	end();
}
END_TEST

START_TEST(writes_are_bounded)
{
	struct remote *r = &remotes[0];

	start();
	remote_online(r, now);
	expect("1 status DISABLED");
	for (int i = 0; i < REMOTE_MAX_WRITES; i++)
		ck_assert(remote_add_write(r, "w", "x", "1", 1));
	expect_silence();
	ck_assert(remote_add_write(r, "w", "over", "1", 1));
	expect("1 written w over FUNCTION_ERROR");
	end();
}
END_TEST

/* One silent unit, or two, and busy ones: nobody waits for more than one time-out at a time. */
START_TEST(the_silent_do_not_starve_the_others)
{
	static const struct modbus_pdu fine = { .fc = 3, .exception = 4 };
	struct client_conf conf = { .framing = MODBUS_TCP };
	static struct client client;
	struct sched s;
	int served[UNITS] = { 0 }, timeouts_in_a_row = 0, worst = 0;

	start();
	master.retry_immediate = 5;
	client_init(&client, &conf, NULL, NULL);
	sched_init(&s, remotes, UNITS);
	for (int u = 0; u < UNITS; u++) {
		for (int i = 0; i < 3; i++)
			data[u][i].interval_us = 0;
		remote_clear(&remotes[u]);
		confs[u].timeout_poll_delay_ns = 0;
		remote_init(&remotes[u], &master, &confs[u], &ops, NULL);
		remote_enable(&remotes[u], true, now);
		remote_online(&remotes[u], now);
	}
	for (int i = 0; i < 1000; i++) {
		line_count = 0;
		struct sched_pick p = sched_next(&s, &client, true, now);
		ck_assert_ptr_nonnull(p.remote);
		int u = (int)(p.remote - remotes);
		remote_poll(p.remote, now);
		bool silent = u >= 2;
		now = monotime_add_ms(now, silent ? 100 : 1);
		remote_on_poll(p.remote, silent ? NULL : &fine, now);
		served[u]++;
		timeouts_in_a_row = silent ? timeouts_in_a_row + 1 : 0;
		/* The first time nobody knows yet. */
		if (i > 10 && timeouts_in_a_row > worst)
			worst = timeouts_in_a_row;
	}
	ck_assert_int_eq(worst, 1);
	ck_assert_int_gt(served[0], 300);
	ck_assert_int_gt(served[1], 300);
	ck_assert_int_gt(served[2], 100);
	ck_assert_int_gt(served[3], 100);
	end();
}
END_TEST

START_TEST(writes_overtake_polls)
{
	struct client_conf conf = { .framing = MODBUS_TCP };
	static struct client client;
	struct sched s;

	start();
	client_init(&client, &conf, NULL, NULL);
	sched_init(&s, remotes, UNITS);
	for (int u = 0; u < UNITS; u++) {
		remote_enable(&remotes[u], true, now);
		remote_online(&remotes[u], now);
	}
	remote_add_write(&remotes[3], "w", "id", "1", 1);
	struct sched_pick p = sched_next(&s, &client, true, now);
	ck_assert(p.write && p.remote == &remotes[3]);
	remote_on_write(p.remote, &(struct modbus_pdu){ .fc = 6 }, now);
	p = sched_next(&s, &client, false, now);
	ck_assert_ptr_null(p.remote);
	p = sched_next(&s, &client, true, now);
	ck_assert(!p.write && p.remote == &remotes[0]);
	end();
}
END_TEST

START_TEST(a_flood_of_writes_leaves_room_for_polls)
{
	struct client_conf conf = { .framing = MODBUS_TCP };
	static struct client client;
	struct sched s;
	int writes = 0, polls = 0;

	start();
	client_init(&client, &conf, NULL, NULL);
	sched_init(&s, remotes, 1);
	data[0][0].interval_us = 0;
	remote_clear(&remotes[0]);
	remote_init(&remotes[0], &master, &confs[0], &ops, NULL);
	remote_enable(&remotes[0], true, now);
	remote_online(&remotes[0], now);
	serve(&remotes[0], 0, 0);
	for (int i = 0; i < 500; i++)
		remote_add_write(&remotes[0], "w", "id", "1", 1);
	for (int i = 0; i < 170; i++) {
		line_count = 0;
		struct sched_pick p = sched_next(&s, &client, true, now);
		ck_assert_ptr_nonnull(p.remote);
		writes += p.write;
		polls += !p.write;
		if (p.write)
			remote_on_write(p.remote, &(struct modbus_pdu){ .fc = 6 }, now);
		else
			serve(p.remote, 0, 0);
	}
	ck_assert_int_eq(polls, 10);
	ck_assert_int_eq(writes, 160);
	/* Where there is nothing to read, nothing is held back. */
	remote_enable(&remotes[0], false, now);
	for (int i = 0; i < 40; i++) {
		line_count = 0;
		struct sched_pick p = sched_next(&s, &client, true, now);
		ck_assert(p.remote && p.write);
		remote_on_write(p.remote, &(struct modbus_pdu){ .fc = 6 }, now);
	}
	end();
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, values_and_changes);
	tcase_add_test(tc, missed_periods_are_not_made_up);
	tcase_add_test(tc, timeout_then_poll_delay);
	tcase_add_test(tc, enable_and_disable);
	tcase_add_test(tc, a_refused_register_costs_only_itself);
	tcase_add_test(tc, a_refused_whole_waits_longer);
	tcase_add_test(tc, writes_keep_their_order);
	tcase_add_test(tc, writes_are_bounded);
	tcase_add_test(tc, the_silent_do_not_starve_the_others);
	tcase_add_test(tc, writes_overtake_polls);
	tcase_add_test(tc, a_flood_of_writes_leaves_room_for_polls);
}

UNIT_MAIN("modbus remote, sched")
