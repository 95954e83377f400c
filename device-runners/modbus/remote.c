#include "device-runners/modbus/remote.h"

#include <stdlib.h>
#include <string.h>

#include "device-runners/modbus/remote_private.h"

const char *
remote_status_name(enum remote_status s)
{
	static const char *const names[] = { "NONE", "DISABLED", "CONNECTING", "CONNECTED",
		"DISCONNECTED" };

	return names[s];
}

const char *
remote_result_name(uint8_t exception)
{
	static const char *const names[] = {
		[0] = "SUCCESS",
		[MODBUS_ILLEGAL_FUNCTION] = "INVALID_FUNCTION_CODE",
		[MODBUS_ILLEGAL_DATA_ADDRESS] = "INVALID_DATA_ADDRESS",
		[MODBUS_ILLEGAL_DATA_VALUE] = "INVALID_DATA_VALUE",
		[MODBUS_DEVICE_FAILURE] = "FUNCTION_ERROR",
		[MODBUS_GATEWAY_PATH_UNAVAILABLE] = "GATEWAY_PATH_UNAVAILABLE",
		[MODBUS_GATEWAY_TARGET_FAILED] = "GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND",
	};

	if (exception >= sizeof(names) / sizeof(names[0]) || !names[exception])
		return "FUNCTION_ERROR";
	return names[exception];
}

void
remote_set_status(struct remote *r, enum remote_status status)
{
	if (r->status == status)
		return;
	r->status = status;
	if (status != REMOTE_NONE)
		r->ops->status(r->arg, r);
}

void
remote_retry_start(struct retry *t, const struct conf_master *c)
{
	*t = (struct retry){ .immediate = c->retry_immediate, .delayed = c->retry_delayed };
}

bool
remote_retry_next(struct retry *t, const struct conf_master *c, struct monotime now)
{
	if (t->immediate) {
		t->immediate--;
		t->at = now;
		return true;
	}
	if (t->delayed == 0)
		return false;
	t->delayed--;
	t->immediate = c->retry_immediate;
	t->at = (struct monotime){ now.ns + c->retry_delay_ns };
	return true;
}

/* The heap: the range that is due first is ranges[0]; among equals the one that was asked longest
 * ago, then the one planned first. */
static bool
before(const struct remote_range *a, const struct remote_range *b)
{
	int order = monotime_cmp(a->due, b->due);

	if (order)
		return order < 0;
	return a->asked != b->asked ? a->asked < b->asked : a->plan.first < b->plan.first;
}

void
remote_sift(struct remote *r, size_t i)
{
	for (;;) {
		size_t least = i;
		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < r->range_count; k++)
			if (before(&r->ranges[k], &r->ranges[least]))
				least = k;
		if (least == i)
			return;
		struct remote_range swap = r->ranges[i];
		r->ranges[i] = r->ranges[least];
		r->ranges[least] = swap;
		i = least;
	}
}

void
remote_heapify(struct remote *r)
{
	for (size_t i = r->range_count / 2; i > 0; i--)
		remote_sift(r, i - 1);
}

static void
drop_ranges(struct remote *r)
{
	for (size_t i = 0; i < r->range_count; i++)
		free(r->ranges[i].last);
	r->range_count = 0;
}

/* When a range is due on a new connection. A range that was answered a moment ago on the last one,
 * and a silent one, keep their time; all others are due now. */
static struct monotime
due_again(const struct remote *r, const struct remote_range *g, struct monotime now)
{
	int64_t soonest = g->answered_at.ns ? g->answered_at.ns + r->master->connect_delay_ns : 0;
	int64_t due = g->due.ns;

	if (g->silences == 0 && soonest < due)
		due = soonest;
	return (struct monotime){ due > now.ns ? due : now.ns };
}

/* Nothing is known; everything is due now, or soon on a connection that follows another. */
static void
restart(struct remote *r, bool reconnected, struct monotime now)
{
	for (size_t i = 0; i < r->range_count; i++) {
		struct remote_range *g = &r->ranges[i];
		g->due = reconnected ? due_again(r, g, now) : now;
		g->have_last = false;
		g->failed = reconnected && g->failed;
	}
	for (size_t i = 0; i < r->conf->count; i++)
		r->state[i].valid = false;
	r->poll.active = false;
	r->unanswered = 0;
	r->resume_at = now;
	remote_heapify(r);
}

static void
make_points(struct remote *r)
{
	uint8_t *value = r->values;

	for (size_t i = 0; i < r->conf->count; i++) {
		const struct conf_data *d = &r->conf->data[i];
		r->points[i] =
		    (struct plan_point){ d->type, d->start, conf_data_quantity(d), d->interval_us };
		r->state[i] = (struct remote_point){ false, value };
		value += modbus_value_size(d->bits);
	}
}

static int
make_plan(struct remote *r, struct plan_range *plan)
{
	size_t n = plan_make(r->points, r->conf->count, &r->conf->limits, r->order, plan);

	if (n == (size_t)-1)
		return -1;
	for (size_t i = 0; i < n; i++) {
		r->ranges[i] = (struct remote_range){ .plan = plan[i], .origin = (uint32_t)i };
		r->origins[i] = (struct remote_origin){ .plan = plan[i], .parts = 1 };
	}
	r->range_count = n;
	r->origin_count = n;
	return 0;
}

struct remote *
remote_new(const struct conf_master *master, const struct conf_remote *conf,
    const struct remote_ops *ops, void *arg)
{
	size_t n = conf->count ? conf->count : 1, bytes = 1;
	struct plan_range *plan = calloc(n, sizeof(*plan));
	struct remote *r = calloc(1, sizeof(*r));

	if (!r || !plan)
		goto fail;
	for (size_t i = 0; i < conf->count; i++)
		bytes += modbus_value_size(conf->data[i].bits);
	*r = (struct remote){ .master = master, .conf = conf, .ops = ops, .arg = arg };
	r->writes_end = &r->writes;
	r->points = calloc(n, sizeof(*r->points));
	r->state = calloc(n, sizeof(*r->state));
	r->values = calloc(bytes, 1);
	r->order = calloc(n, sizeof(*r->order));
	r->ranges = calloc(n, sizeof(*r->ranges));
	r->origins = calloc(n, sizeof(*r->origins));
	if (!r->points || !r->state || !r->values || !r->order || !r->ranges || !r->origins)
		goto fail;
	make_points(r);
	if (make_plan(r, plan) < 0)
		goto fail;
	free(plan);
	return r;
fail:
	free(plan);
	remote_free(r);
	return NULL;
}

void
remote_free(struct remote *r)
{
	if (!r)
		return;
	remote_drop_writes(r);
	drop_ranges(r);
	free(r->points);
	free(r->state);
	free(r->values);
	free(r->order);
	free(r->ranges);
	free(r->origins);
	free(r);
}

const struct conf_remote *
remote_conf(const struct remote *r)
{
	return r->conf;
}

enum remote_status
remote_status(const struct remote *r)
{
	return r->status;
}

unsigned
remote_wants(const struct remote *r)
{
	if (!r->online)
		return 0;
	if (r->suspect)
		return r->writes ? REMOTE_SUSPECT_POLL | REMOTE_SUSPECT_WRITE : REMOTE_SUSPECT_POLL;
	return r->writes ? REMOTE_POLL | REMOTE_WRITE : REMOTE_POLL;
}

bool
remote_is_healthy(const struct remote *r)
{
	return r->online && r->enabled && !r->suspect;
}

bool
remote_is_enabled(const struct remote *r)
{
	return r->enabled;
}

bool
remote_is_retried(const struct remote *r)
{
	return r->poll.active;
}

static void
begin(struct remote *r, bool reconnected, struct monotime now)
{
	restart(r, reconnected, now);
	remote_set_status(r, r->range_count ? REMOTE_CONNECTING : REMOTE_CONNECTED);
}

void
remote_online(struct remote *r, struct monotime now)
{
	r->online = true;
	/* Until it answers. */
	r->suspect = true;
	r->status = REMOTE_NONE;
	if (r->enabled)
		begin(r, true, now);
	else
		remote_set_status(r, REMOTE_DISABLED);
}

void
remote_offline(struct remote *r, struct remote_loss loss, struct monotime now)
{
	if (!r->online)
		return;
	r->online = false;
	/* If the connection had answered before, it ended between two requests, and this one comes
	 * first on the next connection. If not, the request may have ended it, and goes last. */
	if (r->poll.active && loss.poll && loss.stale)
		r->ranges[0].asked = 0;
	else if (r->poll.active && loss.poll && r->range_count > 1)
		remote_put_back(r, now);
	r->poll.active = false;
	remote_keep_writes(r, loss, now);
	remote_set_status(r, REMOTE_DISABLED);
}

void
remote_enable(struct remote *r, bool enable, struct monotime now)
{
	if (r->enabled == enable)
		return;
	r->enabled = enable;
	if (!r->online)
		return;
	if (enable) {
		begin(r, false, now);
		return;
	}
	r->poll.active = false;
	remote_set_status(r, REMOTE_DISABLED);
}

const struct conf_data *
remote_find(const struct remote *r, const char *name)
{
	for (size_t i = 0; i < r->conf->count; i++)
		if (strcmp(r->conf->data[i].name, name) == 0)
			return &r->conf->data[i];
	return NULL;
}
