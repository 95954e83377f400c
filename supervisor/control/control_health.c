/* The control socket's view of what devices talk to: health of remote ends, descriptions of data.
 */
#include <errno.h>
#include <string.h>

#include "supervisor/control/control_client.h"

enum { SHOWN_ENDS = 64 /* of a device, in one row of `show`; `health --all` shows each */ };

static const char *const counter_keys[IPC_REMOTE_COUNTERS] = {
	[IPC_REMOTE_REQUESTS] = "requests",
	[IPC_REMOTE_ERRORS] = "errors",
	[IPC_REMOTE_TIMEOUTS] = "timeouts",
	[IPC_REMOTE_RETRIES] = "retries",
	[IPC_REMOTE_BYTES_IN] = "bytes_in",
	[IPC_REMOTE_BYTES_OUT] = "bytes_out",
	[IPC_REMOTE_RTT_MIN] = "rtt_min_us",
	[IPC_REMOTE_RTT_AVG] = "rtt_avg_us",
	[IPC_REMOTE_RTT_MAX] = "rtt_max_us",
};

static int64_t
milliseconds_since(const struct timestamp *t)
{
	struct timestamp now = timestamp_now();

	/* The clock of the machine may have been set since; a runner may lie. */
	if (t->s > now.s || t->s < 0)
		return 0;
	int64_t ms = (now.s - t->s) * 1000 + ((int64_t)now.us - t->us) / 1000;
	return ms > 0 ? ms : 0;
}

/* The counters as text: JSON's numbers end before they do. */
static void
put_end(struct json_writer *w, const struct remote_end *e)
{
	json_put_str(w, "remote", e->name);
	json_put_str(w, "state", ipc_remote_state_name(e->state));
	json_put_int(w, "since", milliseconds_since(&e->since));
	control_put_text(w, "what", e->what);
	control_put_text(w, "last_error", e->last_error);
	if (e->counters[IPC_REMOTE_REQUESTS])
		json_put_double(w, "loss_percent",
		    (double)e->counters[IPC_REMOTE_TIMEOUTS] * 100 /
			(double)e->counters[IPC_REMOTE_REQUESTS]);
	else
		json_put_null(w, "loss_percent");
	for (size_t i = 0; i < IPC_REMOTE_COUNTERS; i++) {
		bool none = i >= IPC_REMOTE_RTT_MIN && !e->counters[IPC_REMOTE_RTT_MAX];
		if (none)
			json_put_null(w, counter_keys[i]);
		else
			json_put_int(w, counter_keys[i], (int64_t)(e->counters[i] & INT64_MAX));
	}
}

/* --- in status and show --- */

void
control_put_remotes(struct json_writer *w, const struct child *c)
{
	const struct remotes *r = child_remotes(c);
	size_t all = remotes_total(r);

	if (child_state(c) != CHILD_RUNNING || all == 0) {
		json_put_null(w, "remotes");
		return;
	}
	json_begin_object(w, "remotes");
	json_put_int(w, "up", (int64_t)r->counts[IPC_REMOTE_UP]);
	json_put_int(w, "all", (int64_t)all);
	json_put_str(w, "state", ipc_remote_state_name(remotes_worst(r)));
	json_end_object(w);
}

void
control_put_remote_ends(struct json_writer *w, const struct child *c)
{
	static const enum ipc_remote_state order[] = { IPC_REMOTE_DOWN, IPC_REMOTE_DEGRADED,
		IPC_REMOTE_UP, IPC_REMOTE_OFF };
	const struct remotes *r = child_remotes(c);
	size_t shown = 0, all = 0;

	for (size_t i = 0; i < IPC_REMOTE_STATE_COUNT; i++)
		all += r->counts[i];
	json_begin_array(w, "remote_ends");
	for (size_t s = 0; s < IPC_REMOTE_STATE_COUNT; s++)
		for (size_t i = 0; i < r->room && shown < SHOWN_ENDS; i++) {
			if (!r->ends[i] || r->ends[i]->state != order[s])
				continue;
			json_begin_object(w, NULL);
			put_end(w, r->ends[i]);
			json_end_object(w);
			shown++;
		}
	json_end_array(w);
	json_put_int(w, "remote_ends_not_shown", (int64_t)(all - shown));
}

/* --- health --- */

static const char *const severities[] = {
	[HEALTH_OK] = "ok",
	[HEALTH_WARNING] = "warning",
	[HEALTH_CRITICAL] = "critical",
};

/* Whether it is shown. The worst is the code of the answer. */
static bool
judge(struct control_client *c, enum control_health how)
{
	if (how > (enum control_health)c->walk.code)
		c->walk.code = (enum control_code)how;
	return how != HEALTH_OK || json_is_true(json_get(json_root(c->request), "all"));
}

static void
begin_row(struct json_writer *w, const char *device, const char *type, enum control_health how)
{
	json_put_str(w, "device", device);
	json_put_str(w, "type", type);
	json_put_str(w, "severity", severities[how]);
}

static void
judge_link(struct control_client *to)
{
	const struct engine *e = to->control->engine;
	const struct eventlink *l = engine_link(e);
	const struct eventlink_stats stats = eventlink_stats(l);
	char why[IDLE_MAX_TEXT];
	enum control_health how = eventlink_state(l) == LINK_UP ? HEALTH_OK : HEALTH_CRITICAL;

	if (!judge(to, how))
		return;
	struct json_writer *w = control_begin_row(to);
	begin_row(w, NULL, NULL, how);
	json_put_str(w, "remote", "Event Server");
	json_put_str(w, "state", eventlink_state_name(eventlink_state(l)));
	json_put_int(
	    w, "since", stats.since.ns ? monotime_diff_ms(monotime_now(), stats.since) : 0);
	control_put_text(w, "what", control_explain_idle(to->control, why));
	control_end_row(to);
}

static const enum control_health of_child[CHILD_STATE_COUNT] = {
	[CHILD_DISABLED] = HEALTH_OK,
	[CHILD_STARTING] = HEALTH_WARNING,
	[CHILD_RUNNING] = HEALTH_OK,
	[CHILD_STOPPING] = HEALTH_WARNING,
	[CHILD_BACKOFF] = HEALTH_CRITICAL,
	[CHILD_FAILED] = HEALTH_CRITICAL,
};

static void
judge_process(struct control_client *to, const struct child *c)
{
	const struct process_obituary *o = process_obituary(child_process(c), 0);
	enum control_health how = of_child[child_state(c)];
	char why[IDLE_MAX_TEXT];

	if (!judge(to, how))
		return;
	struct json_writer *w = control_begin_row(to);
	begin_row(w, child_conf(c)->name, child_conf(c)->type, how);
	json_put_str(w, "remote", NULL);
	json_put_str(w, "state", child_state_name(child_state(c)));
	json_put_int(w, "since", monotime_diff_ms(monotime_now(), process_since(child_process(c))));
	control_put_text(w, "what", how == HEALTH_OK ? NULL : control_explain(to->control, c, why));
	control_put_text(w, "last_error", o ? o->last_line : NULL);
	control_end_row(to);
}

static const enum control_health of_end[IPC_REMOTE_STATE_COUNT] = {
	[IPC_REMOTE_OFF] = HEALTH_OK,
	[IPC_REMOTE_UP] = HEALTH_OK,
	[IPC_REMOTE_DEGRADED] = HEALTH_WARNING,
	[IPC_REMOTE_DOWN] = HEALTH_CRITICAL,
};

static void
judge_device(struct control_client *to, struct child *c)
{
	const struct remotes *r = child_remotes(c);

	judge_process(to, c);
	for (size_t i = 0; child_state(c) == CHILD_RUNNING && i < r->room; i++) {
		const struct remote_end *e = r->ends[i];
		if (!e || !judge(to, of_end[e->state]))
			continue;
		struct json_writer *w = control_begin_row(to);
		begin_row(w, child_conf(c)->name, child_conf(c)->type, of_end[e->state]);
		put_end(w, e);
		control_end_row(to);
	}
}

void
control_on_health(struct control_client *c, const struct json *request)
{
	const struct json *names = json_get(request, "names");

	if (!control_walk(c, request, judge_device, NULL))
		return;
	if (!names || names->count == 0)
		judge_link(c);
}

/* --- descriptions --- */

static void
put_str(struct json_writer *w, const char *key, const msgpack_object *o)
{
	json_put_strn(w, key, o->via.str.size ? o->via.str.ptr : "", o->via.str.size);
}

static void
put_type(struct json_writer *w, const char *key, const msgpack_object *o)
{
	if (o->type == MSGPACK_OBJECT_NIL) {
		json_put_null(w, key);
		return;
	}
	json_begin_array(w, key);
	for (uint32_t i = 0; i < o->via.array.size; i++)
		put_str(w, NULL, &o->via.array.ptr[i]);
	json_end_array(w);
}

static void
put_data(struct json_writer *w, const msgpack_object *f)
{
	const msgpack_object_array *verbs = &f[4].via.array;

	put_str(w, "name", &f[0]);
	put_str(w, "value", &f[1]);
	put_str(w, "about", &f[2]);
	put_type(w, "gives", &f[3]);
	json_begin_array(w, "verbs");
	for (uint32_t i = 0; i < verbs->size; i++) {
		const msgpack_object *v = verbs->ptr[i].via.array.ptr;
		json_begin_object(w, NULL);
		put_str(w, "verb", &v[0]);
		put_type(w, "takes", &v[1]);
		put_str(w, "request", &v[2]);
		put_type(w, "result", &v[3]);
		put_str(w, "match", &v[4]);
		put_str(w, "good", &v[5]);
		put_str(w, "form", &v[6]);
		json_end_object(w);
	}
	json_end_array(w);
	put_type(w, "parts", &f[5]);
}

static void
on_page(void *arg, const msgpack_object_array *rows, uint32_t next)
{
	struct control_client *c = arg;

	if (!rows) {
		control_refuse(c, REASON_STATE, "the process of the device has ended");
		return;
	}
	for (uint32_t i = 0; i < rows->size; i++) {
		put_data(control_begin_row(c), rows->ptr[i].via.array.ptr);
		control_end_row(c);
	}
	struct json_writer *w = control_begin_row(c);
	json_put_int(w, "next", next);
	control_end_row(c);
	control_finish(c, CONTROL_DONE);
}

void
control_on_describe(struct control_client *c, const struct json *request)
{
	const char *name = json_str(json_get(request, "name"));
	const struct engine_device *d = control_find_device(c, name);
	int64_t from = 0;

	if (!d)
		return;
	json_int(json_get(request, "from"), 0, UINT32_MAX, &from);
	if (child_describe(d->child, (uint32_t)from, on_page, c) == 0)
		return;
	control_refuse(c, errno == EBUSY ? REASON_BUSY : REASON_STATE,
	    errno == EBUSY ? "%.200s: too many ask for its description at once"
			   : "%.200s is not running: only a running device describes its data",
	    name);
}

void
control_forget_describe(struct control_client *c)
{
	struct engine *e = c->control->engine;

	for (size_t i = 0; i < engine_device_count(e); i++)
		child_forget_description(engine_device_child(e, i), c);
}
