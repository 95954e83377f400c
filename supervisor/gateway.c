#include "supervisor/gateway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/daemon/notify.h"
#include "common/daemon/spawn.h"
#include "common/log.h"
#include "supervisor/child/cgroup.h"
#include "supervisor/child/kernel_features.h"
#include "supervisor/child/lock.h"
#include "supervisor/control/control.h"
#include "supervisor/engine/engine.h"
#include "supervisor/engine/eventd.h"
#include "supervisor/engine/idle.h"
#include "supervisor/engine/monitor.h"
#include "supervisor/log/log_lookup.h"
#include "supervisor/log/log_sink.h"
#include "supervisor/net/broker.h"
#include "supervisor/reload.h"

enum { EVENTD_MAX_UNANSWERED = 2 /* connections, of LINK_CONNECT_MS each */ };

struct gateway {
	struct ev_loop *loop;
	const char *config_path;
	bool verbose;
	struct paths *paths;
	struct config *config, *next; /* next: in force when the engine has left */
	struct broker *broker;
	struct engine engine;
	struct cgroup cgroup;
	struct eventd *eventd;
	struct monitor monitor;
	/* The Event Server that the Monitor Server names, to which the engine is connected. */
	struct observer_event_server server;
	bool connected;
	struct control *control;
	struct reload *reload;
	struct log_lookup log_lookup;
	ev_timer log_tick;
	int exit_code;
	bool stopping;
	char idle[IDLE_MAX_TEXT]; /* why no device runs, as it was told last */
};

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

void
gateway_stop(struct gateway *g, int exit_code)
{
	g->stopping = true;
	g->exit_code = exit_code;
	notify_manager("STOPPING=1");
	engine_disconnect(&g->engine, on_stopped, g);
}

/* Not while everything ends, or starts again. */
static bool
may_reload(void *arg)
{
	const struct gateway *g = arg;

	return !g->stopping && !g->next;
}

bool
gateway_is_stopping(const struct gateway *g)
{
	return g->stopping;
}

void
gateway_reload(struct gateway *g)
{
	log_notice("SIGHUP: reload of %s%s", g->config_path,
	    g->stopping	    ? " skipped: the gateway is stopping"
	    : may_reload(g) ? ""
			    : " waits until the gateway has started again");
	reload_start(g->reload, false, NULL, NULL, 0);
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
		log_error("log: cannot reach the syslog daemon at %s: %s", conf.syslog_host,
		    strerror(errno));
	log_lookup_start(&g->log_lookup, g->broker, &g->config->log);
}

static void
set_log_level(const struct gateway *g, const struct config_device *d)
{
	bool own = !g->verbose && d->log_level != g->config->log.level;

	log_sink_set_device_level(d->label, own ? (int)d->log_level : -1);
}

/* Its end starts it again. */
static void
look_after_eventd(struct gateway *g)
{
	eventd_look_at_folder(g->eventd);
	if (engine_hangs(&g->engine, EVENTD_MAX_UNANSWERED))
		eventd_kill(g->eventd, "accepts connections and does not answer");
	else if (eventlink_state(engine_link(&g->engine)) != LINK_UP && eventd_is_lost(g->eventd))
		eventd_kill(g->eventd, "has lost its socket");
}

static const struct monitor *
find_monitor(void *arg)
{
	const struct gateway *g = arg;

	return g->config->server == CONFIG_SERVER_MONITOR && monitor_is_open(&g->monitor)
		   ? &g->monitor
		   : NULL;
}

/* Each change of the reason is a line, but one that passes as soon as it came. */
static void
tell_idle(struct gateway *g)
{
	const struct idle idle = {
		.engine = &g->engine, .monitor = find_monitor(g), .eventd = g->eventd
	};
	char text[IDLE_MAX_TEXT];

	if (g->stopping || strcmp(idle_explain(&idle, text), g->idle) == 0)
		return;
	memcpy(g->idle, text, sizeof(g->idle));
	if (text[0])
		log_write(LOG_LEVEL_NOTICE, NULL, "idle", "no device runs: %s", text);
	else
		log_write(LOG_LEVEL_NOTICE, NULL, "idle", "devices can run again");
}

static void
on_log_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct gateway *g = w->data;

	(void)loop, (void)revents;
	if (g->eventd)
		look_after_eventd(g);
	tell_idle(g);
	log_sink_tick(monotime_now());
	log_lookup_tick(&g->log_lookup, monotime_now());
}

/* The address of the Event Server; texts are the configuration's, and ours. */
static struct eventlink_target
server_target(const struct gateway *g, const struct config *config)
{
	if (config->server == CONFIG_SERVER_BUILT_IN)
		return (struct eventlink_target){ .unix_path = g->paths->eventd_socket };
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
	const struct observer_event_server *found = monitor_event_server(&g->monitor);

	if (g->stopping || engine_is_leaving(&g->engine))
		return;
	if (g->connected && (!found || !observer_event_server_eq(&g->server, found))) {
		engine_disconnect(&g->engine, on_left, g);
		return;
	}
	if (!found && !g->connected)
		monitor_release(&g->monitor);
	if (!found || g->connected)
		return;
	g->server = *found;
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
	    LOG_LEVEL_ERROR, NULL, "monitor_lost", "Monitor Server: %s; the gateway exits", why);
	if (!g->stopping)
		gateway_stop(g, EXIT_FAILURE);
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
	static const struct monitor_handler monitor_handler = { .on_change = on_monitor_change,
		.on_lost = on_monitor_lost };

	if (g->config->server == CONFIG_SERVER_MONITOR)
		return monitor_open(
		    &g->monitor, g->loop, g->broker, g->config, &monitor_handler, g);
	if (g->config->server == CONFIG_SERVER_BUILT_IN) {
		g->eventd =
		    eventd_start(g->loop, g->broker, g->paths->eventd_program, &g->config->built_in,
			g->paths->eventd_socket, g->paths->state, on_eventd_ready, g);
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
	for (size_t i = 0; i < engine_device_count(&g->engine); i++) {
		struct child *c = engine_device_child(&g->engine, i);
		enum log_level level = log_sink_device_level(child_conf(c)->label);
		if (child_log_level(c) != level)
			child_set_log_level(c, level);
	}
}

static int
init_engine(struct gateway *g)
{
	return engine_init(&g->engine, g->loop, g->broker, &g->cgroup, g->config, g->paths->libexec,
	    g->paths->zone);
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
	struct config *before = g->config;

	if (g->stopping)
		return errno = ECANCELED, -1;
	config_settle(after);
	struct eventlink_target target = server_target(g, after);
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
	    g->stopping ? "is stopping" : "is starting again; try again in a moment");
	return -1;
}

static void
on_control_forget(void *arg, struct control_client *client)
{
	struct gateway *g = arg;

	reload_forget_client(g->reload, client);
}

static const struct eventd *
find_eventd(void *arg)
{
	const struct gateway *g = arg;

	return g->eventd;
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
	char err[512];

	g->control = control_open(
	    g->loop, &g->engine, g->paths->control_socket, g->config, &hooks, err, sizeof(err));
	if (!g->control)
		log_error("start: %s", err);
	return g->control ? 0 : -1;
}

/* Undoes gateway_start(), as far as it came. */
static void
clear(struct gateway *g)
{
	ev_timer_stop(g->loop, &g->log_tick);
	control_close(g->control);
	reload_free(g->reload);
	engine_clear(&g->engine);
	disconnect_server(g);
	config_free(g->next);
	log_lookup_stop(&g->log_lookup);
	broker_free(g->broker);
	config_free(g->config);
	free(g);
}

static int
open_parts(struct gateway *g)
{
	static const struct reload_handler reload_handler = {
		.current = current_config, .apply = apply_config, .may_begin = may_reload
	};

	g->broker = broker_new(g->loop, g->paths->resolver);
	g->reload = reload_new(g->loop, g->config_path, g->paths->libexec, g->paths->zone,
	    g->broker, &reload_handler, g);
	if (!g->broker || !g->reload || init_engine(g) < 0) {
		log_error("start: %s", strerror(errno));
		return -1;
	}
	cgroup_open(&g->cgroup);
	if (open_control(g) < 0)
		return -1;
	ev_timer_init(&g->log_tick, on_log_tick, LOG_SINK_TICK_MS / 1e3, LOG_SINK_TICK_MS / 1e3);
	g->log_tick.data = g;
	ev_timer_start(g->loop, &g->log_tick);
	log_lookup_start(&g->log_lookup, g->broker, &g->config->log);
	if (connect_server(g) == 0)
		return 0;
	log_error("start: out of memory");
	return -1;
}

/* The nearest folder that is there, of those that a folder is in: the folder is made again where
 * somebody removes it, comes late, or has a file system mounted late. Never the root. */
static const char *
above(const char *path, char folder[PATHS_SIZE])
{
	char *slash;

	snprintf(folder, PATHS_SIZE, "%s", path);
	do {
		slash = strrchr(folder, '/');
		if (!slash || slash == folder)
			return path;
		*slash = '\0';
	} while (access(folder, F_OK) < 0 && errno == ENOENT);
	return folder;
}

/* Its own lock, unless the configuration wants no sandbox. */
static int
lock_down(const struct config *config, const struct paths *paths)
{
	enum ipc_sandbox level = config->built_in.sandbox;
	const char *data = config->server == CONFIG_SERVER_BUILT_IN ? config->built_in.data : NULL;
	char folders[3][PATHS_SIZE];
	const char *const writes[] = { above(paths->runtime, folders[0]),
		above(paths->state, folders[1]), data ? above(data, folders[2]) : NULL, NULL };

	if (level == IPC_SANDBOX_OFF || lock_supervisor(writes) == 0)
		return 0;
	log_write(level == IPC_SANDBOX_BEST_EFFORT ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, NULL,
	    "sandbox_missing", "gatewayd has no lock of its own: %s", strerror(errno));
	return level == IPC_SANDBOX_BEST_EFFORT ? 0 : -1;
}

struct gateway *
gateway_start(struct ev_loop *loop, const char *config_path, bool verbose, struct paths *paths,
    struct config *config)
{
	const struct kernel_features kernel = kernel_features_read();
	struct gateway *g = calloc(1, sizeof(*g));

	if (!g) {
		config_free(config);
		return NULL;
	}
	g->loop = loop;
	g->config_path = config_path;
	g->verbose = verbose;
	g->paths = paths;
	g->config = config;
	config_settle(config);
	spawn_prepare();
	open_log(g);
	for (size_t i = 0; i < g->config->device_count; i++)
		set_log_level(g, &g->config->devices[i]);
	if (kernel_features_check(&kernel, g->config) < 0 || paths_make_folders(paths) < 0 ||
	    lock_down(g->config, paths) < 0 || open_parts(g) < 0) {
		clear(g);
		return NULL;
	}
	log_notice("gatewayd %s: %s, %zu device%s", GATEWAYD_VERSION, g->config->name,
	    g->config->device_count, LOG_PLURAL(g->config->device_count));
	if (g->config->device_count == 0)
		log_notice("%s has no devices yet: 'gatewayctl new TYPE NAME' prints one to add to "
			   "it, 'gatewayctl reload' takes it",
		    g->config_path);
	return g;
}

int
gateway_free(struct gateway *g)
{
	int code = g->exit_code;

	clear(g);
	return code;
}
