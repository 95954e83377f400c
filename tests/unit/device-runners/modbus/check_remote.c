#include <stdio.h>
#include <stdlib.h>

#include "device-runners/modbus/remote_private.h"
#include "device-runners/modbus/sched.h"
#include "tests/unit/suite.h"

enum { MS = 1000000, MAX_LOG = 64, UNITS = 4 };

static char lines[MAX_LOG][96];
static int line_count, line_read_at;
static struct conf_master master;
static struct conf_data data[UNITS][4];
static struct conf_remote confs[UNITS];
static struct remote *remotes[UNITS];
static struct monotime now;
static unsigned failed_step; /* that the next result names */

static void
say(const struct remote *r, const char *what, const char *a, const char *b, const char *c)
{
	ck_assert_int_lt(line_count, MAX_LOG);
	snprintf(lines[line_count++], sizeof(lines[0]), "%u %s %s%s%s%s%s", remote_conf(r)->unit,
	    what, a, b ? " " : "", b ? b : "", c ? " " : "", c ? c : "");
}

static void
on_status(void *arg, const struct remote *r)
{
	(void)arg;
	say(r, "status", remote_status_name(remote_status(r)), NULL, NULL);
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
on_written(
    void *arg, const struct remote *r, const struct conf_data *d, const struct remote_written *w)
{
	(void)arg;
	say(r, "written", d->name, w->request_id, w->result);
	ck_assert_uint_eq(w->step, failed_step);
}

static bool
add_write(struct remote *r, const char *name, const char *id, const char *value)
{
	const struct conf_data *d = remote_find(r, name);
	char err[64];
	struct json_doc *doc = json_parse(value, strlen(value), 8, err, sizeof(err));

	if (d)
		remote_add_write(r, d, id, json_root(doc), now);
	json_free(doc);
	return d != NULL;
}

static void
go_offline(struct remote *r)
{
	remote_offline(r, (struct remote_loss){ 0 }, now);
}

static const struct remote_ops ops = {
	.status = on_status, .read = on_read, .written = on_written
};

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

/* Four registers a unit: 10, 11, 12 once a second, 20 never read. Returns the first unit. */
static struct remote *
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
		remotes[u] = remote_new(&master, &confs[u], &ops, NULL);
		ck_assert_ptr_nonnull(remotes[u]);
	}
	return remotes[0];
}

/* With what the configuration says now. */
static struct remote *
make_again(int unit)
{
	remote_free(remotes[unit]);
	remotes[unit] = remote_new(&master, &confs[unit], &ops, NULL);
	ck_assert_ptr_nonnull(remotes[unit]);
	return remotes[unit];
}

static void
end(void)
{
	for (int u = 0; u < UNITS; u++)
		remote_free(remotes[u]);
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
	struct remote *r = start();

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
	    r, (remote_poll(r, now), &(struct modbus_pdu){ .fc = 3, .exception = 10 }), now);
	expect("1 a GATEWAY_PATH_UNAVAILABLE");
	expect("1 b GATEWAY_PATH_UNAVAILABLE");
	expect("1 c GATEWAY_PATH_UNAVAILABLE");
	serve(r, 101, 0);
	expect("1 a 111 INTERROGATE");
	end();
}
END_TEST

START_TEST(missed_periods_are_not_made_up)
{
	struct remote *r = start();

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
	struct remote *r = start();

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
	struct remote *r = start();

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
	go_offline(r);
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
	struct remote *r = start();

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
	struct remote *r = start();

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
	struct remote *r = start();
	static const struct modbus_pdu ok = { .fc = 6 }, bad = { .fc = 6, .exception = 1 };

	remote_online(r, now);
	expect("1 status DISABLED");
	ck_assert(!add_write(r, "nothing", "x", "1"));
	ck_assert(add_write(r, "w", "big", "65536"));
	expect("1 written w big INVALID_DATA_VALUE");
	ck_assert(add_write(r, "w", "minus", "-32769"));
	expect("1 written w minus INVALID_DATA_VALUE");
	ck_assert(add_write(r, "w", "half", "0.5"));
	expect("1 written w half INVALID_DATA_VALUE");
	ck_assert(add_write(r, "w", "text", "\"1\""));
	expect("1 written w text INVALID_DATA_VALUE");
	ck_assert(add_write(r, "w", "one", "1"));
	ck_assert(add_write(r, "a", "two", "2"));
	ck_assert_uint_eq(remote_write(r)->address, 20);
	ck_assert_uint_eq(remote_write(r)->value, 1);
	remote_on_write(r, &ok, now);
	expect("1 written w one SUCCESS");
	remote_on_write(r, &bad, now);
	expect("1 written a two INVALID_FUNCTION_CODE");
	add_write(r, "w", "three", "3");
	remote_on_write(r, NULL, now);
	expect("1 written w three TIMEOUT");
	ck_assert_int_eq(remote_write_at(r).ns, INT64_MAX);
	add_write(r, "w", "four", "4");
	go_offline(r);
	expect_silence();
	/* Without a connection it waits for one, but no longer than a request does. */
	ck_assert_int_eq(remote_expire(r, now).ns - now.ns, 100 * MS);
	now = monotime_add_ms(now, 100);
	ck_assert_int_eq(remote_expire(r, now).ns, INT64_MAX);
	expect("1 written w four NOT_CONNECTED");
	end();
}
END_TEST

/* A connection that had answered took a write with it: it is sent again, once. */
START_TEST(writes_and_lost_connections)
{
	static const struct modbus_pdu ok = { .fc = 6 };
	static const struct remote_loss fresh = { .write = true },
					stale = { .write = true, .stale = true };
	struct remote *r = start();

	remote_online(r, now);
	expect("1 status DISABLED");
	add_write(r, "w", "1", "1");
	add_write(r, "a", "2", "2");
	remote_offline(r, stale, now);
	remote_online(r, now);
	expect("1 status DISABLED");
	ck_assert_uint_eq(remote_write(r)->value, 1);
	remote_offline(r, stale, now);
	expect("1 written w 1 CONNECTION_LOST");
	remote_online(r, now);
	expect("1 status DISABLED");
	remote_on_write(r, &ok, now);
	expect("1 written a 2 SUCCESS");
	add_write(r, "w", "3", "3");
	remote_offline(r, fresh, now);
	expect("1 written w 3 CONNECTION_LOST");
	expect_silence();
	end();
}
END_TEST

START_TEST(half_done_writes_name_their_step)
{
	static const struct modbus_pdu ok = { .fc = 22 }, bad = { .fc = 6, .exception = 2 };
	struct remote *r = start();

	data[0][3].offset = 8;
	data[0][3].bits = 24;
	remote_online(r, now);
	expect("1 status DISABLED");
	add_write(r, "w", "1", "1");
	remote_on_write(r, &bad, now);
	expect("1 written w 1 INVALID_DATA_ADDRESS");
	add_write(r, "w", "2", "2");
	remote_on_write(r, &ok, now);
	failed_step = 2;
	remote_on_write(r, &bad, now);
	expect("1 written w 2 INVALID_DATA_ADDRESS");
	failed_step = 0;
	end();
}
END_TEST

START_TEST(busy_is_asked_again)
{
	static const struct modbus_pdu busy = { .fc = 6, .exception = 6 },
				       working = { .fc = 3, .exception = 5 };
	struct remote *r = start();

	master.retry_immediate = 1;
	master.retry_delayed = 1;
	go_online(r);
	add_write(r, "w", "1", "1");
	for (int i = 0; i < 3; i++) {
		remote_on_write(r, &busy, now);
		ck_assert_int_eq(remote_write_at(r).ns - now.ns, i == 1 ? 500 * MS : 0);
		now = i == 1 ? monotime_add_ms(now, 500) : now;
	}
	expect_silence();
	remote_on_write(r, &busy, now);
	expect("1 written w 1 FUNCTION_ERROR");
	remote_poll(r, now);
	remote_on_poll(r, &working, now);
	expect("1 status CONNECTED");
	ck_assert_int_eq(remote_poll_at(r).ns, now.ns);
	serve(r, 0, 0);
	expect("1 a 10 INTERROGATE");
	end();
}
END_TEST

/* Exceptions 1 and 4 of a block: it is split once, and then they are believed. */
START_TEST(other_refusals_are_tried_once_in_two)
{
	static const struct modbus_pdu failed = { .fc = 3, .exception = 4 };
	struct remote *r = start();
	int asked = 0;

	go_online(r);
	while (remote_poll_at(r).ns <= now.ns) {
		ck_assert_int_lt(asked++, 10);
		remote_poll(r, now);
		remote_on_poll(r, &failed, now);
	}
	ck_assert_int_eq(asked, 3);
	expect("1 status CONNECTED");
	ck_assert(was_said("1 a FUNCTION_ERROR") && was_said("1 b FUNCTION_ERROR") &&
		  was_said("1 c FUNCTION_ERROR"));
	ck_assert_int_eq(line_count, 5);
	end();
}
END_TEST

/* Each register for itself; one of them is never answered. Counts the requests of each. */
static void
serve_but(struct remote *r, uint32_t silent, int rounds, int counts[3])
{
	for (int i = 0; i < rounds; i++) {
		struct monotime at = remote_poll_at(r);
		now = at.ns > now.ns ? at : now;
		line_count = line_count > MAX_LOG / 2 ? 0 : line_count;
		const struct modbus_pdu *req = remote_poll(r, now);
		for (uint32_t k = 0; k < 3; k++)
			counts[k] +=
			    req->address <= 10 + k && 10 + k < req->address + req->quantity;
		if (req->address <= silent && silent < req->address + req->quantity) {
			now = monotime_add_ms(now, 100);
			remote_on_poll(r, NULL, now);
		} else {
			serve(r, 0, 0);
		}
	}
}

START_TEST(a_silent_register_costs_only_itself)
{
	for (int one_each = 0; one_each < 2; one_each++) {
		int counts[3] = { 0 };

		start();
		/* The last is apart from the others: without it, nobody knew that the device lives.
		 */
		data[0][2].start = one_each ? 12 : 22;
		confs[0].limits.one_each = one_each;
		struct remote *r = make_again(0);
		go_online(r);
		serve_but(r, 10, 60, counts);
		ck_assert(!was_said("1 status DISCONNECTED"));
		ck_assert_int_eq(remote_status(r), REMOTE_CONNECTED);
		ck_assert(!r->state[0].valid && r->state[1].valid && r->state[2].valid);
		ck_assert_int_gt(counts[1], 3 * counts[0]);
		for (int i = 0; i < line_count; i++)
			ck_assert_str_ne(lines[i], "1 a 10 INTERROGATE");
		end();
	}
}
END_TEST

/* All in one range: that the device lives is found out by asking for a part. */
START_TEST(a_silent_register_in_the_only_range)
{
	int counts[3] = { 0 };

	start();
	struct remote *r = remotes[0];
	go_online(r);
	serve_but(r, 10, 60, counts);
	ck_assert_int_eq(remote_status(r), REMOTE_CONNECTED);
	ck_assert(!r->state[0].valid && r->state[1].valid && r->state[2].valid);
	ck_assert_int_gt(counts[1], 2 * counts[0]);
	line_count = 0;
	serve_but(r, 10, 60, counts);
	ck_assert(!was_said("1 status DISCONNECTED"));
	end();
}
END_TEST

/* A device that was down for long is read as before in its first round: by one request. */
START_TEST(a_device_that_comes_back_is_read_by_whole_ranges)
{
	start();
	struct remote *r = remotes[0];
	go_online(r);
	for (int i = 0; i < 40; i++) {
		line_count = 0;
		struct monotime at = remote_poll_at(r);
		now = at.ns > now.ns ? at : now;
		remote_poll(r, now);
		now = monotime_add_ms(now, 100);
		remote_on_poll(r, NULL, now);
	}
	ck_assert_uint_eq(r->range_count, 3);
	for (int i = 0; i < 2; i++) {
		struct monotime at = remote_poll_at(r);
		now = at.ns > now.ns ? at : now;
		serve(r, 0, 0);
	}
	ck_assert_uint_eq(r->range_count, 1);
	ck_assert_int_eq(remote_peek(r, now).quantity, 3);
	ck_assert(r->state[0].valid && r->state[1].valid && r->state[2].valid);
	end();
}
END_TEST

START_TEST(a_silent_device_is_down_all_the_same)
{
	start();
	confs[0].limits.one_each = true;
	struct remote *r = make_again(0);
	go_online(r);
	serve(r, 0, 0);
	expect("1 status CONNECTED");
	expect("1 a 10 INTERROGATE");
	for (int i = 0; i < 2; i++) {
		remote_poll(r, now);
		now = monotime_add_ms(now, 100);
		remote_on_poll(r, NULL, now);
	}
	expect("1 status DISCONNECTED");
	expect_silence();
	confs[0].limits.one_each = false;
	end();
}
END_TEST

/* Closes after each answer: the others have their turn on the next connection, and those that were
 * answered are not asked again before their time. */
START_TEST(progress_survives_a_connection)
{
	start();
	unsigned seen = 0;

	master.connect_delay_ns = 10 * MS;
	confs[0].limits.one_each = true;
	struct remote *r = make_again(0);
	remote_enable(r, true, now);
	for (int i = 0; i < 3; i++) {
		remote_online(r, now);
		seen |= 1U << (remote_peek(r, now).address - 10);
		serve(r, 0, 0);
		/* The next request meets the end of the connection: it is first on the next. */
		const struct modbus_pdu *req =
		    remote_poll_at(r).ns <= now.ns ? remote_poll(r, now) : NULL;
		uint16_t next = req ? req->address : 0;
		remote_offline(r, (struct remote_loss){ .poll = req, .stale = true }, now);
		remote_online(r, now);
		ck_assert(next == 0 || remote_peek(r, now).address == next);
		go_offline(r);
	}
	ck_assert_uint_eq(seen, 7);
	remote_online(r, now);
	ck_assert_int_ge(remote_poll_at(r).ns - now.ns, 10 * MS);
	/* What ends a connection goes behind the others. */
	now = monotime_add_ms(now, 1000);
	uint16_t bad = remote_poll(r, now)->address;
	remote_offline(r, (struct remote_loss){ .poll = true }, now);
	remote_online(r, now);
	ck_assert_uint_ne(remote_peek(r, now).address, bad);
	confs[0].limits.one_each = false;
	end();
}
END_TEST

START_TEST(writes_are_bounded)
{
	struct remote *r = start();

	remote_online(r, now);
	expect("1 status DISABLED");
	for (int i = 0; i < REMOTE_MAX_WRITES; i++)
		ck_assert(add_write(r, "w", "x", "1"));
	expect_silence();
	ck_assert(add_write(r, "w", "over", "1"));
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
		confs[u].timeout_poll_delay_ns = 0;
		make_again(u);
		remote_enable(remotes[u], true, now);
		remote_online(remotes[u], now);
	}
	for (int i = 0; i < 1000; i++) {
		line_count = 0;
		struct sched_pick p = sched_next(&s, &client, true, now);
		ck_assert_ptr_nonnull(p.remote);
		int u = remote_conf(p.remote)->unit - 1;
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
		remote_enable(remotes[u], true, now);
		remote_online(remotes[u], now);
	}
	add_write(remotes[3], "w", "id", "1");
	struct sched_pick p = sched_next(&s, &client, true, now);
	ck_assert(p.write && p.remote == remotes[3]);
	remote_on_write(p.remote, &(struct modbus_pdu){ .fc = 6 }, now);
	p = sched_next(&s, &client, false, now);
	ck_assert_ptr_null(p.remote);
	p = sched_next(&s, &client, true, now);
	ck_assert(!p.write && p.remote == remotes[0]);
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
	make_again(0);
	remote_enable(remotes[0], true, now);
	remote_online(remotes[0], now);
	serve(remotes[0], 0, 0);
	for (int i = 0; i < 500; i++)
		add_write(remotes[0], "w", "id", "1");
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
	/* If there is nothing to read, nothing is held back. */
	remote_enable(remotes[0], false, now);
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
	tcase_add_test(tc, writes_and_lost_connections);
	tcase_add_test(tc, half_done_writes_name_their_step);
	tcase_add_test(tc, busy_is_asked_again);
	tcase_add_test(tc, other_refusals_are_tried_once_in_two);
	tcase_add_test(tc, a_silent_register_costs_only_itself);
	tcase_add_test(tc, a_silent_register_in_the_only_range);
	tcase_add_test(tc, a_device_that_comes_back_is_read_by_whole_ranges);
	tcase_add_test(tc, a_silent_device_is_down_all_the_same);
	tcase_add_test(tc, progress_survives_a_connection);
	tcase_add_test(tc, writes_are_bounded);
	tcase_add_test(tc, the_silent_do_not_starve_the_others);
	tcase_add_test(tc, writes_overtake_polls);
	tcase_add_test(tc, a_flood_of_writes_leaves_room_for_polls);
}

UNIT_MAIN("modbus remote, sched")
