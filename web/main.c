/* gateway-web: a read-only view of a gateway over HTTP. Options, start, exit code; the work is
 * server.c's. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/daemon/command_line.h"
#include "common/fdutil.h"
#include "common/log.h"
#include "web/listen.h"
#include "web/sandbox.h"
#include "web/server.h"

#ifndef WEB_ASSETS
#define WEB_ASSETS "/usr/share/gatewayd/web"
#endif
#define DEFAULT_LISTEN "127.0.0.1:9404"

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

static int
take_host(void *options, const char *arg)
{
	struct server_options *o = &((struct options *)options)->server;

	if (o->host_count == GUARD_HOSTS)
		return -1;
	o->hosts[o->host_count++] = arg;
	return 0;
}

#define AT(member) offsetof(struct options, member)
static const struct command_line_option rows[] = {
	{ .name = "listen", .kind = COMMAND_LINE_TEXT, .at = AT(listen) },
	{ .name = "unix", .kind = COMMAND_LINE_TEXT, .at = AT(unix_path) },
	{ .name = "insecure", .kind = COMMAND_LINE_FLAG, .at = AT(insecure) },
	{ .name = "socket", .kind = COMMAND_LINE_TEXT, .at = AT(server.socket) },
	{ .name = "assets", .kind = COMMAND_LINE_TEXT, .at = AT(server.assets) },
	{ .name = "host",
	    .kind = COMMAND_LINE_CALL,
	    .take = take_host,
	    .argument = required_argument },
	{ .name = NULL },
};

static const struct command_line command_line = {
	.program = "gateway-web",
	.usage = usage,
	.options = rows,
};

static volatile sig_atomic_t stopping;

static void
on_signal(int number)
{
	(void)number;
	stopping = 1;
}

/* -1, or the code to exit with. */
static int
parse_options(struct options *o, int argc, char **argv)
{
	int code = command_line_read(&command_line, o, argc, argv);

	if (code >= 0 || !o->listen || !o->unix_path)
		return code;
	fputs(usage, stderr);
	return COMMAND_LINE_USAGE;
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
	if (web_sandbox_lock(err, sizeof(err)) < 0) {
		log_error("%s", err);
		return EXIT_FAILURE;
	}
	listen_log(fd);
	web_run(&server, &stopping, &waiting);
	web_clear(&server);
	return EXIT_SUCCESS;
}
