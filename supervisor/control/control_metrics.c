/* The control socket's command for monitoring: every number of the gateway and its devices, in one
 * answer. */
#include <string.h>
#include <unistd.h>

#include "common/daemon/usage.h"
#include "supervisor/control/control_client.h"

enum {
	SHOWN_ENDS = 64,  /* remote ends of a device */
	FEW_DEVICES = 64, /* so many have their memory read each time, */
	MEMORY_EACH = 4,  /* more of them each fourth time: it is a third of what all this costs */
};

/* --- rows --- */

static void
put_causes(struct json_writer *w, const struct process *p)
{
	json_begin_object(w, "deaths_by_cause");
	for (int i = 0; i < PROCESS_CAUSES; i++)
		json_put_int(w, process_cause_name((enum process_cause)i),
		    process_deaths_by(p, (enum process_cause)i));
	json_end_object(w);
}

static void
put_eventd(struct json_writer *w, const struct eventd *d)
{
	const struct process *p = d ? eventd_process(d) : NULL;

	if (!p) {
		json_put_null(w, "eventd_running");
		return;
	}
	json_put_int(w, "eventd_running", process_state(p) == CHILD_RUNNING);
	json_put_int(w, "eventd_restarts", process_restarts(p));
	control_put_optional(w, "eventd_cpu_us", usage_cpu_us(process_pid(p)));
	control_put_optional(w, "eventd_memory_bytes", usage_memory(process_pid(p)));
	control_put_numbers(w, d);
}

static void
put_link(struct json_writer *w, const struct engine *e)
{
	const struct eventlink *l = engine_link(e);
	const struct eventlink_stats s = eventlink_stats(l);

	json_put_int(w, "link_up", eventlink_state(l) == LINK_UP);
	json_put_int(
	    w, "link_since_ms", s.since.ns ? monotime_diff_ms(monotime_now(), s.since) : 0);
	json_put_int(w, "link_connects", (int64_t)s.connects);
	json_put_int(w, "link_events_out", (int64_t)s.events_out);
	json_put_int(w, "link_events_in", (int64_t)s.events_in);
	json_put_int(w, "link_messages_out", (int64_t)s.messages_out);
	json_put_int(w, "link_bytes_out", (int64_t)s.bytes_out);
	json_put_int(w, "link_bytes_in", (int64_t)s.bytes_in);
	control_put_optional(
	    w, "link_idle_ms", s.heard.ns ? monotime_diff_ms(monotime_now(), s.heard) : -1);
	json_put_int(w, "link_pending_bytes", (int64_t)eventlink_unsent(l));
	json_put_int(w, "events_unrouted", (int64_t)e->unrouted);
}

static void
gateway_row(struct control_client *c)
{
	const struct control *control = c->control;
	const struct engine *e = control->engine;
	const struct monitor *m = control->hooks.monitor(control->hooks.arg);
	struct json_writer *w = control_begin_row(c);

	json_put_str(w, "kind", "gateway");
	json_put_str(w, "name", e->config->name);
	json_put_str(w, "version", GATEWAYD_VERSION);
	json_put_int(w, "uptime_ms", monotime_diff_ms(monotime_now(), control->started));
	json_put_int(w, "engine_active", e->active);
	if (m)
		json_put_int(w, "blessed", strcmp(monitor_state_name(m), "active") == 0);
	else
		json_put_null(w, "blessed");
	put_link(w, e);
	json_put_int(w, "devices", (int64_t)e->device_count);
	json_put_int(w, "control_clients", (int64_t)control->client_count);
	json_put_int(w, "control_requests", (int64_t)control->served);
	json_put_int(w, "longest_turn_us", turns_longest_us(&e->turns.wall));
	json_put_int(
	    w, "longest_turn_minute_us", turns_last_minute_us(&e->turns.wall, monotime_now()));
	control_put_optional(w, "cpu_us", usage_cpu_us(getpid()));
	control_put_optional(w, "memory_bytes", usage_memory(getpid()));
	control_put_optional(w, "open_files", usage_open_files());
	put_eventd(w, control->hooks.eventd(control->hooks.arg));
	control_end_row(c);
}

static void
put_ends(struct json_writer *w, const struct remotes *r)
{
	size_t shown = 0, all = 0;

	json_begin_array(w, "ends");
	for (size_t i = 0; i < r->room; i++) {
		const struct remote_end *e = r->ends[i];
		all += e != NULL;
		if (!e || shown == SHOWN_ENDS)
			continue;
		shown++;
		json_begin_object(w, NULL);
		json_put_str(w, "remote", e->name);
		json_put_int(w, "up", e->state == IPC_REMOTE_UP);
		json_put_int(w, "requests", (int64_t)e->counters[IPC_REMOTE_REQUESTS]);
		json_put_int(w, "errors", (int64_t)e->counters[IPC_REMOTE_ERRORS]);
		json_put_int(w, "timeouts", (int64_t)e->counters[IPC_REMOTE_TIMEOUTS]);
		json_put_int(w, "rtt_avg_us", (int64_t)e->counters[IPC_REMOTE_RTT_AVG]);
		control_put_optional(w, "last_success", e->heard ? (int64_t)e->heard : -1);
		json_end_object(w);
	}
	json_end_array(w);
	json_put_int(w, "ends_not_shown", (int64_t)(all - shown));
}

static void
put_process(struct json_writer *w, struct child *child, unsigned memory_each)
{
	const struct process *p = child_process(child);
	pid_t pid = process_pid(p);

	control_put_optional(
	    w, "uptime_ms", pid ? monotime_diff_ms(monotime_now(), process_spawned(p)) : -1);
	control_put_optional(w, "cpu_us", usage_cpu_us(pid));
	control_put_optional(w, "memory_bytes", child_memory(child, memory_each));
	json_put_int(w, "restarts", process_restarts(p));
	put_causes(w, p);
}

static void
device_row(struct control_client *c, struct child *child)
{
	const struct stats *s = child_stats(child);
	const struct child_queues q = child_queues(child);
	const struct child_types types = child_types(child);
	struct json_writer *w = control_begin_row(c);

	json_put_str(w, "kind", "device");
	json_put_str(w, "name", child_conf(child)->name);
	json_put_str(w, "type", child_conf(child)->type);
	json_put_str(w, "state", child_state_name(child_state(child)));
	json_put_int(w, "enabled", child_is_wanted(child));
	put_process(w, child, c->control->engine->device_count > FEW_DEVICES ? MEMORY_EACH : 1);
	json_put_int(w, "credit_used", (int64_t)q.credit_outstanding);
	json_put_int(w, "queued_bytes", (int64_t)(q.to_event_server + q.to_runner));
	json_put_int(w, "registered", (int64_t)s->registered);
	json_put_int(w, "delivered", (int64_t)s->delivered);
	json_put_int(w, "dropped", (int64_t)s->dropped);
	json_put_int(w, "types", (int64_t)types.count);
	json_put_int(w, "dropped_types", (int64_t)types.refused);
	json_put_int(w, "violations", (int64_t)s->violations);
	json_begin_object(w, "counters");
	for (size_t i = 0; i < s->counter_count; i++)
		json_put_int(w, s->counters[i].name, (int64_t)(s->counters[i].value & INT64_MAX));
	json_end_object(w);
	put_ends(w, child_remotes(child));
	control_end_row(c);
}

void
control_on_metrics(struct control_client *c, const struct json *request)
{
	gateway_row(c);
	control_walk(c, request, device_row, NULL);
}
