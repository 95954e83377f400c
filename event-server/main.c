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

#include "common/log.h"
#include "event-server/backup.h"
#include "event-server/sandbox.h"
#include "event-server/server.h"

enum { EXIT_USAGE = 2 };

struct options {
	const char *listen, *unix_path, *data, *token_file, *backup;
	struct access access;
	bool no_sync, compact;
	long long server_id, timeseries, ready_fd, device_types, device_bytes;
	bool sandbox, best_effort;
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
    "  --end-with-parent    end when the process that started it does\n"
    "  --sandbox[=best-effort]\n"
    "                       block system calls that serving does not need\n"
    "  --log-level LEVEL    error, warning, notice, info (the default) or debug\n"
    "  --log-prefix         log lines begin with <N>, for systemd and supervisors\n"
    "  --help, --version\n";

static int
parse_number(const char *text, long long min, long long max, long long *v)
{
	char *end;

	errno = 0;
	*v = strtoll(text, &end, 10);
	return errno || end == text || *end || *v < min || *v > max ? -1 : 0;
}

enum {
	OPT_LISTEN = 256,
	OPT_UNIX,
	OPT_DATA,
	OPT_BACKUP,
	OPT_COMPACT,
	OPT_NO_SYNC,
	OPT_TIMESERIES,
	OPT_KEEP,
	OPT_DEVICE_TYPES,
	OPT_DEVICE_BYTES,
	OPT_SERVER_ID,
	OPT_TOKEN_FILE,
	OPT_INSECURE,
	OPT_READY_FD,
	OPT_END_WITH_PARENT,
	OPT_SANDBOX,
	OPT_LOG_LEVEL,
	OPT_LOG_PREFIX,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "unix", required_argument, NULL, OPT_UNIX },
	{ "data", required_argument, NULL, OPT_DATA },
	{ "backup", required_argument, NULL, OPT_BACKUP },
	{ "compact", no_argument, NULL, OPT_COMPACT },
	{ "no-sync", no_argument, NULL, OPT_NO_SYNC },
	{ "timeseries", required_argument, NULL, OPT_TIMESERIES },
	{ "keep", required_argument, NULL, OPT_KEEP },
	{ "device-types", required_argument, NULL, OPT_DEVICE_TYPES },
	{ "device-bytes", required_argument, NULL, OPT_DEVICE_BYTES },
	{ "server-id", required_argument, NULL, OPT_SERVER_ID },
	{ "token-file", required_argument, NULL, OPT_TOKEN_FILE },
	{ "insecure", no_argument, NULL, OPT_INSECURE },
	{ "ready-fd", required_argument, NULL, OPT_READY_FD },
	{ "end-with-parent", no_argument, NULL, OPT_END_WITH_PARENT },
	{ "sandbox", optional_argument, NULL, OPT_SANDBOX },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "log-prefix", no_argument, NULL, OPT_LOG_PREFIX },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

static int
set_level(const char *name)
{
	int level = log_level_parse(name);

	if (level < 0)
		return -1;
	log_set_level((enum log_level)level);
	return 0;
}

static int
take_rule(struct options *o, const char *arg)
{
	const char *fault = retention_add(&o->retention, arg);

	if (fault)
		fprintf(stderr, "gateway-eventd: %s: %s\n", arg, fault);
	return fault ? -1 : 0;
}

static int
apply(struct options *o, int opt, const char *arg)
{
	switch (opt) {
	case OPT_LISTEN:
		o->listen = arg;
		return 0;
	case OPT_UNIX:
		o->unix_path = arg;
		return 0;
	case OPT_DATA:
		o->data = arg;
		return 0;
	case OPT_BACKUP:
		o->backup = arg;
		return 0;
	case OPT_COMPACT:
		o->compact = true;
		return 0;
	case OPT_NO_SYNC:
		o->no_sync = true;
		return 0;
	case OPT_TIMESERIES:
		return parse_number(arg, 0, STORE_MAX_SERIES, &o->timeseries);
	case OPT_KEEP:
		return take_rule(o, arg);
	case OPT_DEVICE_TYPES:
		return parse_number(arg, 1, STORE_MAX_TYPES, &o->device_types);
	case OPT_DEVICE_BYTES:
		return parse_number(arg, 1, STORE_MAX_BYTES, &o->device_bytes);
	case OPT_SERVER_ID:
		return parse_number(arg, 0, INT64_MAX, &o->server_id);
	case OPT_TOKEN_FILE:
		o->token_file = arg;
		return 0;
	case OPT_INSECURE:
		o->access.insecure = true;
		return 0;
	case OPT_READY_FD:
		return parse_number(arg, 0, INT32_MAX, &o->ready_fd);
	case OPT_END_WITH_PARENT:
		return prctl(PR_SET_PDEATHSIG, SIGTERM);
	case OPT_SANDBOX:
		o->sandbox = true;
		o->best_effort = arg && strcmp(arg, "best-effort") == 0;
		return !arg || o->best_effort ? 0 : -1;
	case OPT_LOG_LEVEL:
		return set_level(arg);
	case OPT_LOG_PREFIX:
		log_set_target(LOG_TARGET_PREFIX);
		return 0;
	default:
		return -1;
	}
}

/* -1, or the code to exit with. */
static int
parse_options(struct options *o, int argc, char **argv)
{
	int opt, index = 0;

	while ((opt = getopt_long(argc, argv, "", long_options, &index)) >= 0) {
		if (opt == OPT_HELP) {
			fputs(usage, stdout);
			return 0;
		}
		if (opt == OPT_VERSION) {
			puts("gateway-eventd " GATEWAYD_VERSION);
			return 0;
		}
		if (opt == '?') {
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
		if (apply(o, opt, optarg) < 0) {
			fprintf(
			    stderr, "gateway-eventd: --%s: not usable\n", long_options[index].name);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (o->compact ? !o->data : o->backup && !o->unix_path) {
		fputs(o->compact ? "gateway-eventd: --compact needs --data DIR\n"
				 : "gateway-eventd: --backup needs --unix PATH\n",
		    stderr);
		return EXIT_USAGE;
	}
	if (!o->listen && !o->unix_path && !o->compact) {
		fputs("gateway-eventd: needs --unix PATH, or --listen HOST:PORT with "
		      "--token-file FILE\n",
		    stderr);
		return EXIT_USAGE;
	}
	return -1;
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
tell_ready(long long fd, int port)
{
	if (fd < 0)
		return;
	dprintf((int)fd, "%d\n", port);
	close((int)fd);
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

int
main(int argc, char **argv)
{
	static struct server server;
	static struct options o = { .server_id = 1,
		.timeseries = STORE_DEFAULT_SERIES,
		.ready_fd = -1,
		.device_types = QUOTA_DEFAULT_TYPES,
		.device_bytes = QUOTA_DEFAULT_BYTES };
	char err[512];
	struct db *db = NULL;
	int port = 0, code = parse_options(&o, argc, argv);

	if (code >= 0)
		return code;
	signal(SIGPIPE, SIG_IGN);
	raise_files();
	hide_memory();
	if (o.token_file && access_read_token(&o.access, o.token_file, err, sizeof(err)) < 0)
		goto fail;
	if (o.compact || o.backup) {
		if ((o.compact ? compact(o.data, err, sizeof(err)) : backup(&o, err, sizeof(err))) <
		    0)
			goto fail;
		return EXIT_SUCCESS;
	}
	if (o.data && !(db = db_open(o.data, !o.no_sync, err, sizeof(err))))
		goto fail;
	if (server_init(
		&server, db, o.server_id, (size_t)o.timeseries, &o.access, err, sizeof(err)) < 0)
		goto fail;
	store_set_quotas(&server.store, (size_t)o.device_types, (size_t)o.device_bytes);
	server_set_retention(&server, &o.retention);
	if (o.listen && (port = server_listen_tcp(&server, o.listen, err, sizeof(err))) < 0)
		goto fail_clear;
	if (o.unix_path && server_listen_unix(&server, o.unix_path, err, sizeof(err)) < 0)
		goto fail_clear;
	if (o.sandbox && sandbox_enter() < 0) {
		snprintf(err, sizeof(err), "cannot set up the sandbox: %s", strerror(errno));
		if (!o.best_effort)
			goto fail_clear;
		log_warning("%s", err);
	}
	tell_ready(o.ready_fd, port);
	int r = server_run(&server);
	server_clear(&server);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
fail_clear:
	server_clear(&server);
fail:
	log_error("%s", err);
	return EXIT_FAILURE;
}
