/* gateway-web: a read-only view of a gateway over HTTP. Options, start, exit code; the work is
 * server.c's. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fdutil.h"
#include "common/log.h"
#include "web/listen.h"
#include "web/sandbox.h"
#include "web/server.h"

#ifndef WEB_ASSETS
#define WEB_ASSETS "/usr/share/gatewayd/web"
#endif
#define DEFAULT_LISTEN "127.0.0.1:9404"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: gateway-web [options]\n"
    "  --listen HOST:PORT   listen on TCP; port 0 takes a free one (127.0.0.1:9404)\n"
    "  --unix PATH          listen on a Unix socket\n"
    "  --insecure           the address may be one that other machines reach\n"
    "  --socket PATH        gatewayd's control socket\n"
    "  --assets DIR         the page's files (" WEB_ASSETS ")\n"
    "  --host NAME          a name under which browsers reach it, besides addresses and localhost\n"
    "  --log-level LEVEL    error, warning, notice, info (the default) or debug\n"
    "  --log-prefix         log lines begin with <N>, for systemd and supervisors\n"
    "  --help, --version\n"
    "With sockets from systemd it listens on those instead.\n";

struct options {
	const char *listen, *unix_path;
	struct server_options server;
	bool insecure;
};

enum {
	OPT_LISTEN = 256,
	OPT_UNIX,
	OPT_INSECURE,
	OPT_SOCKET,
	OPT_ASSETS,
	OPT_HOST,
	OPT_LOG_LEVEL,
	OPT_LOG_PREFIX,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ .name = "listen", .has_arg = required_argument, .val = OPT_LISTEN },
	{ .name = "unix", .has_arg = required_argument, .val = OPT_UNIX },
	{ .name = "insecure", .has_arg = no_argument, .val = OPT_INSECURE },
	{ .name = "socket", .has_arg = required_argument, .val = OPT_SOCKET },
	{ .name = "assets", .has_arg = required_argument, .val = OPT_ASSETS },
	{ .name = "host", .has_arg = required_argument, .val = OPT_HOST },
	{ .name = "log-level", .has_arg = required_argument, .val = OPT_LOG_LEVEL },
	{ .name = "log-prefix", .has_arg = no_argument, .val = OPT_LOG_PREFIX },
	{ .name = "help", .has_arg = no_argument, .val = OPT_HELP },
	{ .name = "version", .has_arg = no_argument, .val = OPT_VERSION },
	{ 0 },
};

static volatile sig_atomic_t stopping;

static void
on_signal(int number)
{
	(void)number;
	stopping = 1;
}

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
apply(struct options *o, int opt, const char *arg)
{
	switch (opt) {
	case OPT_LISTEN:
		o->listen = arg;
		return 0;
	case OPT_UNIX:
		o->unix_path = arg;
		return 0;
	case OPT_INSECURE:
		o->insecure = true;
		return 0;
	case OPT_SOCKET:
		o->server.socket = arg;
		return 0;
	case OPT_ASSETS:
		o->server.assets = arg;
		return 0;
	case OPT_HOST:
		if (o->server.host_count == GUARD_HOSTS)
			return -1;
		o->server.hosts[o->server.host_count++] = arg;
		return 0;
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
			puts("gateway-web " GATEWAYD_VERSION);
			return 0;
		}
		if (opt != '?' && apply(o, opt, optarg) == 0)
			continue;
		if (opt != '?')
			fprintf(
			    stderr, "gateway-web: --%s: not usable\n", long_options[index].name);
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	if (optind < argc || (o->listen && o->unix_path)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	return -1;
}

/* Signals are taken only while the loop waits. */
static void
catch_signals(sigset_t *waiting)
{
	const struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, waiting);
	sigdelset(waiting, SIGTERM);
	sigdelset(waiting, SIGINT);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

int
main(int argc, char **argv)
{
	static struct server server;
	struct options o = { .server.assets = WEB_ASSETS };
	char err[512], path[4096];
	sigset_t waiting;
	int code = parse_options(&o, argc, argv);

	if (code >= 0)
		return code;
	if (!o.server.socket && control_find_observe(path, sizeof(path)) < 0) {
		log_error("the path of the control socket is too long");
		return EXIT_FAILURE;
	}
	if (!o.server.socket)
		o.server.socket = path;
	catch_signals(&waiting);
	int fd = listen_open(o.listen || o.unix_path ? o.listen : DEFAULT_LISTEN, o.unix_path,
	    o.insecure, err, sizeof(err));
	if (fd < 0 || web_init(&server, fd, &o.server, err, sizeof(err)) < 0) {
		log_error("%s", err);
		return EXIT_FAILURE;
	}
	listen_log(fd);
	if (web_sandbox_lock(err, sizeof(err)) < 0) {
		log_error("%s", err);
		return EXIT_FAILURE;
	}
	web_run(&server, &stopping, &waiting);
	web_clear(&server);
	return EXIT_SUCCESS;
}
