/* gatewayd: options, signals, start and stop. */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/daemon/notify.h"
#include "common/fdutil.h"
#include "common/log.h"
#include "supervisor/check.h"
#include "supervisor/check_report.h"
#include "supervisor/config/config.h"
#include "supervisor/config/config_schema.h"
#include "supervisor/control/control.h"
#include "supervisor/engine/eventd.h"
#include "supervisor/gateway.h"
#include "supervisor/init.h"
#include "supervisor/log/log_sink.h"
#include "supervisor/net/broker.h"

#define DEFAULT_CONFIG "/etc/gatewayd/gatewayd.yaml"

enum {
	EXIT_USAGE = 2,
	MAX_SCHEMA = 16 << 20, /* bytes */
};

struct program {
	const char *config_path;
	const char *libexec; /* of the command line, or NULL */
	bool check, verbose, schema;
	bool strict, json; /* of the check */
	struct check_report report;
	struct paths paths;
	struct ev_loop *loop;
	struct config *config; /* until the gateway takes it */
	struct gateway *gateway;
	ev_signal signals[3];
	ev_timer watchdog;
};

static void
usage(FILE *f)
{
	fprintf(f, "usage: gatewayd [--config FILE] [--libexec DIR]\n"
		   "                [--check [--strict] [--json] [--verbose]]\n"
		   "       gatewayd --schema | --help | --version\n"
		   "\n"
		   "  -c, --config FILE   configuration (default " DEFAULT_CONFIG ")\n"
		   "      --libexec DIR   where the runners are\n"
		   "      --check         check the configuration, with the runners too, and end\n"
		   "      --strict        with --check: a warning is a fault\n"
		   "      --json          with --check: the faults as JSON on standard output\n"
		   "  -v, --verbose       with --check: what devices do and touch; else log more\n"
		   "      --schema        print the configuration's JSON Schema, for editors\n"
		   "  -h, --help          this text\n"
		   "  -V, --version       the version\n"
		   "\n"
		   "gatewayd stays in the foreground. SIGTERM stops it in order, SIGHUP reloads.\n"
		   "Exit code: 0 done, 1 failed, 2 usage, 78 the configuration is at fault.\n"
		   "See gatewayd(8), gatewayd.yaml(5).\n");
}

static const struct option long_options[] = {
	{ .name = "config", .has_arg = required_argument, .val = 'c' },
	{ .name = "libexec", .has_arg = required_argument, .val = 'l' },
	{ .name = "check", .has_arg = no_argument, .val = 'k' },
	{ .name = "strict", .has_arg = no_argument, .val = 's' },
	{ .name = "json", .has_arg = no_argument, .val = 'j' },
	{ .name = "verbose", .has_arg = no_argument, .val = 'v' },
	{ .name = "schema", .has_arg = no_argument, .val = 'S' },
	{ .name = "help", .has_arg = no_argument, .val = 'h' },
	{ .name = "version", .has_arg = no_argument, .val = 'V' },
	{ .name = NULL },
};

/* Returns -1 to go on, else an exit code. */
static int
parse_options(struct program *g, int argc, char **argv)
{
	for (int o; (o = getopt_long(argc, argv, "c:vhV", long_options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			g->config_path = optarg;
			break;
		case 'l':
			g->libexec = optarg;
			break;
		case 'k':
			g->check = true;
			break;
		case 's':
			g->strict = true;
			break;
		case 'j':
			g->json = true;
			break;
		case 'v':
			g->verbose = true;
			break;
		case 'S':
			g->schema = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		case 'V':
			printf("gatewayd %s\n", GATEWAYD_VERSION);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "gatewayd: unexpected argument %s\n", argv[optind]);
		usage(stderr);
		return EXIT_USAGE;
	}
	return -1;
}

static void
on_terminate(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct program *p = w->data;

	(void)revents;
	if (gateway_is_stopping(p->gateway)) {
		log_warning("second signal %d: exiting now", w->signum);
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	log_notice("signal %d: stopping all devices, then the gateway", w->signum);
	gateway_stop(p->gateway, EXIT_SUCCESS);
}

static void
on_hangup(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct program *p = w->data;

	(void)loop, (void)revents;
	gateway_reload(p->gateway);
}

static void
on_watchdog(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	notify_manager("WATCHDOG=1");
}

/* SIGHUP during the start waits for watch_signals(). By default it would end us, and a service
 * manager takes that for a good end. */
static void
hold_hangup(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(how, &set, NULL);
}

/* From the first instruction on that is the program's own: before the constructors of libraries, as
 * the loader runs it first. */
#ifndef __SANITIZE_ADDRESS__ /* which is not there so early */
static void
hold_from_the_start(int argc, char **argv, char **environment)
{
	(void)argc, (void)argv, (void)environment;
	hold_hangup(SIG_BLOCK);
}

__attribute__((section(".preinit_array"), used)) static void (*const before_all)(
    int, char **, char **) = hold_from_the_start;
#endif

static void
watch_signals(struct program *p)
{
	static const struct {
		int number;
		void (*handle)(struct ev_loop *loop, ev_signal *w, int revents);
	} handlers[] = { { .number = SIGTERM, .handle = on_terminate },
		{ .number = SIGINT, .handle = on_terminate },
		{ .number = SIGHUP, .handle = on_hangup } };
	uint64_t watchdog_us = notify_watchdog_us();

	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		ev_signal_init(&p->signals[i], handlers[i].handle, handlers[i].number);
		p->signals[i].data = p;
		ev_signal_start(p->loop, &p->signals[i]);
	}
	hold_hangup(SIG_UNBLOCK);
	if (watchdog_us) {
		ev_timer_init(&p->watchdog, on_watchdog, 0., (double)watchdog_us / 3e6);
		ev_timer_start(p->loop, &p->watchdog);
	}
}

/* The faults of the others were reported when the file was read. */
static bool
has_runner(void *arg, const struct config_device *d)
{
	(void)arg;
	return d->name && d->type && (d->runner ? d->runner[0] == '/' : d->family != NULL);
}

/* A warning: the file may be for another machine. */
static void
check_group(struct program *g)
{
	const char *key = control_missing_group(g->config);

	if (!key)
		return;
	const struct json *where = config_find(g->config, key);
	check_report_fault(&g->report, SCHEMA_WARNING, g->config_path, where->line, where->column,
	    key, CONTROL_NO_GROUP);
}

static int
run_check(struct program *g)
{
	log_set_level(LOG_LEVEL_WARNING);
	struct check_options options = { .config = g->config,
		.together = true,
		.libexec = g->paths.libexec,
		.zone = g->paths.zone,
		.broker = broker_new(g->loop, NULL),
		.verbose = g->verbose && !g->json,
		.wants = has_runner,
		.report = check_report_fault,
		.arg = &g->report };
	check_group(g);
	int faulty = options.broker ? check_devices(g->loop, &options) : -1;

	broker_free(options.broker);

	if (faulty < 0) {
		log_error("check: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	if (faulty > 0)
		fprintf(stderr, "gatewayd: %s: %d of %zu device%s at fault\n", g->config_path,
		    faulty, g->config->device_count, LOG_PLURAL(g->config->device_count));
	if (faulty > 0 || g->config->at_fault || (g->strict && g->report.warnings > 0))
		return EX_CONFIG;
	if (!g->json)
		printf("%s: %zu device%s, no fault\n", g->config_path, g->config->device_count,
		    LOG_PLURAL(g->config->device_count));
	return EXIT_SUCCESS;
}

static int
run(struct program *p)
{
	p->gateway = gateway_start(p->loop, p->config_path, p->verbose, &p->paths, p->config);
	p->config = NULL;
	if (!p->gateway)
		return EXIT_FAILURE;
	watch_signals(p);
	notify_manager("READY=1");
	ev_run(p->loop, 0);
	return gateway_free(p->gateway);
}

/* Our starter may have left behind closed standard descriptors, whose numbers sockets
 * would take; an ignored SIGCHLD, with which the kernel reaps in our place; ambient capabilities.
 */
static int
prepare_process(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO && fcntl(fd, F_SETFD, 0) == 0);
	fd_close(fd);
	signal(SIGCHLD, SIG_DFL);
#ifndef __SANITIZE_ADDRESS__ /* whose search for leaks looks into the process */
	/* Tokens are in memory: no core file, and no other process of the user can look. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		log_warning("cannot hide the memory from other processes: %s", strerror(errno));
#endif
	/* Ambient capabilities stay ours: an exec would hand them to runners. */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return fd < 0 ? -1 : 0;
}

/* Returns -1 to go on, else an exit code. */
static int
load_config(struct program *p)
{
	hold_hangup(p->check ? SIG_UNBLOCK : SIG_BLOCK);
	if (p->verbose && !p->check)
		log_set_level(LOG_LEVEL_DEBUG);
	check_report_init(&p->report, p->check && p->json);
	p->config = (p->check ? config_load_part : config_load)(
	    p->config_path, check_report_fault, &p->report);
	if (p->config)
		return -1;
	check_report_end(&p->report);
	return EX_CONFIG;
}

static int
print_schema(struct program *p)
{
	struct buffer b;

	paths_find(&p->paths, p->libexec);
	buffer_init(&b, MAX_SCHEMA);
	int rc = config_schema_put(&b, p->paths.libexec);
	if (rc == 0 && (fwrite(buffer_data(&b), 1, b.len, stdout) != b.len || fflush(stdout) != 0))
		rc = -1;
	buffer_clear(&b);
	return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	static struct program program = { .config_path = DEFAULT_CONFIG };
	struct program *p = &program;

	if (prepare_process() < 0)
		return EX_OSERR;
	/* A reader of the log that is gone costs its lines, not the gateway. */
	signal(SIGPIPE, SIG_IGN);
	int code = parse_options(p, argc, argv);
	if (code < 0 && p->schema)
		return print_schema(p);
	if (code < 0)
		code = init_run();
	if (code < 0)
		code = load_config(p);
	if (code >= 0)
		return code;
	paths_find(&p->paths, p->libexec);
	srandom((unsigned)(monotime_now().ns ^ getpid()));
	/* Not the default loop: it would reap children that are ours to reap. */
	p->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	code = p->loop ? p->check ? run_check(p) : run(p) : EXIT_FAILURE;
	/* The loop does not run any more: nobody waits for this but us. */
	process_reap_freed(EVENTD_STOP_MS);
	check_report_end(&p->report);
	if (!p->check)
		log_sink_close();
	config_free(p->config);
	ev_loop_destroy(p->loop);
	return code;
}
