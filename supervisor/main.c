/* gatewayd: options, signals, and the order of start and end. */
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/log.h"
#include "supervisor/net/broker.h"
#include "supervisor/child/cgroup.h"
#include "supervisor/check.h"
#include "supervisor/check_report.h"
#include "supervisor/config/config.h"
#include "supervisor/control/control.h"
#include "supervisor/engine/engine.h"
#include "supervisor/engine/eventd.h"
#include "supervisor/child/kernel_features.h"
#include "supervisor/log/log_lookup.h"
#include "supervisor/log/log_sink.h"
#include "supervisor/engine/monitor.h"
#include "supervisor/reload.h"

#define DEFAULT_CONFIG "/etc/gatewayd/gatewayd.yaml"

enum {
	EXIT_USAGE = 2,
	PATH_SIZE = 4096,
	EVENTD_MAX_UNANSWERED = 2, /* connections, of LINK_CONNECT_MS each */
};

struct gateway {
	struct ev_loop *loop;
	const char *config_path;
	const char *libexec_option;
	bool check, verbose;
	bool strict, json; /* of the check */
	struct check_report report;
	char libexec[PATH_SIZE], eventd_program[PATH_SIZE];
	char runtime[PATH_SIZE], state[PATH_SIZE], eventd_socket[PATH_SIZE + 16];
	char zone[256];
	struct config *config, *next; /* next: in force when the engine has left */
	struct broker *broker;
	struct engine engine;
	struct cgroup cgroup;
	struct eventd *eventd;
	struct monitor monitor;
	struct observer_event_server
	    server; /* of the Monitor Server: where the engine is connected */
	bool connected;
	struct control *control;
	struct reload *reload;
	struct log_lookup log_lookup;
	ev_signal signals[3];
	ev_timer watchdog, log_tick;
	int exit_code;
	bool stopping;
};

static void
usage(FILE *f)
{
	fprintf(f, "usage: gatewayd [--config FILE] [--libexec DIR]\n"
		   "                [--check [--strict] [--json] [--verbose]]\n"
		   "       gatewayd --help | --version\n"
		   "\n"
		   "  -c, --config FILE   configuration (default " DEFAULT_CONFIG ")\n"
		   "      --libexec DIR   where the runners are\n"
		   "      --check         check the configuration, with the runners too, and end\n"
		   "      --strict        with --check: a warning is a fault\n"
		   "      --json          with --check: the faults as JSON on standard output\n"
		   "  -v, --verbose       with --check: what devices do and touch; else log more\n"
		   "  -h, --help          this text\n"
		   "  -V, --version       the version\n"
		   "\n"
		   "gatewayd stays in the foreground. SIGTERM stops it in order, SIGHUP reloads.\n"
		   "Exit code: 0 done, 1 failed, 2 usage, 78 the configuration is at fault.\n"
		   "See gatewayd(8), gatewayd.yaml(5).\n");
}

/* Returns -1 to go on, else an exit code. */
static int
parse_options(struct gateway *g, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "libexec", required_argument, NULL, 'l' },
		{ "check", no_argument, NULL, 'k' },
		{ "strict", no_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};

	for (int o; (o = getopt_long(argc, argv, "c:vhV", options, NULL)) != -1;) {
		switch (o) {
		case 'c':
			g->config_path = optarg;
			break;
		case 'l':
			g->libexec_option = optarg;
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

/* Beside the executable when it runs from its build folder, else below the prefix it is in. */
static void
find_programs(struct gateway *g)
{
	char self[PATH_SIZE];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 32);

	self[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	snprintf(
	    g->libexec, sizeof(g->libexec), "%.*s/libexec", (int)sizeof(g->libexec) - 16, self);
	if (access(g->libexec, X_OK) != 0)
		snprintf(g->libexec, sizeof(g->libexec), "%.*s/../libexec/gatewayd",
		    (int)sizeof(g->libexec) - 32, self);
	if (g->libexec_option)
		snprintf(g->libexec, sizeof(g->libexec), "%s", g->libexec_option);
	snprintf(g->eventd_program, sizeof(g->eventd_program), "%.*s/gateway-eventd",
	    (int)sizeof(g->eventd_program) - 32, self);
}

/* Folders for sockets, and for what is kept. */
static int
find_directories(struct gateway *g)
{
	const char *state = getenv("STATE_DIRECTORY"), *xdg_state = getenv("XDG_STATE_HOME");

	if (control_runtime_folder(g->runtime, sizeof(g->runtime)) < 0) {
		log_error("folder for sockets: %s", strerror(errno));
		return -1;
	}
	if (state)
		snprintf(g->state, sizeof(g->state), "%.4000s", state);
	else if (xdg_state)
		snprintf(g->state, sizeof(g->state), "%.4000s/gatewayd", xdg_state);
	else
		snprintf(g->state, sizeof(g->state), "%s",
		    geteuid() == 0 ? "/var/lib/gatewayd" : g->runtime);
	snprintf(g->eventd_socket, sizeof(g->eventd_socket), "%s/eventd", g->runtime);
	const char *const needed[] = { g->runtime, g->state };
	for (size_t i = 0; i < 2; i++) {
		if (mkdir(needed[i], 0750) < 0 && errno != EEXIST) {
			log_error("folder %s: %s", needed[i], strerror(errno));
			return -1;
		}
	}
	return 0;
}

/* A TZ for the runners that makes glibc read zone data once: it never looks at an unchanged TZ
 * again, where it would at /etc/localtime by default. */
static void
find_zone(struct gateway *g)
{
	const char *tz = getenv("TZ");

	snprintf(g->zone, sizeof(g->zone), "%s", tz ? tz : ":/etc/localtime");
}

static void
on_eventd_stopped(void *arg)
{
	struct gateway *g = arg;

	ev_break(g->loop, EVBREAK_ALL);
}

/* The engine is gone: the built-in Event Server has all that was sent. */
static void
on_stopped(void *arg)
{
	struct gateway *g = arg;

	if (g->eventd)
		eventd_stop(g->eventd, on_eventd_stopped, g);
	else
		ev_break(g->loop, EVBREAK_ALL);
}

/* Devices end in order, then the process. */
static void
stop(struct gateway *g, int exit_code)
{
	g->stopping = true;
	g->exit_code = exit_code;
	sd_notify(0, "STOPPING=1");
	engine_disconnect(&g->engine, on_stopped, g);
}

/* Not while everything ends, or begins anew. */
static bool
may_reload(void *arg)
{
	const struct gateway *g = arg;

	return !g->stopping && !g->next;
}

static void
on_terminate(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct gateway *g = w->data;

	(void)revents;
	if (g->stopping) {
		log_warning("signal %d again: the end comes now", w->signum);
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	log_notice("signal %d: devices stop, then the gateway", w->signum);
	stop(g, EXIT_SUCCESS);
}

static void
on_hangup(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct gateway *g = w->data;

	(void)loop, (void)revents;
	log_notice("signal %d: reload of %s%s", w->signum, g->config_path,
	    g->stopping	    ? " is left out, the gateway stops"
	    : may_reload(g) ? ""
			    : " as soon as everything has started anew");
	reload_start(g->reload, false, NULL, NULL, 0);
}

static void
on_watchdog(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop, (void)w, (void)revents;
	sd_notify(0, "WATCHDOG=1");
}

/* One that comes while we start waits for watch_signals(), where it would end us by default; and a
 * service manager takes that end for a good one. */
static void
hold_hangup(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(how, &set, NULL);
}

static void
watch_signals(struct gateway *g)
{
	static const struct {
		int number;
		void (*handle)(struct ev_loop *loop, ev_signal *w, int revents);
	} handlers[] = { { SIGTERM, on_terminate }, { SIGINT, on_terminate },
		{ SIGHUP, on_hangup } };
	uint64_t watchdog_us = 0;

	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		ev_signal_init(&g->signals[i], handlers[i].handle, handlers[i].number);
		g->signals[i].data = g;
		ev_signal_start(g->loop, &g->signals[i]);
	}
	hold_hangup(SIG_UNBLOCK);
	if (sd_watchdog_enabled(0, &watchdog_us) > 0) {
		ev_timer_init(&g->watchdog, on_watchdog, 0., (double)watchdog_us / 3e6);
		ev_timer_start(g->loop, &g->watchdog);
	}
}

/* Lines go where the configuration says; -v shows everything, on standard error as well. */
static void
open_log(struct gateway *g)
{
	struct config_log conf = g->config->log;

	if (g->verbose) {
		conf.level = LOG_LEVEL_DEBUG;
		conf.console = (struct config_log_target){ true, LOG_LEVEL_DEBUG };
	}
	if (log_sink_open(&conf) < 0)
		log_error("log: the syslog daemon at %s is not to be reached: %s", conf.syslog_host,
		    strerror(errno));
	log_lookup_start(&g->log_lookup, g->broker, &g->config->log);
}

static void
set_log_level(const struct gateway *g, const struct config_device *d)
{
	bool own = !g->verbose && d->log_level != g->config->log.level;

	log_sink_set_device_level(d->label, own ? (int)d->log_level : -1);
}

static void
on_log_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gateway *g = w->data;

	(void)loop, (void)revents;
	/* It hangs; its end starts it again. */
	if (g->eventd && g->engine.link.unanswered >= EVENTD_MAX_UNANSWERED) {
		g->engine.link.unanswered = 0;
		eventd_kill(g->eventd);
	}
	log_sink_tick(monotime_now());
	log_lookup_tick(&g->log_lookup, monotime_now());
}

/* What is wrong with the others was said when the file was read. */
static bool
has_runner(void *arg, const struct config_device *d)
{
	(void)arg;
	return d->name && d->type && (d->runner ? d->runner[0] == '/' : d->family != NULL);
}

/* A warning: the file may be for another machine. */
static void
check_group(struct gateway *g)
{
	const char *group = g->config->control_group;

	if (!group || control_group_exists(group))
		return;
	const struct json *where = config_find(g->config, "control.group");
	check_report_fault(&g->report, SCHEMA_WARNING, g->config_path, where->line, where->column,
	    "control.group", CONTROL_NO_GROUP);
}

static int
run_check(struct gateway *g)
{
	log_set_level(LOG_LEVEL_WARNING);
	struct check_options options = { .config = g->config,
		.libexec = g->libexec,
		.zone = g->zone,
		.verbose = g->verbose && !g->json,
		.wants = has_runner,
		.report = check_report_fault,
		.arg = &g->report };
	check_group(g);
	int faulty = check_devices(g->loop, &options);

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

/* Where the Event Server is; texts are the configuration's, and ours. */
static struct eventlink_target
server_target(const struct gateway *g, const struct config *config)
{
	if (config->server == CONFIG_SERVER_BUILT_IN)
		return (struct eventlink_target){ .unix_path = g->eventd_socket };
	if (config->server == CONFIG_SERVER_EVENTER)
		return (struct eventlink_target){ .host = config->server_host,
			.port = config->server_port,
			.token = config->server_token };
	const char *named = g->server.has_token ? g->server.token : NULL;
	return (struct eventlink_target){ .host = g->server.host,
		.port = g->server.port,
		.token = config->server_token ? config->server_token : named,
		.has_server_id = true,
		.server_id = g->server.server_id };
}

static void
connect_engine(struct gateway *g)
{
	struct eventlink_target target = server_target(g, g->config);

	g->connected = true;
	engine_connect(&g->engine, &target);
}

static void follow_monitor(struct gateway *g);

/* The engine is gone; what we held of the Monitor Server may go to another. */
static void
on_left(void *arg)
{
	struct gateway *g = arg;

	g->connected = false;
	monitor_release(&g->monitor);
	follow_monitor(g);
}

/* Connected exactly while we are active, to the Event Server that is active. */
static void
follow_monitor(struct gateway *g)
{
	const struct observer *o = &g->monitor.observer;
	bool wanted = o->active && o->event_server.found;

	if (g->stopping || g->engine.leaving)
		return;
	if (g->connected && (!wanted || !observer_event_server_eq(&g->server, &o->event_server))) {
		engine_disconnect(&g->engine, on_left, g);
		return;
	}
	if (!wanted && !g->connected)
		monitor_release(&g->monitor);
	if (!wanted || g->connected)
		return;
	g->server = o->event_server;
	connect_engine(g);
}

static void
on_monitor_change(void *arg)
{
	follow_monitor(arg);
}

/* The seed's rule: without its Monitor Server a gateway ends; systemd starts it again. */
static void
on_monitor_lost(void *arg, const char *why)
{
	struct gateway *g = arg;

	log_write(
	    LOG_LEVEL_ERROR, NULL, "monitor_lost", "Monitor Server: %s; the gateway ends", why);
	if (!g->stopping)
		stop(g, EXIT_FAILURE);
}

/* After a restart of it the link comes back by itself. */
static void
on_eventd_ready(void *arg)
{
	struct gateway *g = arg;

	if (!g->connected && may_reload(g))
		connect_engine(g);
}

static int
connect_server(struct gateway *g)
{
	static const struct monitor_handler monitor_handler = { on_monitor_change,
		on_monitor_lost };

	if (g->config->server == CONFIG_SERVER_MONITOR)
		return monitor_open(
		    &g->monitor, g->loop, g->broker, g->config, &monitor_handler, g);
	if (g->config->server == CONFIG_SERVER_BUILT_IN) {
		g->eventd = eventd_start(g->loop, g->eventd_program, &g->config->built_in,
		    g->eventd_socket, g->state, on_eventd_ready, g);
		return g->eventd ? 0 : -1;
	}
	connect_engine(g);
	return 0;
}

static void
disconnect_server(struct gateway *g)
{
	if (g->config->server == CONFIG_SERVER_MONITOR)
		monitor_close(&g->monitor);
	eventd_free(g->eventd);
	g->eventd = NULL;
	g->connected = false;
}

/* --- reload --- */

/* Levels that were set at run time stay, unless the configuration's own are others now. */
static void
follow_log_levels(struct gateway *g, const struct config_diff *diff)
{
	if (diff->log)
		open_log(g);
	for (size_t i = 0; i < diff->count; i++) {
		const struct config_device *before = diff->rows[i].before,
					   *after = diff->rows[i].after;
		bool other_label = before && after && strcmp(before->label, after->label) != 0;
		if (other_label)
			log_sink_set_device_level(before->label, -1);
		if (after &&
		    (diff->log || !before || other_label || before->log_level != after->log_level))
			set_log_level(g, after);
	}
	for (size_t i = 0; i < g->engine.device_count; i++) {
		struct child *c = g->engine.devices[i]->child;
		enum log_level level = log_sink_device_level(child_conf(c)->label);
		if (child_log_level(c) != level)
			child_set_log_level(c, level);
	}
}

static int
init_engine(struct gateway *g)
{
	return engine_init(
	    &g->engine, g->loop, g->broker, &g->cgroup, g->config, g->libexec, g->zone);
}

/* Engine and Event Server are gone: name, server and devices are those of the next configuration.
 */
static void
start_next(void *arg)
{
	struct gateway *g = arg;

	disconnect_server(g);
	engine_clear(&g->engine);
	config_free(g->config);
	g->config = g->next;
	g->next = NULL;
	open_log(g);
	for (size_t i = 0; i < g->config->device_count; i++)
		set_log_level(g, &g->config->devices[i]);
	if (init_engine(g) < 0 || connect_server(g) < 0) {
		log_error("start: out of memory");
		g->stopping = true;
		g->exit_code = EXIT_FAILURE;
		ev_break(g->loop, EVBREAK_ALL);
	}
	control_devices_changed(g->control);
	reload_resume(g->reload);
}

/* The next Event Server may use the same folder: first the one that runs ends. */
static void
on_left_for_next(void *arg)
{
	struct gateway *g = arg;

	if (g->eventd)
		eventd_stop(g->eventd, start_next, g);
	else
		start_next(g);
}

static const struct config *
current_config(void *arg)
{
	return ((struct gateway *)arg)->config;
}

static int
apply_config(void *arg, struct config *after, const struct config_diff *diff)
{
	struct gateway *g = arg;
	struct eventlink_target target = server_target(g, after);
	struct config *before = g->config;

	if (g->stopping)
		return errno = ECANCELED, -1;
	if (diff->server) {
		g->next = after;
		engine_disconnect(&g->engine, on_left_for_next, g);
		return 0;
	}
	if (after->server == CONFIG_SERVER_MONITOR)
		monitor_move(&g->monitor, after);
	eventd_move(g->eventd, &after->built_in);
	if (engine_reload(&g->engine, diff, after, before, &target) < 0) {
		if (before->server == CONFIG_SERVER_MONITOR)
			monitor_move(&g->monitor, before);
		eventd_move(g->eventd, &before->built_in);
		return -1;
	}
	g->config = after;
	follow_log_levels(g, diff);
	control_devices_changed(g->control);
	return 0;
}

static int
on_control_reload(void *arg, bool diff, struct control_client *client, char *err, size_t err_size)
{
	struct gateway *g = arg;

	if (may_reload(g))
		return reload_start(g->reload, diff, client, err, err_size);
	snprintf(err, err_size, "the gateway %s",
	    g->stopping ? "stops" : "starts anew; try again in a moment");
	return -1;
}

static void
on_control_forget(void *arg, struct control_client *client)
{
	struct gateway *g = arg;

	reload_forget_client(g->reload, client);
}

static const struct monitor *
find_monitor(void *arg)
{
	const struct gateway *g = arg;

	return g->config->server == CONFIG_SERVER_MONITOR && g->monitor.loop ? &g->monitor : NULL;
}

static const struct process *
find_eventd(void *arg)
{
	const struct gateway *g = arg;

	return g->eventd ? eventd_process(g->eventd) : NULL;
}

/* Before anything else is started: a second gateway in the same folder ends here. */
static int
open_control(struct gateway *g)
{
	const struct control_hooks hooks = { .arg = g,
		.config_path = g->config_path,
		.reload = on_control_reload,
		.forget_reload = on_control_forget,
		.monitor = find_monitor,
		.eventd = find_eventd };
	char path[PATH_SIZE + 16], err[256];

	snprintf(path, sizeof(path), "%s/control", g->runtime);
	g->control = control_open(
	    g->loop, &g->engine, path, g->config->control_group, &hooks, err, sizeof(err));
	if (!g->control)
		log_error("start: %s", err);
	return g->control ? 0 : -1;
}

static int
run(struct gateway *g)
{
	static const struct reload_handler reload_handler = { current_config, apply_config,
		may_reload };
	const struct kernel_features kernel = kernel_features_read();

	open_log(g);
	for (size_t i = 0; i < g->config->device_count; i++)
		set_log_level(g, &g->config->devices[i]);
	if (kernel_features_check(&kernel, g->config) < 0 || find_directories(g) < 0)
		return EXIT_FAILURE;
	g->broker = broker_new(g->loop);
	g->reload = reload_new(g->loop, g->config_path, g->libexec, g->zone, &reload_handler, g);
	if (!g->broker || !g->reload || init_engine(g) < 0) {
		log_error("start: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	cgroup_open(&g->cgroup);
	if (open_control(g) < 0)
		return EXIT_FAILURE;
	watch_signals(g);
	ev_timer_init(&g->log_tick, on_log_tick, LOG_SINK_TICK_MS / 1e3, LOG_SINK_TICK_MS / 1e3);
	g->log_tick.data = g;
	ev_timer_start(g->loop, &g->log_tick);
	log_lookup_start(&g->log_lookup, g->broker, &g->config->log);
	if (connect_server(g) < 0) {
		control_close(g->control);
		log_error("start: out of memory");
		return EXIT_FAILURE;
	}
	log_notice("gatewayd %s: %s, %zu device%s", GATEWAYD_VERSION, g->config->name,
	    g->config->device_count, LOG_PLURAL(g->config->device_count));
	sd_notify(0, "READY=1");
	ev_run(g->loop, 0);
	control_close(g->control);
	reload_free(g->reload);
	engine_clear(&g->engine);
	disconnect_server(g);
	config_free(g->next);
	log_lookup_stop(&g->log_lookup);
	broker_free(g->broker);
	return g->exit_code;
}

/* What whoever started us may have left behind: closed standard descriptors, whose numbers sockets
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
	/* Ambient capabilities stay ours: an exec would hand them to runners. */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return fd < 0 ? -1 : 0;
}

int
main(int argc, char **argv)
{
	static struct gateway gateway;
	struct gateway *g = &gateway;

	if (prepare_process() < 0)
		return EX_OSERR;
	/* A reader of the log that is gone costs its lines, not the gateway. */
	signal(SIGPIPE, SIG_IGN);
	g->config_path = DEFAULT_CONFIG;
	int code = parse_options(g, argc, argv);
	if (code >= 0)
		return code;
	if (!g->check)
		hold_hangup(SIG_BLOCK);
	if (g->verbose && !g->check)
		log_set_level(LOG_LEVEL_DEBUG);
	check_report_init(&g->report, g->check && g->json);
	g->config = (g->check ? config_load_part : config_load)(
	    g->config_path, check_report_fault, &g->report);
	if (!g->config) {
		check_report_end(&g->report);
		return EX_CONFIG;
	}
	find_programs(g);
	find_zone(g);
	srandom((unsigned)(monotime_now().ns ^ getpid()));
	/* Not the default loop: it would reap children that are ours to reap. */
	g->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	code = g->loop ? g->check ? run_check(g) : run(g) : EXIT_FAILURE;
	/* The loop does not run any more: nobody waits for this but us. */
	process_reap_freed(EVENTD_STOP_MS);
	check_report_end(&g->report);
	if (!g->check)
		log_sink_close();
	config_free(g->config);
	ev_loop_destroy(g->loop);
	return code;
}
