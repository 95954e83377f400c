#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/control.h"
#include "tests/unit/suite.h"

static struct json_doc *
decode(const char *text, enum control_id *id, char *err)
{
	return control_request_decode(text, strlen(text), id, err, CONTROL_MAX_ERROR);
}

START_TEST(request_of_every_command)
{
	static const struct {
		enum control_id id;
		const char *text;
	} good[] = {
		{ CONTROL_STATUS, "{\"command\": \"status\"}" },
		{ CONTROL_STATUS, "{\"command\": \"status\", \"names\": [\"a\", \"b/c\"]}" },
		{ CONTROL_SHOW, "{\"command\": \"show\", \"names\": [\"a\"]}" },
		{ CONTROL_INFO, "{\"command\": \"info\"}" },
		{ CONTROL_WATCH, "{\"command\": \"watch\", \"names\": []}" },
		{ CONTROL_EVENTS, "{\"command\": \"events\", \"types\": [\"gateway/*\"]}" },
		{ CONTROL_SEND, "{\"command\": \"send\", \"type\": \"a/b\", \"payload\": \"1\"}" },
		{ CONTROL_SEND, "{\"command\": \"send\", \"type\": \"a\", \"name\": \"plc1\"}" },
		{ CONTROL_ENABLE, "{\"command\": \"enable\", \"names\": [\"a\"]}" },
		{ CONTROL_DISABLE, "{\"command\": \"disable\", \"names\": [\"a\"]}" },
		{ CONTROL_RESTART, "{\"command\": \"restart\", \"names\": [\"a\"]}" },
		{ CONTROL_WAIT,
		    "{\"command\": \"wait\", \"names\": [\"a\"], \"states\": [\"running\"]}" },
		{ CONTROL_TRACE, "{\"command\": \"trace\", \"names\": [\"a\"]}" },
		{ CONTROL_LOG, "{\"command\": \"log\", \"level\": \"debug\"}" },
		{ CONTROL_LOG, "{\"command\": \"log\", \"level\": \"info\", \"names\": [\"a\"]}" },
		{ CONTROL_RELOAD, "{\"command\": \"reload\", \"diff\": true}" },
	};
	char err[CONTROL_MAX_ERROR];
	enum control_id id;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct json_doc *doc = decode(good[i].text, &id, err);
		ck_assert_msg(doc != NULL, "%s: %s", good[i].text, err);
		ck_assert_int_eq(id, good[i].id);
		json_free(doc);
		for (size_t n = 0; n < strlen(good[i].text); n++)
			ck_assert_ptr_null(
			    control_request_decode(good[i].text, n, &id, err, sizeof(err)));
	}
}
END_TEST

START_TEST(names_and_ids)
{
	for (int i = 0; i < CONTROL_COMMAND_COUNT; i++)
		ck_assert_int_eq(control_command_find(control_command_name((enum control_id)i)), i);
	ck_assert_int_eq(control_command_find("statu"), -1);
	ck_assert_int_eq(control_command_find(""), -1);
}
END_TEST

START_TEST(verbs_that_look)
{
	static const bool looks[CONTROL_COMMAND_COUNT] = {
		[CONTROL_STATUS] = true,
		[CONTROL_TOP] = true,
		[CONTROL_SHOW] = true,
		[CONTROL_INFO] = true,
		[CONTROL_METRICS] = true,
		[CONTROL_HEALTH] = true,
		[CONTROL_DESCRIBE] = true,
		[CONTROL_WATCH] = true,
		[CONTROL_EVENTS] = true,
		[CONTROL_WAIT] = true,
		[CONTROL_TRACE] = true,
	};

	for (int i = 0; i < CONTROL_COMMAND_COUNT; i++)
		ck_assert_int_eq(control_command_looks((enum control_id)i), looks[i]);
}
END_TEST

START_TEST(request_refused)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "" },
		{ "nonsense", "" },
		{ "null", "no command" },
		{ "[]", "no command" },
		{ "{}", "no command" },
		{ "{\"command\": 1}", "no command" },
		{ "{\"command\": \"stat\"}", "unknown command 'stat'" },
		{ "{\"command\": \"status\\u0000\"}", "no command" },
		{ "{\"command\": \"status\", \"other\": 1}", "other" },
		{ "{\"command\": \"status\", \"names\": \"a\"}", "names" },
		{ "{\"command\": \"status\", \"names\": [1]}", "names[0]" },
		{ "{\"command\": \"show\"}", "names" },
		{ "{\"command\": \"show\", \"names\": []}", "names" },
		{ "{\"command\": \"send\", \"payload\": \"1\"}", "type" },
		{ "{\"command\": \"send\", \"type\": \"a\", \"payload\": 1}", "payload" },
		{ "{\"command\": \"wait\", \"names\": [\"a\"], \"states\": [\"happy\"]}",
		    "states[0]" },
		{ "{\"command\": \"log\", \"level\": \"loud\"}", "level" },
		{ "{\"command\": \"info\"} {}", "" },
		{ "{\"command\": \"info\"}\xff", "" },
	};
	char err[CONTROL_MAX_ERROR];
	enum control_id id;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(decode(bad[i].text, &id, err) == NULL, "%s", bad[i].text);
		ck_assert_msg(err[0] != '\0', "%s", bad[i].text);
		ck_assert_msg(strstr(err, bad[i].why) != NULL, "%s: %s", bad[i].text, err);
	}
}
END_TEST

static struct buffer
names_request(const char *command, size_t count, size_t length)
{
	struct buffer b;
	struct json_writer w = { .b = &b };
	char *name = malloc(length + 1);

	memset(name, 'n', length);
	name[length] = '\0';
	buffer_init(&b, 1024 * 1024);
	json_begin_object(&w, NULL);
	json_put_str(&w, "command", command);
	json_begin_array(&w, "names");
	for (size_t i = 0; i < count; i++)
		json_put_str(&w, NULL, name);
	json_end_array(&w);
	json_end_object(&w);
	free(name);
	return b;
}

static bool
is_taken(const char *command, size_t count, size_t length)
{
	struct buffer b = names_request(command, count, length);
	char err[CONTROL_MAX_ERROR];
	enum control_id id;
	struct json_doc *doc =
	    control_request_decode(buffer_data(&b), b.len, &id, err, sizeof(err));

	buffer_clear(&b);
	json_free(doc);
	return doc != NULL;
}

START_TEST(limits_of_a_request)
{
	ck_assert(is_taken("status", CONTROL_MAX_NAMES, 10));
	ck_assert(!is_taken("status", CONTROL_MAX_NAMES + 1, 10));
	ck_assert(is_taken("show", CONTROL_MAX_SHOWN, 10));
	ck_assert(!is_taken("show", CONTROL_MAX_SHOWN + 1, 10));
	ck_assert(is_taken("status", 1, CONTROL_MAX_TEXT));
	ck_assert(!is_taken("status", 1, CONTROL_MAX_TEXT + 1));
	ck_assert(!is_taken("status", 17, 4000)); /* more than CONTROL_MAX_REQUEST */
}
END_TEST

START_TEST(size_of_a_request)
{
	static const char text[] = "{\"command\": \"info\"}";
	char *packet = malloc(CONTROL_MAX_REQUEST + 1), err[CONTROL_MAX_ERROR];
	enum control_id id;

	memset(packet, ' ', CONTROL_MAX_REQUEST + 1);
	memcpy(packet, text, strlen(text));
	struct json_doc *doc =
	    control_request_decode(packet, CONTROL_MAX_REQUEST, &id, err, sizeof(err));
	ck_assert_ptr_nonnull(doc);
	json_free(doc);
	ck_assert_ptr_null(
	    control_request_decode(packet, CONTROL_MAX_REQUEST + 1, &id, err, sizeof(err)));
	ck_assert_ptr_nonnull(strstr(err, "65536"));
	free(packet);
}
END_TEST

START_TEST(reply_round_trip)
{
	struct buffer b;
	struct json_writer w;
	struct control_reply r;

	buffer_init(&b, CONTROL_MAX_REPLY);
	control_put_begin(&b, &w);
	for (int i = 0; i < 3; i++) {
		json_begin_object(&w, NULL);
		json_put_int(&w, "i", i);
		json_end_object(&w);
	}
	size_t rows = b.len;
	struct json_writer at = w;
	control_put_more(&w);
	ck_assert_int_eq(control_reply_decode(buffer_data(&b), b.len, &r), 0);
	ck_assert(!r.end);
	ck_assert_uint_eq(r.rows->count, 3);
	json_free(r.doc);

	buffer_truncate(&b, rows);
	w = at;
	control_put_end(&w, CONTROL_REFUSED, REASON_NO_DEVICE, "no \"such\" device\n");
	ck_assert_int_eq(control_reply_decode(buffer_data(&b), b.len, &r), 0);
	ck_assert(r.end);
	ck_assert_int_eq(r.code, CONTROL_REFUSED);
	ck_assert_str_eq(r.error, "no \"such\" device\n");
	json_free(r.doc);
	for (size_t n = 0; n < b.len; n++)
		ck_assert_int_eq(control_reply_decode(buffer_data(&b), n, &r), -1);
	buffer_clear(&b);
}
END_TEST

START_TEST(reply_without_error)
{
	struct buffer b;
	struct json_writer w;
	struct control_reply r;

	buffer_init(&b, CONTROL_MAX_REPLY);
	control_put_begin(&b, &w);
	control_put_end(&w, CONTROL_DONE, REASON_NONE, NULL);
	ck_assert_int_eq(control_reply_decode(buffer_data(&b), b.len, &r), 0);
	ck_assert(r.end);
	ck_assert_int_eq(r.code, CONTROL_DONE);
	ck_assert_ptr_null(r.error);
	ck_assert_uint_eq(r.rows->count, 0);
	json_free(r.doc);
	buffer_clear(&b);
}
END_TEST

START_TEST(reply_refused)
{
	static const char *const bad[] = { "", "{}", "[]", "{\"rows\": {}}", "{\"rows\": [1]}",
		"{\"rows\": [], \"end\": true}", "{\"rows\": [], \"end\": true, \"code\": 4}",
		"{\"rows\": [], \"end\": true, \"code\": -1}",
		"{\"rows\": [], \"end\": true, \"code\": \"0\"}", "{\"rows\": []} x" };
	struct control_reply r;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ck_assert_msg(control_reply_decode(bad[i], strlen(bad[i]), &r) == -1, "%s", bad[i]);
		ck_assert_ptr_null(r.doc);
	}
}
END_TEST

START_TEST(an_error_is_cut)
{
	char text[2 * CONTROL_MAX_ERROR];
	struct buffer b;
	struct json_writer w;
	struct control_reply r;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	buffer_init(&b, CONTROL_MAX_REPLY);
	control_put_begin(&b, &w);
	control_put_end(&w, CONTROL_REFUSED, REASON_SYSTEM, text);
	ck_assert_int_eq(control_reply_decode(buffer_data(&b), b.len, &r), 0);
	ck_assert_uint_eq(strlen(r.error), CONTROL_MAX_ERROR);
	json_free(r.doc);
	buffer_clear(&b);
}
END_TEST

START_TEST(runtime_folder)
{
	char path[64];

	setenv("RUNTIME_DIRECTORY", "/run/here", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	ck_assert_int_eq(control_runtime_folder(path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/run/here");
	ck_assert_int_eq(control_find_socket(path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/run/here/control");
	setenv("RUNTIME_DIRECTORY", "/run/here:/run/there", 1);
	ck_assert_int_eq(control_runtime_folder(path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/run/here");
	ck_assert_int_eq(control_runtime_folder(path, 9), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	ck_assert_int_eq(control_runtime_folder(path, 10), 0);
	unsetenv("RUNTIME_DIRECTORY");
	ck_assert_int_eq(control_runtime_folder(path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/run/user/7/gatewayd");
	unsetenv("XDG_RUNTIME_DIR");
	ck_assert_int_eq(control_runtime_folder(path, sizeof(path)), 0);
	ck_assert_str_eq(path, "/run/gatewayd");
	ck_assert_int_eq(control_runtime_folder(path, 5), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_test(tc, request_of_every_command);
	tcase_add_test(tc, names_and_ids);
	tcase_add_test(tc, verbs_that_look);
	tcase_add_test(tc, request_refused);
	tcase_add_test(tc, limits_of_a_request);
	tcase_add_test(tc, size_of_a_request);
	tcase_add_test(tc, reply_round_trip);
	tcase_add_test(tc, reply_without_error);
	tcase_add_test(tc, reply_refused);
	tcase_add_test(tc, an_error_is_cut);
	tcase_add_test(tc, runtime_folder);
}

UNIT_MAIN("control")
