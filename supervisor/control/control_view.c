/* The control socket's commands that only look: status, show, info. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/daemon/numbers.h"
#include "common/daemon/usage.h"
#include "supervisor/control/control_client.h"
#include "supervisor/log/log_sink.h"
#include "supervisor/child/lock.h"
#include "supervisor/child/sandbox_view.h"

void
control_put_optional(struct json_writer *w, const char *key, int64_t v)
{
	if (v < 0)
		json_put_null(w, key);
	else
		json_put_int(w, key, v);
}

/* INT64_MAX says "no limit". */
static void
put_limit(struct json_writer *w, const char *key, int64_t v)
{
	if (v == INT64_MAX)
		json_put_str(w, key, "unlimited");
	else
		control_put_optional(w, key, v);
}

void
control_put_time(struct json_writer *w, const char *key, const struct timestamp *t)
{
	json_begin_array(w, key);
	json_put_int(w, NULL, t->s);
	json_put_int(w, NULL, t->us);
	json_end_array(w);
}

void
control_put_text(struct json_writer *w, const char *key, const char *text)
{
	json_put_str(w, key, text && *text ? text : NULL);
}

const char *
control_explain_idle(const struct control *control, char text[IDLE_MAX_TEXT])
{
	const struct control_hooks *hooks = &control->hooks;
	const struct idle idle = { .engine = control->engine,
		.monitor = hooks->monitor(hooks->arg),
		.eventd = hooks->eventd(hooks->arg) };

	return idle_explain(&idle, text);
}

const char *
control_explain(const struct control *control, const struct child *c, char text[IDLE_MAX_TEXT])
{
	const struct process *p = child_process(c);

	text[0] = '\0';
	if (child_state(c) == CHILD_RUNNING)
		return text;
	if (child_is_wanted(c))
		snprintf(text, IDLE_MAX_TEXT, "%s", process_trouble(p));
	else
		control_explain_idle(control, text);
	return text;
}

/* A device's row of `status`. */
static void
put_status(struct json_writer *w, const struct control *control, const struct child *c)
{
	char why[IDLE_MAX_TEXT];
	const struct process *p = child_process(c);
	const struct process_obituary *o = process_obituary(p, 0);
	bool running = child_state(c) == CHILD_RUNNING;

	json_put_str(w, "name", child_conf(c)->name);
	json_put_str(w, "type", child_conf(c)->type);
	json_put_str(w, "state", child_state_name(child_state(c)));
	control_put_optional(w, "pid", process_pid(p) ? process_pid(p) : -1);
	json_put_int(w, "since", monotime_diff_ms(monotime_now(), process_since(p)));
	json_put_int(w, "restarts", process_restarts(p));
	control_put_text(w, "last_exit", o ? o->cause : NULL);
	control_put_text(w, "link", running ? child_link(c) : NULL);
	control_put_remotes(w, c);
	if (running)
		json_put_double(w, "events_per_s", child_event_rate(c, monotime_now()));
	else
		json_put_null(w, "events_per_s");
	control_put_text(w, "why", control_explain(control, c, why));
}

static void
status_row(struct control_client *c, struct child *child)
{
	put_status(control_begin_row(c), c->control, child);
	control_end_row(c);
}

/* The errors of all remote ends, time-outs included. */
static uint64_t
errors_of(const struct remotes *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->room; i++)
		if (r->ends[i])
			sum += r->ends[i]->counters[IPC_REMOTE_ERRORS] +
			       r->ends[i]->counters[IPC_REMOTE_TIMEOUTS];
	return sum;
}

static void
top_row(struct control_client *c, struct child *child)
{
	struct json_writer *w = control_begin_row(c);

	put_status(w, c->control, child);
	control_put_optional(w, "cpu_us", usage_cpu_us(process_pid(child_process(child))));
	json_put_int(w, "errors", (int64_t)errors_of(child_remotes(child)));
	control_end_row(c);
}

void
control_on_top(struct control_client *c, const struct json *request)
{
	control_walk(c, request, top_row, NULL);
}

void
control_on_status(struct control_client *c, const struct json *request)
{
	control_walk(c, request, status_row, NULL);
}

static void
put_prefix(struct json_writer *w, const struct child *c)
{
	const struct eventer_prefix *prefix = child_prefix(c);
	struct cursor cursor = cursor_make(prefix->bytes.p, prefix->bytes.len);

	json_begin_array(w, "event_prefix");
	for (size_t i = 0; i < prefix->count && cursor_ok(&cursor); i++) {
		struct sbs_str s = sbs_get_str(&cursor);
		json_put_strn(w, NULL, s.p, s.len);
	}
	json_end_array(w);
}

static void
put_device(struct json_writer *w, const struct control *control, const struct child *c)
{
	const struct config_device *conf = child_conf(c);

	json_begin_object(w, "device");
	put_status(w, control, c);
	json_put_bool(w, "enabled", child_is_wanted(c));
	json_put_str(w, "module", conf->module);
	json_put_str(w, "runner", conf->runner ? conf->runner : conf->family);
	put_prefix(w, c);
	control_put_text(w, "last_line", process_last_line(child_process(c)));
	json_put_str(w, "log_level", log_level_name(child_log_level(c)));
	json_put_bool(w, "traced", child_is_traced(c));
	json_put_int(w, "deaths", process_deaths(child_process(c)));
	json_end_object(w);
}

static void
put_process(struct json_writer *w, const struct process *p, const struct sandbox_view *v)
{
	json_begin_object(w, "process");
	json_put_int(w, "pid", process_pid(p));
	json_put_int(w, "uptime", monotime_diff_ms(monotime_now(), process_spawned(p)));
	json_put_int(w, "exec_us", (int64_t)(process_exec_ns(p) / 1000));
	control_put_optional(w, "rss_kib", v->rss_kib);
	control_put_optional(w, "anonymous_kib", v->anonymous_kib);
	control_put_optional(w, "pss_kib", v->pss_kib);
	control_put_optional(w, "threads", v->threads);
	json_end_object(w);
}

static void
put_namespaces(struct json_writer *w, const struct sandbox_view *v)
{
	if (v->namespaces[0] < 0) {
		json_put_null(w, "namespaces");
		return;
	}
	json_begin_array(w, "namespaces");
	for (size_t i = 0; i < SANDBOX_VIEW_NAMESPACES; i++)
		if (v->namespaces[i] > 0)
			json_put_str(w, NULL, sandbox_view_namespaces[i]);
	json_end_array(w);
}

static void
put_sandbox(struct json_writer *w, const struct child *c, const struct sandbox_view *v)
{
	json_begin_object(w, "sandbox");
	json_put_str(w, "configured", config_sandbox_name(child_conf(c)->sandbox));
	json_put_str(w, "missing", sandbox_view_missing(process_pid(child_process(c))));
	json_put_str(w, "seccomp", sandbox_view_seccomp_name(v->seccomp));
	control_put_optional(w, "seccomp_filters", v->seccomp_filters);
	if (v->no_new_privs < 0)
		json_put_null(w, "no_new_privs");
	else
		json_put_bool(w, "no_new_privs", v->no_new_privs);
	control_put_text(w, "capabilities", v->capabilities);
	control_put_optional(w, "uid", v->uid);
	control_put_optional(w, "gid", v->gid);
	json_put_str(w, "groups", v->groups);
	put_namespaces(w, v);
	put_limit(w, "address_space", v->address_space);
	put_limit(w, "open_files", v->open_files);
	put_limit(w, "processes", v->processes);
	put_limit(w, "core", v->core);
	json_end_object(w);
}

static void
put_queues(struct json_writer *w, const struct child *c)
{
	const struct child_queues q = child_queues(c);

	json_begin_object(w, "queues");
	json_put_int(w, "to_event_server_bytes", (int64_t)q.to_event_server);
	json_put_int(w, "to_runner_bytes", (int64_t)q.to_runner);
	json_put_int(w, "credit", q.credit);
	json_put_int(w, "credit_window", child_conf(c)->limits.credit);
	json_put_int(w, "credit_outstanding", (int64_t)q.credit_outstanding);
	json_end_object(w);
}

static void
put_counters(struct json_writer *w, const struct stats *s, struct child_types types)
{
	json_begin_object(w, "counters");
	json_put_int(w, "registered", (int64_t)s->registered);
	json_put_int(w, "delivered", (int64_t)s->delivered);
	json_put_int(w, "dropped", (int64_t)s->dropped);
	json_put_int(w, "types", (int64_t)types.count);
	json_put_int(w, "dropped_types", (int64_t)types.refused);
	json_put_int(w, "violations", (int64_t)s->violations);
	json_end_object(w);
	/* The runner's own names. */
	json_begin_object(w, "runner_counters");
	for (size_t i = 0; i < s->counter_count; i++)
		json_put_int(w, s->counters[i].name, (int64_t)s->counters[i].value);
	json_end_object(w);
}

static void
put_limits(struct json_writer *w, const struct config_limits *l)
{
	json_begin_object(w, "limits");
	json_put_int(w, "memory", (int64_t)l->memory);
	json_put_int(w, "files", l->files);
	json_put_int(w, "start_ms", l->start_ms);
	json_put_int(w, "ping_ms", l->ping_ms);
	json_put_int(w, "stop_ms", l->stop_ms);
	json_put_int(w, "types", l->types);
	json_end_object(w);
}

static void
put_plan(struct json_writer *w, const struct child *c)
{
	size_t count;
	const struct plan_row *plan = child_plan(c, &count);

	json_begin_array(w, "plan");
	for (size_t i = 0; i < count; i++) {
		const struct plan_row *p = &plan[i];
		json_begin_object(w, NULL);
		json_put_str(w, "kind", ipc_resource_name(p->kind));
		json_put_str(w, "target", p->target);
		control_put_optional(w, "port", ipc_resource_has_port(p->kind) ? p->port : -1);
		json_put_bool(w, "opened", p->open);
		json_put_bool(w, "any_address", p->kind == IPC_RESOURCE_UDP_LISTEN);
		json_end_object(w);
	}
	json_end_array(w);
}

static void
put_obituaries(struct json_writer *w, const struct process *p)
{
	const struct process_obituary *o;

	json_begin_array(w, "obituaries");
	for (size_t i = 0; (o = process_obituary(p, i)); i++) {
		json_begin_object(w, NULL);
		control_put_time(w, "time", &o->when);
		json_put_int(w, "pid", o->pid);
		json_put_int(w, "uptime", o->uptime_ms);
		json_put_str(w, "cause", o->cause);
		json_put_int(w, "events", (int64_t)o->events);
		control_put_text(w, "last_line", o->last_line);
		json_end_object(w);
	}
	json_end_array(w);
}

static void
show_row(struct control_client *c, struct child *child)
{
	struct json_writer *w = control_begin_row(c);
	const struct process *p = child_process(child);
	struct sandbox_view v;

	put_device(w, c->control, child);
	if (process_pid(p) && sandbox_view_read(process_pid(p), &v) == 0) {
		put_process(w, p, &v);
		put_sandbox(w, child, &v);
	}
	control_put_remote_ends(w, child);
	put_queues(w, child);
	put_counters(w, child_stats(child), child_types(child));
	put_limits(w, &child_conf(child)->limits);
	put_plan(w, child);
	put_obituaries(w, p);
	control_end_row(c);
}

void
control_on_show(struct control_client *c, const struct json *request)
{
	control_walk(c, request, show_row, NULL);
}

static void
put_server(struct json_writer *w, const struct engine *e)
{
	const struct eventlink *l = engine_link(e);
	const struct eventlink_stats stats = eventlink_stats(l);
	const struct eventlink_target *target = stats.target;
	bool up = eventlink_state(l) == LINK_UP;
	char server[512];

	if (target->unix_path)
		snprintf(server, sizeof(server), "%s (built in)", target->unix_path);
	else
		snprintf(server, sizeof(server), "%s:%u", target->host ? target->host : "?",
		    target->port);
	json_put_str(w, "event_server", target->unix_path || target->host ? server : NULL);
	json_put_str(w, "link", eventlink_state_name(eventlink_state(l)));
	json_put_str(w, "server_status", up ? eventer_status_name(eventlink_status(l)) : NULL);
	json_put_int(
	    w, "link_since", stats.since.ns ? monotime_diff_ms(monotime_now(), stats.since) : 0);
	control_put_text(w, "link_error", up ? NULL : stats.last_error);
	json_put_int(w, "connects", (int64_t)stats.connects);
	json_put_int(w, "events_out", (int64_t)stats.events_out);
	json_put_int(w, "messages_out", (int64_t)stats.messages_out);
	json_put_int(w, "events_in", (int64_t)stats.events_in);
	json_put_int(w, "waiting_bytes", (int64_t)eventlink_unsent(l));
	json_put_int(w, "unrouted", (int64_t)e->unrouted);
}

static void
put_monitor(struct json_writer *w, const struct monitor *m)
{
	char server[MONITOR_MAX_TEXT] = "";

	if (m)
		snprintf(server, sizeof(server), "%s:%u", m->config->server_host,
		    m->config->server_port);
	control_put_text(w, "monitor_server", server);
	json_put_str(w, "blessing", m ? monitor_state_name(m) : NULL);
}

void
control_put_numbers(struct json_writer *w, const struct eventd *d)
{
	const uint64_t *numbers = d ? eventd_numbers(d) : NULL;

	for (int i = 0; i < NUMBER_COUNT; i++)
		control_put_optional(w, number_key((enum number)i),
		    numbers ? number_read(numbers, (enum number)i) : -1);
}

/* As the kernel reports it; null where there is no process, or /proc hides it. */
static void
put_eventd_lock(struct json_writer *w, pid_t pid)
{
	static const char *const keys[] = { "eventd_seccomp", "eventd_seccomp_filters",
		"eventd_no_new_privs", "eventd_capabilities" };
	struct sandbox_view v;

	if (!pid || sandbox_view_read(pid, &v) < 0) {
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			json_put_str(w, keys[i], NULL);
		return;
	}
	json_put_str(w, keys[0], sandbox_view_seccomp_name(v.seccomp));
	json_put_int(w, keys[1], v.seccomp_filters);
	json_put_bool(w, keys[2], v.no_new_privs == 1);
	json_put_str(w, keys[3], v.capabilities);
}

/* The process of the built-in Event Server and its last exit; null when another is used. */
static void
put_eventd(struct json_writer *w, const struct eventd *d)
{
	const struct process *p = d ? eventd_process(d) : NULL;
	const struct process_obituary *o = p ? process_obituary(p, 0) : NULL;
	pid_t pid = p ? process_pid(p) : 0;

	json_put_str(w, "eventd_state", p ? child_state_name(process_state(p)) : NULL);
	control_put_optional(w, "eventd_pid", pid ? pid : -1);
	control_put_optional(w, "eventd_restarts", p ? (int64_t)process_restarts(p) : -1);
	control_put_text(w, "eventd_last_exit", o ? o->cause : NULL);
	control_put_optional(w, "eventd_uptime", o ? o->uptime_ms : -1);
	control_put_text(w, "eventd_last_line", p ? process_last_line(p) : NULL);
	control_put_text(w, "eventd_listener", d ? eventd_listener_fault(d) : NULL);
	control_put_numbers(w, d);
	put_eventd_lock(w, pid);
}

/* The restrictions of gatewayd itself, as the kernel reports them. */
static void
put_own_lock(struct json_writer *w)
{
	json_put_str(w, "seccomp", sandbox_view_seccomp_name(prctl(PR_GET_SECCOMP)));
	json_put_bool(w, "no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	json_put_bool(w, "dumpable", prctl(PR_GET_DUMPABLE) == 1);
	/* Which nobody tells by /proc. */
	json_put_bool(w, "landlock", lock_confines());
}

void
control_on_info(struct control_client *c, const struct json *request)
{
	const struct control *control = c->control;
	const struct engine *e = control->engine;
	const struct monitor *monitor = control->hooks.monitor(control->hooks.arg);
	const struct eventd *eventd = control->hooks.eventd(control->hooks.arg);
	struct json_writer *w = control_begin_row(c);
	int64_t running = 0, enabled = 0;
	char why[IDLE_MAX_TEXT];

	(void)request;
	for (size_t i = 0; i < e->device_count; i++) {
		running += child_state(e->devices[i]->child) == CHILD_RUNNING;
		enabled += child_is_wanted(e->devices[i]->child);
	}
	json_put_str(w, "name", e->config->name);
	json_put_str(w, "version", GATEWAYD_VERSION);
	json_put_int(w, "pid", getpid());
	json_put_int(w, "uptime", monotime_diff_ms(monotime_now(), control->started));
	json_put_str(w, "config", control->hooks.config_path);
	json_put_str(w, "log_level", log_level_name(log_sink_device_level(NULL)));
	json_put_bool(w, "engine", e->active);
	put_monitor(w, monitor);
	control_put_text(w, "why_idle", control_explain_idle(control, why));
	put_server(w, e);
	put_eventd(w, eventd);
	json_put_int(w, "devices", (int64_t)e->device_count);
	json_put_int(w, "enabled", enabled);
	json_put_int(w, "running", running);
	json_put_int(w, "clients", (int64_t)control->client_count);
	json_put_int(w, "longest_turn_us", turns_longest_us(&e->turns.wall));
	json_put_int(
	    w, "longest_turn_minute_us", turns_last_minute_us(&e->turns.wall, monotime_now()));
	json_put_int(w, "longest_turn_cpu_us", turns_longest_us(&e->turns.cpu));
	json_put_int(
	    w, "longest_turn_cpu_minute_us", turns_last_minute_us(&e->turns.cpu, monotime_now()));
	put_own_lock(w);
	control_end_row(c);
	control_finish(c, CONTROL_DONE);
}
