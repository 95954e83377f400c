#include "web/metrics.h"
#include "tests/unit/suite.h"

#include <stdlib.h>
#include <string.h>

enum { NODES = 1000 };

static void
add(struct metrics *m, const char *text)
{
	char err[80];
	struct json_doc *doc = json_parse(text, strlen(text), NODES, err, sizeof(err));

	ck_assert_msg(doc != NULL, "%s", err);
	ck_assert(metrics_add(m, json_root(doc)));
	json_free(doc);
}

static const char gateway[] =
    "{\"kind\":\"gateway\",\"version\":\"1.2\",\"uptime_ms\":1500,"
    "\"device_columns\":[\"restarts\",\"unknown\",\"cpu_us\",\"enabled\"],"
    "\"end_columns\":[\"up\",\"requests\"],\"causes\":[\"exit\",\"signal\"],"
    "\"link_up\":1,\"link_connects\":3,\"blessed\":null}";
static const char device[] =
    "{\"kind\":\"device\",\"name\":\"a\\\"b\\\\c\\nd\",\"type\":\"t\",\"state\":\"running\","
    "\"numbers\":\"2 77 1500001 1\",\"deaths\":\"0 2\","
    "\"counters\":{\"rtt_le_1ms\":1,\"rtt_count\":4,\"rtt_sum_us\":2500000,\"reads\":7},"
    "\"ends\":[\"1 5 x\",\"0 - x\",\"0 - y z\"]}";

/* The whole text, NUL-terminated, in memory that the caller frees. */
static char *
written(bool open, const char *const rows[], size_t count)
{
	struct metrics *m = metrics_new(open);
	struct buffer b;

	buffer_init(&b, 16 * 1024 * 1024);
	for (size_t i = 0; i < count; i++)
		add(m, rows[i]);
	while (metrics_write(m, &b))
		;
	metrics_free(m);
	buffer_u8(&b, '\0');
	ck_assert(!buffer_failed(&b));
	char *text = strdup((const char *)buffer_data(&b));
	buffer_clear(&b);
	return text;
}

#define HAS(text, line) ck_assert_msg(strstr(text, line) != NULL, "no %s in:\n%s", line, text)
#define HAS_NOT(text, line) ck_assert_msg(strstr(text, line) == NULL, "%s in:\n%s", line, text)

START_TEST(check_text_format)
{
	char *text = written(false, (const char *[]){ gateway, device }, 2);

	HAS(text, "\ngatewayd_build_info{version=\"1.2\"} 1\n");
	HAS(text, "# TYPE gatewayd_link_connects_total counter\ngatewayd_link_connects_total 3\n");
	HAS(text, "\ngatewayd_uptime_seconds 1.5\n");
	HAS_NOT(text, "gatewayd_monitor_blessed");
	HAS_NOT(text, "# UNIT");
	HAS_NOT(text, "# EOF");
	HAS(text, "{device=\"a\\\"b\\\\c\\nd\",type=\"t\",state=\"running\"} 1\n");
	HAS(text, "{device=\"a\\\"b\\\\c\\nd\",type=\"t\",state=\"backoff\"} 0\n");
	HAS(text, "cause=\"signal\"} 2\n");
	HAS(text, "gatewayd_device_reported_total{device=\"a\\\"b\\\\c\\nd\",type=\"t\",name="
		  "\"reads\"} 7\n");
	HAS_NOT(text, "name=\"rtt_count\"");
	free(text);
}
END_TEST

START_TEST(check_histogram)
{
	char *text = written(false, (const char *[]){ gateway, device }, 2);

	HAS(text, ",le=\"0.001\"} 1\n");
	HAS(text, ",le=\"0.005\"} 0\n");
	HAS(text, ",le=\"+Inf\"} 4\n");
	HAS(text, "round_trip_seconds_sum{device=\"a\\\"b\\\\c\\nd\",type=\"t\"} 2.5\n");
	HAS(text, "round_trip_seconds_count{device=\"a\\\"b\\\\c\\nd\",type=\"t\"} 4\n");
	free(text);
}
END_TEST

START_TEST(check_a_remote_of_a_name_once)
{
	char *text = written(false, (const char *[]){ gateway, device }, 2);

	HAS(text, "gatewayd_remote_up{device=\"a\\\"b\\\\c\\nd\",type=\"t\",remote=\"x\"} 1\n");
	HAS_NOT(text, "remote=\"x\"} 0\n");
	HAS(text, "remote=\"y z\"} 0\n");
	HAS(text, "gatewayd_remote_requests_total{device=\"a\\\"b\\\\c\\nd\",type=\"t\",remote="
		  "\"x\"} 5\n");
	HAS_NOT(text,
	    "gatewayd_remote_requests_total{device=\"a\\\"b\\\\c\\nd\",type=\"t\",remote=\"y");
	free(text);
}
END_TEST

/* The gateway's row says in which order the numbers are; one that is not known is left out. */
START_TEST(check_columns)
{
	char *text = written(false, (const char *[]){ gateway, device }, 2);

	HAS(text, "\ngatewayd_device_restarts_total{device=\"a\\\"b\\\\c\\nd\",type=\"t\"} 2\n");
	HAS(text, "\ngatewayd_device_cpu_seconds_total{device=\"a\\\"b\\\\c\\nd\",type=\"t\"} "
		  "1.500001\n");
	HAS(text, "\ngatewayd_device_enabled{device=\"a\\\"b\\\\c\\nd\",type=\"t\"} 1\n");
	HAS(text, "type=\"t\",cause=\"exit\"} 0\n");
	HAS_NOT(text, " 77\n");
	HAS_NOT(text, "cause=\"memory\"");
	free(text);
}
END_TEST

/* Numbers that are missing, too many or none. */
START_TEST(check_odd_numbers)
{
	char *text = written(false,
	    (const char *[]){ gateway,
		"{\"kind\":\"device\",\"name\":\"d\",\"type\":\"t\",\"numbers\":\"x  -5 "
		"99999999999999999999999 1 8 9\",\"deaths\":\"\",\"ends\":[\"1\",\"\",7,\"1 2 "
		"\"]}" },
	    2);

	HAS_NOT(text, "gatewayd_device_restarts_total{");
	HAS_NOT(text, "gatewayd_device_cpu_seconds_total{");
	HAS_NOT(text, "cause=");
	HAS(text, "gatewayd_device_enabled{device=\"d\",type=\"t\"} 1e+19\n");
	HAS(text, "gatewayd_remote_up{device=\"d\",type=\"t\",remote=\"\"} 1\n");
	free(text);
}
END_TEST

START_TEST(check_open_metrics)
{
	char *text = written(true, (const char *[]){ gateway, device }, 2);

	HAS(text, "# TYPE gatewayd_link_connects counter\ngatewayd_link_connects_total 3\n");
	HAS(text, "# UNIT gatewayd_uptime_seconds seconds\n");
	ck_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
	free(text);
}
END_TEST

START_TEST(check_nothing_and_rows_of_other_kinds)
{
	char *text = written(true, (const char *[]){ "{\"kind\":\"other\"}", "{}" }, 2);

	HAS_NOT(text, "device=");
	ck_assert_str_eq(text + strlen(text) - 6, "# EOF\n");
	free(text);
}
END_TEST

/* Beyond the bounds of devices nothing is kept. */
START_TEST(check_bounds)
{
	static const char enabled[] = "gatewayd_device_enabled{";
	struct metrics *m = metrics_new(false);
	struct buffer b;
	size_t lines = 0;

	add(m, gateway);
	for (int i = 0; i < METRICS_MAX_DEVICES + 10; i++)
		add(m,
		    "{\"kind\":\"device\",\"name\":\"d\",\"type\":\"t\",\"numbers\":\"0 0 0 1\"}");
	buffer_init(&b, 64 * 1024 * 1024);
	while (metrics_write(m, &b))
		ck_assert_uint_le(b.len, 64 * 1024 * 1024);
	buffer_u8(&b, '\0');
	for (const char *at = (char *)buffer_data(&b); *at; at = strchr(at, '\n') + 1)
		lines += strncmp(at, enabled, sizeof(enabled) - 1) == 0;
	ck_assert_uint_eq(lines, METRICS_MAX_DEVICES);
	buffer_clear(&b);
	metrics_free(m);
}
END_TEST

START_TEST(check_accept)
{
	ck_assert(!metrics_wants_open(NULL));
	ck_assert(!metrics_wants_open("text/plain;version=0.0.4"));
	ck_assert(metrics_wants_open(
	    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"));
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, check_text_format);
	tcase_add_test(tc, check_histogram);
	tcase_add_test(tc, check_a_remote_of_a_name_once);
	tcase_add_test(tc, check_columns);
	tcase_add_test(tc, check_odd_numbers);
	tcase_add_test(tc, check_open_metrics);
	tcase_add_test(tc, check_nothing_and_rows_of_other_kinds);
	tcase_add_test(tc, check_bounds);
	tcase_add_test(tc, check_accept);
}

UNIT_MAIN("metrics")
