/*
 * mms-probe HOST PORT COMMAND...: an association with an MMS server, for tests: makes each call in
 * turn and prints what came of it, a line each. Commands:
 *   identify | status | conclude
 *   domains | variables DOMAIN | lists DOMAIN
 *   type DOMAIN ITEM | read DOMAIN ITEM | list DOMAIN ITEM | delete DOMAIN ITEM
 *   write-bool DOMAIN ITEM 0|1
 *   define DOMAIN LIST ITEM       a list of one member of the same domain
 *   reports N                     waits for so many reports and prints them
 * MMS_PDU and MMS_CALLS in the environment: PDU size and outstanding calls that are proposed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocols/mms/client.h"
#include "protocols/mms/text.h"

static struct mms_client *client;
static struct buffer out;
static int fd;
static unsigned reports;

static void
die(const char *what)
{
	printf("failed: %s\n", what);
	exit(1);
}

static void
print_value(const struct mms_value *v)
{
	char text[1 << 16];
	struct textbuf t = textbuf_make(text, sizeof(text));

	mms_value_text(&t, v);
	printf("%s", textbuf_end(&t));
}

static void
print_accesses(struct mms_list list)
{
	struct mms_access a;

	while (mms_access_next(&list, &a)) {
		printf(" ");
		if (a.success)
			print_value(&a.value);
		else
			printf("%s", mms_access_error_name(a.error));
	}
}

static void
print_name(const struct mms_name *n)
{
	printf(" %.*s/%.*s", (int)n->domain.len, n->domain.p ? n->domain.p : "", (int)n->item.len,
	    n->item.p);
}

static void
print_variables(struct mms_list list)
{
	struct mms_variable v;

	while (mms_variable_next(&list, &v)) {
		print_name(&v.name);
		if (v.has_index)
			printf("(%u)", v.index);
		if (v.component.p)
			printf("%.*s", (int)v.component.len, v.component.p);
	}
}

static void
print_type(struct mms_str name, const struct mms_type *type)
{
	struct mms_list list = type->members;
	struct mms_str member;
	struct mms_type t;

	printf(" %.*s%s%s", (int)name.len, name.p ? name.p : "", name.p ? ":" : "",
	    mms_kind_name(type->kind));
	if (type->size)
		printf("[%lld]", (long long)type->size);
	if (mms_list_count(list) == 0)
		return;
	printf(" {");
	while (mms_type_next(&list, &member, &t))
		print_type(member, &t);
	printf(" }");
}

static void
print_response(const struct mms_response *r)
{
	struct mms_list list;
	struct mms_str s;
	int64_t error;
	bool success;

	switch (r->service) {
	case MMS_STATUS:
		printf(
		    " %lld %lld", (long long)r->u.status.logical, (long long)r->u.status.physical);
		break;
	case MMS_IDENTIFY:
		printf(" %.*s, %.*s, %.*s", (int)r->u.identify.vendor.len, r->u.identify.vendor.p,
		    (int)r->u.identify.model.len, r->u.identify.model.p,
		    (int)r->u.identify.revision.len, r->u.identify.revision.p);
		break;
	case MMS_GET_NAME_LIST:
		for (list = r->u.name_list.names; mms_identifier_next(&list, &s);)
			printf(" %.*s", (int)s.len, s.p);
		printf("%s", r->u.name_list.more_follows ? " ..." : "");
		break;
	case MMS_READ:
		print_accesses(r->u.read);
		break;
	case MMS_WRITE:
		for (list = r->u.written; mms_written_next(&list, &success, &error);)
			printf(" %s", success ? "done" : mms_access_error_name(error));
		break;
	case MMS_GET_VARIABLE_ATTRIBUTES:
		print_type(mms_str(NULL), &r->u.attributes.type);
		break;
	case MMS_GET_LIST:
		print_variables(r->u.list.variables);
		break;
	case MMS_DELETE_LIST:
		printf(" %u %u", r->u.deleted.matched, r->u.deleted.deleted);
		break;
	case MMS_DEFINE_LIST:
		break;
	}
}

static void
print_result(const struct mms_result *r)
{
	char text[64];

	printf("%s %s", mms_service_name(r->service), mms_outcome_name(r->outcome));
	if (r->outcome == MMS_ANSWERED)
		print_response(&r->response);
	else if (r->outcome == MMS_REFUSED)
		printf(" %s", mms_error_text(r->error, text));
	printf("\n");
}

static void
print_report(const struct mms_report *r)
{
	printf("report");
	if (r->is_list)
		print_name(&r->list);
	else
		print_variables(r->variables);
	printf(":");
	print_accesses(r->results);
	printf("\n");
	reports++;
}

/* Sends, waits for octets or the next time-out, and takes one event where there is one. */
static enum mms_event_kind
next_event(void)
{
	uint8_t data[8192];
	struct mms_event e;

	while (!mms_client_next(client, &e)) {
		while (out.len) {
			ssize_t n = send(fd, buffer_data(&out), out.len, MSG_NOSIGNAL);
			if (n < 0)
				die(strerror(errno));
			buffer_consume(&out, (size_t)n);
		}
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int due = (int)mms_client_due(client, monotime_now());
		if (poll(&p, 1, due) == 0) {
			mms_client_tick(client, monotime_now());
			continue;
		}
		ssize_t n = recv(fd, data, sizeof(data), 0);
		if (n <= 0)
			mms_client_lost(
			    client, n < 0 ? strerror(errno) : "the server closed the connection");
		else
			mms_client_feed(client, data, (size_t)n, monotime_now());
	}
	if (e.kind == MMS_EVENT_RESULT)
		print_result(&e.result);
	if (e.kind == MMS_EVENT_REPORT)
		print_report(&e.report);
	if (e.kind == MMS_EVENT_ENDED) {
		printf("ended: %s%s\n", e.why, e.concluded ? " (concluded)" : "");
		exit(e.concluded ? 0 : 1);
	}
	fflush(stdout);
	return e.kind;
}

static void
connect_to(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *a;

	if (getaddrinfo(host, port, &hints, &a))
		die("cannot resolve the host");
	fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, a->ai_addr, a->ai_addrlen) < 0)
		die(strerror(errno));
	freeaddrinfo(a);
}

static long
from_environment(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : otherwise;
}

static struct mms_name
name_of(char **argv)
{
	return (struct mms_name){
		.scope = MMS_DOMAIN, .domain = mms_str(argv[0]), .item = mms_str(argv[1])
	};
}

static enum mms_call
write_bool(char **argv)
{
	struct mms_variable v = { .name = name_of(argv) };
	uint8_t data[8];
	struct ber_writer w;

	ber_writer_init(&w, data, sizeof(data));
	mms_put_bool(&w, argv[2][0] == '1');
	return mms_client_write(client, 0, &v, 1, data, ber_writer_done(&w), monotime_now());
}

static enum mms_call
define(char **argv)
{
	struct mms_name list = name_of(argv);
	struct mms_variable v = {
		.name = { .scope = MMS_DOMAIN, .domain = list.domain, .item = mms_str(argv[2]) }
	};

	return mms_client_define_list(client, 0, &list, &v, 1, monotime_now());
}

static enum mms_call
on_name(enum mms_service service, char **argv)
{
	struct mms_name name = name_of(argv);
	struct mms_variable v = { .name = name };
	struct monotime now = monotime_now();

	switch (service) {
	case MMS_READ:
		return mms_client_read(client, 0, &v, 1, now);
	case MMS_GET_VARIABLE_ATTRIBUTES:
		return mms_client_variable_attributes(client, 0, &name, now);
	case MMS_DELETE_LIST:
		return mms_client_delete_list(client, 0, &name, now);
	default:
		return mms_client_get_list(client, 0, &name, now);
	}
}

static enum mms_call
names(enum mms_object_class object, const char *domain)
{
	return mms_client_name_list(
	    client, 0, object, mms_str(domain), mms_str(NULL), monotime_now());
}

/* Makes the call of a command; how many arguments it took in *used, -1: it is no command. */
static enum mms_call
call_of(char **argv, int *used)
{
	const char *c = argv[0];

	*used = 1;
	if (strcmp(c, "identify") == 0)
		return mms_client_identify(client, 0, monotime_now());
	if (strcmp(c, "status") == 0)
		return mms_client_status(client, 0, monotime_now());
	if (strcmp(c, "domains") == 0)
		return names(MMS_CLASS_DOMAIN, NULL);
	*used = 2;
	if (strcmp(c, "variables") == 0)
		return names(MMS_CLASS_VARIABLE, argv[1]);
	if (strcmp(c, "lists") == 0)
		return names(MMS_CLASS_VARIABLE_LIST, argv[1]);
	*used = 3;
	if (strcmp(c, "read") == 0)
		return on_name(MMS_READ, argv + 1);
	if (strcmp(c, "type") == 0)
		return on_name(MMS_GET_VARIABLE_ATTRIBUTES, argv + 1);
	if (strcmp(c, "list") == 0)
		return on_name(MMS_GET_LIST, argv + 1);
	if (strcmp(c, "delete") == 0)
		return on_name(MMS_DELETE_LIST, argv + 1);
	*used = 4;
	if (strcmp(c, "write-bool") == 0)
		return write_bool(argv + 1);
	if (strcmp(c, "define") == 0)
		return define(argv + 1);
	*used = -1;
	return MMS_NOT_READY;
}

static int
run(char **argv)
{
	int used = 1;

	if (strcmp(argv[0], "conclude") == 0) {
		mms_client_conclude(client, monotime_now());
		for (;;)
			next_event();
	}
	if (strcmp(argv[0], "reports") == 0) {
		unsigned want = reports + (unsigned)strtoul(argv[1], NULL, 10);
		while (reports < want)
			next_event();
		return 2;
	}
	enum mms_call call = call_of(argv, &used);
	if (used < 0 || call != MMS_TAKEN)
		die(argv[0]);
	while (next_event() != MMS_EVENT_RESULT)
		;
	return used;
}

int
main(int argc, char **argv)
{
	const struct mms_params params = { .local_detail =
					       (int32_t)from_environment("MMS_PDU", 65000),
		.outstanding = (unsigned)from_environment("MMS_CALLS", 5),
		.associate_timeout_ms = 5000,
		.response_timeout_ms = 5000,
		.status_delay_ms = 10000,
		.status_timeout_ms = 5000 };

	if (argc < 4)
		die("usage: mms-probe HOST PORT COMMAND...");
	buffer_init(&out, 1 << 20);
	client = mms_client_new(&params);
	connect_to(argv[1], argv[2]);
	mms_client_start(client, &out, monotime_now());
	while (next_event() != MMS_EVENT_ASSOCIATED)
		;
	printf("associated: %zu octets, %u calls\n", mms_client_pdu_size(client),
	    mms_client_window(client));
	for (int at = 3; at < argc;)
		at += run(argv + at);
	mms_client_free(client);
	buffer_clear(&out);
	return 0;
}
