/*
 * The control socket's command for monitoring: every number of the gateway and its devices, in one
 * answer. The numbers of a device, and of each of its remote ends, are one text, with spaces
 * between; the gateway's row, the first one, names their places. As members of JSON they would cost
 * either side three times as much, and 1,000 devices have 60,000 of them.
 */
#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "common/daemon/usage.h"
#include "common/number.h"
#include "supervisor/control/control_client.h"

enum {
	SHOWN_ENDS = 64,   /* remote ends of a device */
	FEW_DEVICES = 64,  /* so many have their memory read each time, */
	MEMORY_EACH = 8,   /* more of them each eighth time: it is a third of what all this costs */
	MOST_NUMBERS = 16, /* in a text */
};

/* The numbers of a device, in their order. */
enum device_column {
	ENABLED,
	UPTIME_MS,
	CPU_US,
	MEMORY_BYTES,
	RESTARTS,
	CREDIT_USED,
	QUEUED_BYTES,
	REGISTERED,
	DELIVERED,
	DROPPED,
	TYPES,
	DROPPED_TYPES,
	VIOLATIONS,
	ENDS_NOT_SHOWN,
	DEVICE_COLUMNS,
};

static const char *const device_columns[DEVICE_COLUMNS] = {
	[ENABLED] = "enabled",
	[UPTIME_MS] = "uptime_ms",
	[CPU_US] = "cpu_us",
	[MEMORY_BYTES] = "memory_bytes",
	[RESTARTS] = "restarts",
	[CREDIT_USED] = "credit_used",
	[QUEUED_BYTES] = "queued_bytes",
	[REGISTERED] = "registered",
	[DELIVERED] = "delivered",
	[DROPPED] = "dropped",
	[TYPES] = "types",
	[DROPPED_TYPES] = "dropped_types",
	[VIOLATIONS] = "violations",
	[ENDS_NOT_SHOWN] = "ends_not_shown",
};

/* The same of a remote end. */
enum end_column { UP, REQUESTS, ERRORS, TIMEOUTS, RTT_AVG_US, LAST_SUCCESS, END_COLUMNS };

static const char *const end_columns[END_COLUMNS] = {
	[UP] = "up",
	[REQUESTS] = "requests",
	[ERRORS] = "errors",
	[TIMEOUTS] = "timeouts",
	[RTT_AVG_US] = "rtt_avg_us",
	[LAST_SUCCESS] = "last_success",
};

static_assert((int)DEVICE_COLUMNS <= MOST_NUMBERS && (int)PROCESS_CAUSES <= MOST_NUMBERS,
    "room for all of them");

/* --- rows --- */

static void
put_names(struct json_writer *w, const char *key, const char *const *names, size_t count)
{
	json_begin_array(w, key);
	for (size_t i = 0; i < count; i++)
		json_put_str(w, NULL, names[i]);
	json_end_array(w);
}

/* Returns the end. "-" where a number is below 0: there is none. */
static char *
write_numbers(char *out, const int64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i)
			*out++ = ' ';
		if (numbers[i] < 0)
			*out++ = '-';
		else
			out = number_put_int(out, numbers[i]);
	}
	return out;
}

static void
put_numbers(struct json_writer *w, const char *key, const int64_t *numbers, size_t count)
{
	char text[MOST_NUMBERS * (NUMBER_MAX_INT + 1)];

	json_put_strn(w, key, text, (size_t)(write_numbers(text, numbers, count) - text));
}

static void
put_columns(struct json_writer *w)
{
	put_names(w, "device_columns", device_columns, DEVICE_COLUMNS);
	put_names(w, "end_columns", end_columns, END_COLUMNS);
	json_begin_array(w, "causes");
	for (int i = 0; i < PROCESS_CAUSES; i++)
		json_put_str(w, NULL, process_cause_name((enum process_cause)i));
	json_end_array(w);
}

static void
put_deaths(struct json_writer *w, const struct process *p)
{
	int64_t numbers[PROCESS_CAUSES];

	for (int i = 0; i < PROCESS_CAUSES; i++)
		numbers[i] = process_deaths_by(p, (enum process_cause)i);
	put_numbers(w, "deaths", numbers, PROCESS_CAUSES);
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
	put_columns(w);
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

/* Its numbers, and its name behind them. */
static void
put_end(struct json_writer *w, const struct remote_end *e)
{
	const int64_t numbers[END_COLUMNS] = {
		[UP] = e->state == IPC_REMOTE_UP,
		[REQUESTS] = (int64_t)e->counters[IPC_REMOTE_REQUESTS],
		[ERRORS] = (int64_t)e->counters[IPC_REMOTE_ERRORS],
		[TIMEOUTS] = (int64_t)e->counters[IPC_REMOTE_TIMEOUTS],
		[RTT_AVG_US] = (int64_t)e->counters[IPC_REMOTE_RTT_AVG],
		[LAST_SUCCESS] = e->heard ? (int64_t)e->heard : -1,
	};
	char text[END_COLUMNS * (NUMBER_MAX_INT + 1) + REMOTES_MAX_NAME];
	char *out = write_numbers(text, numbers, END_COLUMNS);

	*out++ = ' ';
	out = stpcpy(out, e->name);
	json_put_strn(w, NULL, text, (size_t)(out - text));
}

/* Returns how many are there beyond SHOWN_ENDS. */
static int64_t
put_ends(struct json_writer *w, const struct remotes *r)
{
	int64_t all = 0;

	json_begin_array(w, "ends");
	for (size_t i = 0; i < r->room; i++)
		if (r->ends[i] && ++all <= SHOWN_ENDS)
			put_end(w, r->ends[i]);
	json_end_array(w);
	return all > SHOWN_ENDS ? all - SHOWN_ENDS : 0;
}

static void
put_counters(struct json_writer *w, const struct stats *s)
{
	json_begin_object(w, "counters");
	for (size_t i = 0; i < s->counter_count; i++)
		json_put_int(w, s->counters[i].name, (int64_t)(s->counters[i].value & INT64_MAX));
	json_end_object(w);
}

static void
put_device(struct json_writer *w, struct child *child, int64_t ends_not_shown, unsigned memory_each)
{
	const struct process *p = child_process(child);
	const struct stats *s = child_stats(child);
	const struct child_queues q = child_queues(child);
	const struct child_types types = child_types(child);
	pid_t pid = process_pid(p);
	const int64_t numbers[DEVICE_COLUMNS] = {
		[ENABLED] = child_is_wanted(child),
		[UPTIME_MS] = pid ? monotime_diff_ms(monotime_now(), process_spawned(p)) : -1,
		[CPU_US] = usage_cpu_us(pid),
		[MEMORY_BYTES] = child_memory(child, memory_each),
		[RESTARTS] = process_restarts(p),
		[CREDIT_USED] = (int64_t)q.credit_outstanding,
		[QUEUED_BYTES] = (int64_t)(q.to_event_server + q.to_runner),
		[REGISTERED] = (int64_t)s->registered,
		[DELIVERED] = (int64_t)s->delivered,
		[DROPPED] = (int64_t)s->dropped,
		[TYPES] = (int64_t)types.count,
		[DROPPED_TYPES] = (int64_t)types.refused,
		[VIOLATIONS] = (int64_t)s->violations,
		[ENDS_NOT_SHOWN] = ends_not_shown,
	};

	put_numbers(w, "numbers", numbers, DEVICE_COLUMNS);
}

static void
device_row(struct control_client *c, struct child *child)
{
	size_t devices = c->control->engine->device_count;
	struct json_writer *w = control_begin_row(c);

	json_put_str(w, "kind", "device");
	json_put_str(w, "name", child_conf(child)->name);
	json_put_str(w, "type", child_conf(child)->type);
	json_put_str(w, "state", child_state_name(child_state(child)));
	int64_t not_shown = put_ends(w, child_remotes(child));
	put_device(w, child, not_shown, devices > FEW_DEVICES ? MEMORY_EACH : 1);
	put_deaths(w, child_process(child));
	put_counters(w, child_stats(child));
	control_end_row(c);
}

void
control_on_metrics(struct control_client *c, const struct json *request)
{
	gateway_row(c);
	control_walk(c, request, device_row, NULL);
}
