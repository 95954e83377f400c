#include "supervisor/reload.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/daemon/notify.h"
#include "common/log.h"
#include "common/textbuf.h"
#include "common/monotime.h"
#include "supervisor/check.h"
#include "supervisor/child/lock.h"
#include "supervisor/reload_load.h"

enum {
	MAX_KEYS = 20,	/* of one device */
	LOG_KEYS = 800, /* bytes of them in a line of the log */
	SLICE_MS = 4,	/* of a turn, for the rows of devices */
};

struct reload {
	struct ev_loop *loop;
	const char *config_path, *libexec, *zone;
	struct broker *broker;
	const struct reload_handler *handler;
	void *arg;
	bool busy, again; /* one is under way; another is to follow */
	bool diff_only;
	struct control_client *client; /* or NULL */
	struct config *after;	       /* owned until it is applied */
	struct config_diff *diff;
	bool *wanted; /* by the check, of the devices in after */
	struct reload_load *load;
	struct check *check;
	size_t row;	/* of diff, the next to be said */
	ev_timer rows;	/* while devices are said in slices */
	ev_timer begin; /* of the one that follows */
};

static void
put_row(struct reload *r, const char *change, const char *what, const char *detail)
{
	if (!r->client)
		return;
	struct json_writer *w = control_begin_row(r->client);
	json_put_str(w, "change", change);
	json_put_str(w, "what", what);
	json_put_str(w, "detail", detail);
	json_begin_array(w, "keys");
	json_end_array(w);
	control_end_row(r->client);
}

/* What changed of a device, key by key; of many the first are said. */
struct keys {
	struct json_writer *w; /* of the client's row, or NULL */
	struct textbuf text;   /* of the log's line */
	size_t count;
};

static void
on_key(void *arg, const char *text)
{
	struct keys *k = arg;

	if (k->count++ >= MAX_KEYS)
		return;
	if (k->w)
		json_put_str(k->w, NULL, text);
	else
		textbuf_add(&k->text, "%s%s", k->text.len ? ", " : "", text);
}

static void
put_device_row(struct reload *r, const struct config_diff_row *row, const char *detail)
{
	const struct config_device *of = row->after ? row->after : row->before;
	char name[2 * CONFIG_MAX_NAME + 2];

	if (!r->client)
		return;
	snprintf(name, sizeof(name), "%s/%s", of->type, of->name);
	struct keys k = { .w = control_begin_row(r->client) };
	json_put_str(k.w, "change", config_change_name(row->change));
	json_put_str(k.w, "what", name);
	json_put_str(k.w, "detail", detail);
	json_begin_array(k.w, "keys");
	if (row->before && row->after)
		config_device_changes(row->before, row->after, on_key, &k);
	json_end_array(k.w);
	control_end_row(r->client);
}

static void
log_device(const struct config_diff_row *row, const char *detail)
{
	const struct config_device *of = row->after ? row->after : row->before;
	char text[LOG_KEYS];
	struct keys k = { .text = textbuf_make(text, sizeof(text)) };

	text[0] = '\0';
	if (row->before && row->after)
		config_device_changes(row->before, row->after, on_key, &k);
	log_write(LOG_LEVEL_NOTICE, of->label, "reload_device", "%s%s%s, %s",
	    config_change_name(row->change), k.text.len ? ": " : "", text, detail);
}

static void
on_fault(void *arg, enum schema_severity severity, const char *file, uint32_t line, uint32_t column,
    const char *path, const char *message)
{
	struct reload *r = arg;
	bool error = severity == SCHEMA_ERROR;
	char place[512], text[1024];

	if (line)
		snprintf(place, sizeof(place), "%s:%u:%u", file, line, column);
	else
		snprintf(place, sizeof(place), "%s", file);
	snprintf(text, sizeof(text), "%s%s%s", path, *path ? ": " : "", message);
	put_row(r, error ? "error" : "warning", place, text);
	if (!r->diff_only)
		log_write(error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, NULL, "reload_fault",
		    "%s: %s", place, text);
}

/* --- what it does, for people --- */

static const char *
device_detail(const struct config_diff *d, const struct config_diff_row *row)
{
	static const char *const details[] = { [CONFIG_REMOVED] = "stops",
		[CONFIG_CHANGED] = "restarts",
		[CONFIG_ADDED] = "starts when it is enabled",
		[CONFIG_TUNED] = "goes on, takes effect at once" };
	bool again = d->server && (row->change == CONFIG_CHANGED || row->change == CONFIG_TUNED);

	return again ? "restarts" : details[row->change];
}

static const char *
same_detail(const struct config_diff *d)
{
	bool one = d->counts[CONFIG_SAME] == 1;

	if (d->server)
		return one ? "restarts" : "restart";
	return one ? "goes on" : "go on";
}

/* What is not of one device changed. */
static void
put_part(struct reload *r, enum config_part part, const char *what, const char *detail)
{
	const struct config *before = r->handler->current(r->arg);
	char text[LOG_KEYS] = "";
	struct keys log = { .text = textbuf_make(text, sizeof(text)) };

	config_gateway_changes(before, r->after, part, on_key, &log);
	if (!r->diff_only)
		log_write(LOG_LEVEL_NOTICE, NULL, "reload_gateway", "changed %s%s%s, %s", what,
		    log.text.len ? ": " : "", text, detail);
	if (!r->client)
		return;
	struct keys k = { .w = control_begin_row(r->client) };
	json_put_str(k.w, "change", "changed");
	json_put_str(k.w, "what", what);
	json_put_str(k.w, "detail", detail);
	json_begin_array(k.w, "keys");
	config_gateway_changes(before, r->after, part, on_key, &k);
	json_end_array(k.w);
	control_end_row(r->client);
}

static void
put_gateway_rows(struct reload *r)
{
	static const char all[] = "all devices stop and start again";
	const struct config_diff *d = r->diff;
	char text[80];

	if (d->name)
		put_part(r, CONFIG_PART_NAME, "name", all);
	if (d->elsewhere)
		put_part(r, CONFIG_PART_SERVER, "event server", all);
	snprintf(text, sizeof(text), "the log level%s of %zu device%s: at once",
	    LOG_PLURAL(d->levels), d->levels, LOG_PLURAL(d->levels));
	if (d->log)
		put_part(r, CONFIG_PART_LOG, "log",
		    "takes effect at once, in place of what 'gatewayctl log' set");
	else if (d->levels)
		put_part(r, CONFIG_PART_LOG, "log", text);
	if (d->control)
		put_part(r, CONFIG_PART_CONTROL, "control",
		    "takes effect when gatewayd is started again");
}

/* As many as fit into the turn; whether that was all. */
static bool
put_device_rows(struct reload *r)
{
	const struct config_diff *d = r->diff;
	struct monotime began = monotime_now();

	for (; r->row < d->count && d->rows[r->row].change != CONFIG_SAME; r->row++) {
		if (monotime_diff_ms(monotime_now(), began) >= SLICE_MS)
			return false;
		const char *detail = device_detail(d, &d->rows[r->row]);
		put_device_row(r, &d->rows[r->row], detail);
		if (!r->diff_only)
			log_device(&d->rows[r->row], detail);
	}
	return true;
}

static void
put_same_row(struct reload *r)
{
	const struct config_diff *d = r->diff;
	size_t changes = d->count - d->counts[CONFIG_SAME];
	char name[32];

	snprintf(name, sizeof(name), "%zu device%s", d->counts[CONFIG_SAME],
	    LOG_PLURAL(d->counts[CONFIG_SAME]));
	if (d->counts[CONFIG_SAME] || !(changes || d->server || d->log || d->levels || d->control))
		put_row(r, "same", name, same_detail(d));
}

/* --- its end --- */

void
reload_resume(struct reload *r)
{
	if (r->again)
		ev_timer_start(r->loop, &r->begin);
}

/* All that one reload had. */
static void
clear(struct reload *r)
{
	ev_timer_stop(r->loop, &r->rows);
	reload_load_free(r->load);
	check_free(r->check);
	config_free(r->after);
	free(r->diff);
	free(r->wanted);
	r->load = NULL;
	r->check = NULL;
	r->after = NULL;
	r->diff = NULL;
	r->wanted = NULL;
	r->row = 0;
}

/* error: NULL where it was done. */
static void
finish(struct reload *r, const char *error)
{
	struct control_client *client = r->client;
	char text[256];

	clear(r);
	r->client = NULL;
	r->busy = false;
	if (!r->diff_only) {
		if (error)
			log_write(LOG_LEVEL_ERROR, NULL, "reload_failed",
			    "reload: %s; nothing has changed", error);
		notify_manager("READY=1");
	}
	if (client && error) {
		snprintf(
		    text, sizeof(text), "%s%s", error, r->diff_only ? "" : "; nothing has changed");
		control_reload_done(client, text);
	} else if (client) {
		control_reload_done(client, NULL);
	}
	reload_resume(r);
}

static void
apply(struct reload *r)
{
	size_t counts[CONFIG_CHANGES];

	memcpy(counts, r->diff->counts, sizeof(counts));
	put_same_row(r);
	if (r->diff_only) {
		finish(r, NULL);
		return;
	}
	check_free(r->check); /* it has texts of after, which move */
	r->check = NULL;
	if (r->handler->apply(r->arg, r->after, r->diff) < 0) {
		finish(r, errno == ECANCELED ? "the gateway stops" : strerror(errno));
		return;
	}
	r->after = NULL;
	log_write(LOG_LEVEL_NOTICE, NULL, "reload",
	    "reloaded %s: devices: %zu removed, %zu changed, %zu added, %zu the same%s",
	    r->config_path, counts[CONFIG_REMOVED], counts[CONFIG_CHANGED] + counts[CONFIG_TUNED],
	    counts[CONFIG_ADDED], counts[CONFIG_SAME],
	    r->diff->server ? "; everything restarts" : "");
	finish(r, NULL);
}

static void
on_rows(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct reload *r = w->data;

	(void)revents;
	if (put_device_rows(r)) {
		apply(r);
		return;
	}
	ev_timer_set(w, 0., 0.);
	ev_timer_start(loop, w);
}

static void
on_checked(void *arg, int faulty)
{
	struct reload *r = arg;
	char error[128];

	if (faulty == 0) {
		put_gateway_rows(r);
		on_rows(r->loop, &r->rows, 0);
		return;
	}
	snprintf(error, sizeof(error), "%d device%s at fault", faulty, LOG_PLURAL(faulty));
	finish(r, error);
}

/* --- its start --- */

/* A device that goes on is running proof of its configuration. */
static bool
is_new(void *arg, const struct config_device *d)
{
	const struct reload *r = arg;

	return r->wanted[d - r->after->devices];
}

/* Returns 0, or -1 when out of memory. */
static int
find_new(struct reload *r)
{
	const struct config_diff *d = r->diff;

	r->wanted = calloc(r->after->device_count + 1, sizeof(*r->wanted));
	for (size_t i = 0; r->wanted && i < d->count && d->rows[i].change != CONFIG_SAME; i++)
		if (d->rows[i].after)
			r->wanted[d->rows[i].after - r->after->devices] = true;
	return r->wanted ? 0 : -1;
}

/* With another group than before gatewayd would not come back after its next end. */
static bool
has_group(struct reload *r)
{
	const char *key = control_missing_group(r->after);

	if (!key)
		return true;
	const struct json *where = config_find(r->after, key);
	on_fault(
	    r, SCHEMA_ERROR, r->after->path, where->line, where->column, key, CONTROL_NO_GROUP);
	return false;
}

/* A device that failed for its part of the file and is the same stays so: the others are reloaded.
 */
static bool
is_new_at_fault(const struct reload *r)
{
	for (size_t i = 0; i < r->diff->count && r->diff->rows[i].change != CONFIG_SAME; i++)
		if (r->diff->rows[i].after && r->diff->rows[i].after->fault)
			return true;
	return false;
}

/* Landlock, once on, leaves the folders of the start. */
static bool
has_data_folder(struct reload *r)
{
	static const char key[] = "event_server.built_in.data";
	const struct config *c = r->after;

	if (c->server != CONFIG_SERVER_BUILT_IN || !c->built_in.data ||
	    lock_can_write(c->built_in.data))
		return true;
	const struct json *where = config_find(c, key);
	on_fault(r, SCHEMA_ERROR, c->path, where->line, where->column, key,
	    "gatewayd cannot write to this folder, as it is locked to those of its start: restart "
	    "gatewayd");
	return false;
}

static void
on_loaded(void *arg)
{
	struct reload *r = arg;
	struct check_options options = { .libexec = r->libexec,
		.zone = r->zone,
		.broker = r->broker,
		.report = on_fault,
		.wants = is_new,
		.arg = r };

	reload_load_take(r->load, on_fault, r, &r->after, &r->diff);
	if (!r->after || !has_group(r) || !has_data_folder(r)) {
		finish(r, "the configuration is at fault");
		return;
	}
	options.config = r->after;
	if (r->diff && is_new_at_fault(r)) {
		finish(r, "the configuration is at fault");
		return;
	}
	if (r->diff && find_new(r) == 0)
		r->check = check_start(r->loop, &options, on_checked, r);
	if (!r->check)
		finish(r, "out of memory");
}

static void
begin(struct reload *r)
{
	r->busy = true;
	r->load =
	    reload_load_start(r->loop, r->config_path, r->handler->current(r->arg), on_loaded, r);
	if (!r->load)
		finish(r, strerror(errno));
}

static void
notify_reloading(void)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    (int64_t)(monotime_now().ns / 1000));
	notify_manager(text);
}

int
reload_start(struct reload *r, bool diff, struct control_client *client, char *err, size_t err_size)
{
	if (!client && (r->busy || !r->handler->may_begin(r->arg))) {
		r->again = true;
		return 0;
	}
	if (r->busy) {
		snprintf(err, err_size, "a reload is under way");
		return -1;
	}
	r->diff_only = diff;
	r->client = client;
	if (!diff)
		notify_reloading();
	begin(r);
	return 0;
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct reload *r = w->data;

	(void)loop, (void)revents;
	if (r->busy || !r->handler->may_begin(r->arg))
		return;
	r->again = false;
	reload_start(r, false, NULL, NULL, 0);
}

void
reload_forget_client(struct reload *r, const struct control_client *client)
{
	if (r->client == client)
		r->client = NULL;
}

struct reload *
reload_new(struct ev_loop *loop, const char *config_path, const char *libexec, const char *zone,
    struct broker *broker, const struct reload_handler *handler, void *arg)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct reload){ .loop = loop,
		.config_path = config_path,
		.libexec = libexec,
		.zone = zone,
		.broker = broker,
		.handler = handler,
		.arg = arg };
	ev_timer_init(&r->begin, on_again, 0., 0.);
	r->begin.data = r;
	ev_timer_init(&r->rows, on_rows, 0., 0.);
	r->rows.data = r;
	return r;
}

void
reload_free(struct reload *r)
{
	if (!r)
		return;
	ev_timer_stop(r->loop, &r->begin);
	clear(r);
	free(r);
}
