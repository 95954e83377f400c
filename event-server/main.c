/* gateway-eventd: a small Event Server. Options, start, exit code; the work is server.c's. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/daemon/command_line.h"
#include "common/log.h"
#include "event-server/backup.h"
#include "event-server/sandbox.h"
#include "event-server/server.h"

struct options {
	const char *listen, *unix_path, *data, *token_file, *backup;
	struct access access;
	bool no_sync, compact;
	long long server_id, timeseries, ready_fd, numbers_fd, device_types, device_bytes;
	bool sandbox, best_effort, listeners;
	struct retention retention;
};

static const char usage[] =
    "usage: gateway-eventd [options]\n"
    "  --unix PATH          listen on a Unix socket\n"
    "  --listen HOST:PORT   listen on TCP; port 0 takes a free one\n"
    "  --token-file FILE    clients present the token in the first line of FILE\n"
    "  --insecure           TCP clients on loopback need no token\n"
    "  --data DIR           keep events in DIR; without it they are kept in memory alone\n"
    "  --backup DIR         copy the events of the server at --unix to the new folder DIR\n"
    "  --compact            give the space that --data DIR does not need back to the disk\n"
    "  --no-sync            commits survive the end of the process, not a power cut; faster\n"
    "  --timeseries N       keep the last N events (65536), besides the latest of each type\n"
    "  --keep TYPE:count=N,age=S,bytes=N\n"
    "                       of the types that fit, keep no more events, for S seconds\n"
    "  --device-types N     event types that are kept of a device (262144)\n"
    "  --device-bytes N     bytes of their latest events (67108864)\n"
    "  --server-id N        server id in the ids of events (1)\n"
    "  --ready-fd N         write \"PORT\\n\" to descriptor N when ready, and close it\n"
    "  --listeners          that descriptor is a Unix socket, over which a listening socket for\n"
    "                       TCP comes by SCM_RIGHTS; needs --token-file or --insecure\n"
    "  --numbers-fd N       show what it counts in the page of memory of descriptor N\n"
    "  --end-with-parent    end when the process that started it does\n"
    "  --sandbox[=best-effort]\n"
    "                       block system calls that serving does not need\n"
    "  --log-level LEVEL    error, warning, notice, info (the default) or debug\n"
    "  --log-prefix         log lines begin with <N>, for systemd and supervisors\n"
    "  --help, --version\n";

static int
take_rule(void *options, const char *arg)
{
	const char *fault = retention_add(&((struct options *)options)->retention, arg);

	if (fault)
		fprintf(stderr, "gateway-eventd: %s: %s\n", arg, fault);
	return fault ? -1 : 0;
}

static int
take_sandbox(void *options, const char *arg)
{
	struct options *o = options;

	o->sandbox = true;
	o->best_effort = arg && strcmp(arg, "best-effort") == 0;
	return !arg || o->best_effort ? 0 : -1;
}

static int
end_with_parent(void *options, const char *arg)
{
	(void)options, (void)arg;
	return prctl(PR_SET_PDEATHSIG, SIGTERM);
}

#define AT(member) offsetof(struct options, member)
static const struct command_line_option rows[] = {
	{ .name = "listen", .kind = COMMAND_LINE_TEXT, .at = AT(listen) },
	{ .name = "unix", .kind = COMMAND_LINE_TEXT, .at = AT(unix_path) },
	{ .name = "data", .kind = COMMAND_LINE_TEXT, .at = AT(data) },
	{ .name = "backup", .kind = COMMAND_LINE_TEXT, .at = AT(backup) },
	{ .name = "compact", .kind = COMMAND_LINE_FLAG, .at = AT(compact) },
	{ .name = "no-sync", .kind = COMMAND_LINE_FLAG, .at = AT(no_sync) },
	{ .name = "timeseries",
	    .kind = COMMAND_LINE_NUMBER,
	    .at = AT(timeseries),
	    .max = STORE_MAX_SERIES },
	{ .name = "keep",
	    .kind = COMMAND_LINE_CALL,
	    .take = take_rule,
	    .argument = required_argument },
	{ .name = "device-types",
	    .kind = COMMAND_LINE_NUMBER,
	    .at = AT(device_types),
	    .min = 1,
	    .max = STORE_MAX_TYPES },
	{ .name = "device-bytes",
	    .kind = COMMAND_LINE_NUMBER,
	    .at = AT(device_bytes),
	    .min = 1,
	    .max = STORE_MAX_BYTES },
	{ .name = "server-id", .kind = COMMAND_LINE_NUMBER, .at = AT(server_id), .max = INT64_MAX },
	{ .name = "token-file", .kind = COMMAND_LINE_TEXT, .at = AT(token_file) },
	{ .name = "insecure", .kind = COMMAND_LINE_FLAG, .at = AT(access.insecure) },
	{ .name = "ready-fd", .kind = COMMAND_LINE_NUMBER, .at = AT(ready_fd), .max = INT32_MAX },
	{ .name = "listeners", .kind = COMMAND_LINE_FLAG, .at = AT(listeners) },
	{ .name = "numbers-fd",
	    .kind = COMMAND_LINE_NUMBER,
	    .at = AT(numbers_fd),
	    .max = INT32_MAX },
	{ .name = "end-with-parent", .kind = COMMAND_LINE_CALL, .take = end_with_parent },
	{ .name = "sandbox",
	    .kind = COMMAND_LINE_CALL,
	    .take = take_sandbox,
	    .argument = optional_argument },
	{ .name = NULL },
};

static const struct command_line command_line = {
	.program = "gateway-eventd",
	.usage = usage,
	.options = rows,
};

/* -1, or the code to exit with. */
static int
parse_options(struct options *o, int argc, char **argv)
{
	int code = command_line_read(&command_line, o, argc, argv);
	const char *needs = NULL;

	if (code >= 0)
		return code;
	if (o->compact && !o->data)
		needs = "--compact needs --data DIR";
	else if (!o->compact && o->backup && !o->unix_path)
		needs = "--backup needs --unix PATH";
	else if (!o->compact && !o->listen && !o->unix_path)
		needs = "needs --unix PATH, or --listen HOST:PORT with --token-file FILE";
	else if (o->listeners && o->ready_fd < 0)
		needs = "--listeners needs --ready-fd N";
	if (!needs)
		return -1;
	fprintf(stderr, "gateway-eventd: %s\n", needs);
	return COMMAND_LINE_USAGE;
}

/* As many clients as there may be, whatever the shell's soft limit. */
static void
raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Events may be confidential: the process writes no core file, and no other process of the same
 * user can read its memory. */
static void
hide_memory(void)
{
	const struct rlimit none = { 0 };

	if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		log_warning("cannot hide the memory from other processes: %s", strerror(errno));
}

static void
tell_ready(struct server *s, const struct options *o, int port)
{
	if (o->ready_fd < 0)
		return;
	dprintf((int)o->ready_fd, "%d\n", port);
	if (o->listeners)
		server_take_listeners(s, (int)o->ready_fd);
	else
		close((int)o->ready_fd);
}

static int
compact(const char *dir, char *err, size_t err_size)
{
	long long before, after;

	if (db_compact(dir, &before, &after, err, err_size) < 0)
		return -1;
	log_notice("%s: %lld bytes, %lld before", dir, after, before);
	return 0;
}

static int
backup(const struct options *o, char *err, size_t err_size)
{
	const struct backup_source from = { .unix_path = o->unix_path,
		.token = o->token_file ? o->access.token : NULL,
		.server_id = o->server_id };
	size_t count;

	if (backup_make(&from, o->backup, &count, err, err_size) < 0)
		return -1;
	log_notice("%s has %zu events", o->backup, count);
	return 0;
}

/* 0, or -1 with a message. */
static int
lock_process(const struct options *o, char *err, size_t err_size)
{
	if (!o->sandbox || sandbox_enter() == 0)
		return 0;
	snprintf(err, err_size, "cannot set up the sandbox: %s", strerror(errno));
	if (!o->best_effort)
		return -1;
	log_warning("%s", err);
	return 0;
}

/* 0, or -1 with a message. */
static int
show_numbers(struct server *s, const struct options *o, char *err, size_t err_size)
{
	uint64_t *page = o->numbers_fd < 0 ? NULL : numbers_map((int)o->numbers_fd, true);

	if (o->numbers_fd < 0)
		return 0;
	if (!page) {
		snprintf(err, err_size, "--numbers-fd %lld: %s", o->numbers_fd, strerror(errno));
		return -1;
	}
	close((int)o->numbers_fd);
	server_show_numbers(s, page);
	return 0;
}

/* Opens what serving needs. 0, or -1 with a message; *started: the server is to be cleared. */
static int
start(struct server *s, const struct options *o, bool *started, char *err, size_t err_size)
{
	struct db *db = o->data ? db_open(o->data, !o->no_sync, err, err_size) : NULL;
	int port = 0;

	if (o->data && !db)
		return -1;
	if (server_init(s, db, o->server_id, (size_t)o->timeseries, &o->access, err, err_size) < 0)
		return -1;
	*started = true;
	store_set_quotas(&s->store, (size_t)o->device_types, (size_t)o->device_bytes);
	server_set_retention(s, &o->retention);
	if (o->listen && (port = server_listen_tcp(s, o->listen, err, err_size)) < 0)
		return -1;
	if (o->unix_path && server_listen_unix(s, o->unix_path, err, err_size) < 0)
		return -1;
	if (show_numbers(s, o, err, err_size) < 0 || lock_process(o, err, err_size) < 0)
		return -1;
	tell_ready(s, o, port);
	return 0;
}

static int
serve(const struct options *o, char *err, size_t err_size)
{
	static struct server server;
	bool started = false;
	int r = start(&server, o, &started, err, err_size);

	if (r < 0)
		log_error("%s", err);
	else
		r = server_run(&server);
	if (started)
		server_clear(&server);
	return r;
}

int
main(int argc, char **argv)
{
	static struct options o = { .server_id = 1,
		.timeseries = STORE_DEFAULT_SERIES,
		.ready_fd = -1,
		.numbers_fd = -1,
		.device_types = QUOTA_DEFAULT_TYPES,
		.device_bytes = QUOTA_DEFAULT_BYTES };
	char err[512];
	int r, code = parse_options(&o, argc, argv);

	if (code >= 0)
		return code;
	signal(SIGPIPE, SIG_IGN);
	raise_files();
	hide_memory();
	if (o.token_file && access_read_token(&o.access, o.token_file, err, sizeof(err)) < 0) {
		log_error("%s", err);
		return EXIT_FAILURE;
	}
	if (!o.compact && !o.backup)
		return serve(&o, err, sizeof(err)) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	r = o.compact ? compact(o.data, err, sizeof(err)) : backup(&o, err, sizeof(err));
	if (r < 0)
		log_error("%s", err);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
