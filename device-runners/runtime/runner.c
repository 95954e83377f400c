/* The runtime of a runner process: its life from exec to exit. See runner.h. */
#include "device-runners/runtime/runner.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/schema/schema.h"
#include "common/schema/schema_json.h"
#include "device-runners/runtime/runner_private.h"
#include "device-runners/runtime/sandbox/sandbox.h"

enum {
	LAST_WORDS_MS = 2000,		/* how long the end waits for the last events to leave */
	MAX_CONFIG_NODES = 4000 * 1000, /* values in a device's configuration */
	MAX_SCHEMA = 1 << 20,		/* bytes of the types' schemas */
	PLAN_HEAD = IPC_HEADER + 5,	/* bytes of a PLAN message before its first element */
	PLAN_ENTRY = 1 + 1 + 3 + 5,	/* and of an element, beside its target */
};

/* Ends the process after the queued messages have been sent. Drops events without credit, and logs
 * how many bytes. */
static _Noreturn void
leave(struct runner *r, int code)
{
	runner_events_flush(r);
	if (r->waiting.len)
		log_warning("dropped %zu bytes of events: no credit left", r->waiting.len);
	channel_flush(&r->channel, LAST_WORDS_MS);
	channel_close(&r->channel);
	runner_events_clear(r);
	for (size_t i = 0; i < r->plan_count; i++)
		free(r->plan[i].target);
	ev_loop_destroy(r->loop);
	exit(code);
}

void
runner_sent(struct runner *r, int result)
{
	if (result == 0)
		return;
	log_error("cannot send to the supervisor: %s", strerror(errno));
	r->waiting.len = 0;
	exit(EX_UNAVAILABLE);
}

static void
send_text(struct runner *r, enum ipc_type type, const char *text)
{
	msgpack_packer *p = channel_begin(&r->channel, type, 0);

	msgpack_pack_array(p, 1);
	ipc_pack_reason(p, text);
	runner_sent(r, channel_send(&r->channel, -1));
}

void
runner_fail(struct runner *r, const char *fmt, ...)
{
	char why[IPC_MAX_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_error("%s", why);
	runner_events_flush(r);
	send_text(r, IPC_CLOSED, why);
	leave(r, EXIT_FAILURE);
}

void *
runner_alloc(struct runner *r, size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		runner_fail(r, "out of memory");
	return p;
}

struct ev_loop *
runner_loop(struct runner *r)
{
	return r->loop;
}

const char *
runner_name(const struct runner *r)
{
	return r->name;
}

static int
plan_add(struct runner *r, enum ipc_resource kind, const char *target, uint16_t port)
{
	if (r->plan_count == IPC_MAX_PLAN) {
		runner_config_error(r, "", "needs more than %d resources", IPC_MAX_PLAN);
		return -1;
	}
	if (strlen(target) > IPC_MAX_TEXT) {
		runner_config_error(r, "", "a name or path is longer than %d bytes", IPC_MAX_TEXT);
		return -1;
	}
	if (r->plan_bytes + PLAN_ENTRY + strlen(target) > IPC_MAX_MESSAGE - PLAN_HEAD) {
		runner_config_error(r, "",
		    "the names and paths of its resources are too long: more than %d KiB in all",
		    IPC_MAX_MESSAGE / 1024);
		return -1;
	}
	r->plan_bytes += PLAN_ENTRY + strlen(target);
	char *copy = strdup(target);
	if (!copy)
		runner_fail(r, "out of memory");
	r->plan[r->plan_count] = (struct plan_entry){ (uint8_t)kind, port, copy };
	r->has_tty |= kind == IPC_RESOURCE_TTY;
	r->has_udp_listen |= kind == IPC_RESOURCE_UDP_LISTEN;
	return (int)r->plan_count++;
}

int
runner_plan_connect(struct runner *r, const char *host, uint16_t port)
{
	return plan_add(r, IPC_RESOURCE_CONNECT, host, port);
}

int
runner_plan_listen(struct runner *r, const char *host, uint16_t port)
{
	return plan_add(r, IPC_RESOURCE_LISTEN, host, port);
}

int
runner_plan_udp(struct runner *r, const char *host, uint16_t port)
{
	return plan_add(r, IPC_RESOURCE_UDP, host, port);
}

int
runner_plan_udp_listen(struct runner *r, const char *host, uint16_t port)
{
	return plan_add(r, IPC_RESOURCE_UDP_LISTEN, host, port);
}

int
runner_plan_icmp(struct runner *r, const char *host)
{
	return plan_add(r, IPC_RESOURCE_ICMP, host, 0);
}

int
runner_plan_tty(struct runner *r, const char *path)
{
	return plan_add(r, IPC_RESOURCE_TTY, path, 0);
}

int
runner_plan_file(struct runner *r, const char *path)
{
	return plan_add(r, IPC_RESOURCE_FILE, path, 0);
}

static void
send_config_message(struct runner *r, uint32_t kind, const char *path, const char *message)
{
	msgpack_packer *p = channel_begin(&r->channel, IPC_CONFIG_ERROR, 0);

	msgpack_pack_array(p, 3);
	msgpack_pack_uint32(p, kind);
	ipc_pack_reason(p, path);
	ipc_pack_reason(p, message);
	runner_sent(r, channel_send(&r->channel, -1));
}

static void
send_config_fault(
    struct runner *r, enum schema_severity severity, const char *path, const char *message)
{
	bool error = severity == SCHEMA_ERROR;

	/* More of them would be a flood. */
	if (r->config_faults++ < RUNNER_MAX_FAULTS)
		send_config_message(
		    r, error ? IPC_CONFIG_FAULT : IPC_CONFIG_WARNING, path, message);
	r->config_errors += error;
}

void
runner_note(struct runner *r, const char *fmt, ...)
{
	char message[IPC_MAX_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	send_config_message(r, IPC_CONFIG_NOTE, "", message);
}

static void
config_fault(
    struct runner *r, enum schema_severity severity, const char *path, const char *fmt, va_list ap)
{
	char message[IPC_MAX_TEXT];

	vsnprintf(message, sizeof(message), fmt, ap);
	send_config_fault(r, severity, path, message);
}

void
runner_config_error(struct runner *r, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	config_fault(r, SCHEMA_ERROR, path, fmt, ap);
	va_end(ap);
}

void
runner_config_warning(struct runner *r, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	config_fault(r, SCHEMA_WARNING, path, fmt, ap);
	va_end(ap);
}

static void
on_schema_fault(void *arg, enum schema_severity severity, const struct json *where,
    const char *path, const char *message)
{
	(void)where;
	send_config_fault(arg, severity, path, message);
}

int
runner_check_config(
    struct runner *r, const struct json *conf, const struct schema *schema, const char *path)
{
	return schema_check(conf, schema, path, on_schema_fault, r);
}

int64_t
runner_config_ms(const struct json *conf, const char *key)
{
	double s = 0;

	json_double(json_get(conf, key), &s);
	return s > 0 && s * 1000 < 1 ? 1 : (int64_t)(s * 1000);
}

void
runner_ready(struct runner *r)
{
	/* Events that were registered before READY are sent before it. */
	runner_events_flush(r);
	runner_sent(r, channel_send_empty(&r->channel, IPC_READY, 0));
}

uint32_t
runner_open(struct runner *r, int index, runner_open_cb *cb, void *arg)
{
	size_t slot = 0;

	if (index < 0 || (size_t)index >= r->plan_count)
		return 0;
	while (slot < IPC_MAX_ASKED && r->opens[slot].id)
		slot++;
	if (slot == IPC_MAX_ASKED)
		return 0;
	if (++r->last_id == 0)
		r->last_id = 1;
	r->opens[slot] = (struct open_request){ r->last_id, cb, arg };
	msgpack_packer *p = channel_begin(&r->channel, IPC_OPEN, r->last_id);
	msgpack_pack_array(p, 1);
	msgpack_pack_uint32(p, (uint32_t)index);
	runner_sent(r, channel_send(&r->channel, -1));
	return r->opens[slot].id;
}

void
runner_cancel(struct runner *r, uint32_t id)
{
	for (size_t i = 0; i < IPC_MAX_ASKED; i++) {
		if (id == 0 || r->opens[i].id != id)
			continue;
		r->opens[i].id = 0;
		runner_sent(r, channel_send_empty(&r->channel, IPC_CANCEL, id));
		return;
	}
}

void
runner_set_link(struct runner *r, const char *state)
{
	send_text(r, IPC_LINK, state);
}

uint64_t *
runner_counter(struct runner *r, const char *name)
{
	static uint64_t overflow;

	for (size_t i = 0; i < r->counter_count; i++)
		if (strcmp(r->counters[i].name, name) == 0)
			return &r->counters[i].value;
	if (r->counter_count == RUNNER_MAX_COUNTERS)
		return &overflow;
	r->counters[r->counter_count] = (struct counter){ .name = name };
	return &r->counters[r->counter_count++].value;
}

static void
send_stats(struct runner *r)
{
	uint32_t changed = 0;

	runner_health_count(r);
	for (size_t i = 0; i < r->counter_count; i++)
		changed += r->counters[i].value != r->counters[i].reported;
	if (changed == 0)
		return;
	msgpack_packer *p = channel_begin(&r->channel, IPC_STATS, 0);
	msgpack_pack_array(p, changed);
	for (size_t i = 0; i < r->counter_count; i++) {
		struct counter *c = &r->counters[i];
		if (c->value == c->reported)
			continue;
		c->reported = c->value;
		msgpack_pack_array(p, 2);
		ipc_pack_str(p, c->name);
		msgpack_pack_uint64(p, c->value);
	}
	runner_sent(r, channel_send(&r->channel, -1));
}

/* Maps the sealed configuration and parses it. */
static struct json_doc *
load_config(struct runner *r, int fd)
{
	struct stat st;
	char err[128];
	struct json_doc *doc = NULL;

	if (fd < 0 || fstat(fd, &st) < 0)
		runner_fail(r, "INIT came without a configuration");
	void *text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		runner_fail(r, "cannot read the configuration: %s", strerror(errno));
	doc = json_parse(text, (size_t)st.st_size, MAX_CONFIG_NODES, err, sizeof(err));
	munmap(text, (size_t)st.st_size);
	fd_close(fd);
	if (!doc) {
		runner_config_error(r, "", "%s", err);
		leave(r, EX_CONFIG);
	}
	return doc;
}

static void
send_plan(struct runner *r)
{
	msgpack_packer *p = channel_begin(&r->channel, IPC_PLAN, IPC_VERSION);

	msgpack_pack_array(p, r->plan_count);
	for (size_t i = 0; i < r->plan_count; i++) {
		msgpack_pack_array(p, 3);
		msgpack_pack_uint32(p, r->plan[i].kind);
		ipc_pack_str(p, r->plan[i].target);
		msgpack_pack_uint32(p, r->plan[i].port);
	}
	runner_sent(r, channel_send(&r->channel, -1));
	r->channel.phase = PHASE_RUN;
}

static void
find_type(struct runner *r, const msgpack_object_str *type)
{
	char name[IPC_MAX_TEXT + 1];

	ipc_copy_text(name, sizeof(name), type);
	for (const struct runner_device *const *t = r->types; *t; t++)
		if (strcmp((*t)->type, name) == 0)
			r->type = *t;
	if (!r->type) {
		runner_config_error(r, "module", "this runner has no device type %s", name);
		leave(r, EX_CONFIG);
	}
}

static void
set_zone(const msgpack_object_str *zone)
{
	char text[IPC_MAX_TEXT + 1];

	ipc_copy_text(text, sizeof(text), zone);
	/* A leading ':' or a name: glibc reads the file now and, as TZ stays, never again. */
	setenv("TZ", text, 1);
	tzset();
}

void
runner_checked(struct runner *r)
{
	r->type->free(r->device);
	leave(r, r->config_errors ? EX_CONFIG : EXIT_SUCCESS);
}

static void
on_init(struct runner *r, const msgpack_object *f, int fd)
{
	const msgpack_object_str *name = &f[IPC_INIT_NAME].via.str;
	const char *why = NULL;

	if (r->type)
		runner_fail(r, "INIT came twice");
	if (f[IPC_INIT_VERSION].via.u64 != IPC_VERSION)
		runner_fail(r,
		    "this runner speaks version %u of the IPC contract, the supervisor speaks %u",
		    (unsigned)IPC_VERSION, (unsigned)f[IPC_INIT_VERSION].via.u64);
	ipc_copy_text(r->name, sizeof(r->name), name);
	r->check_only = f[IPC_INIT_CHECK_ONLY].via.boolean;
	r->credit = f[IPC_INIT_CREDIT].via.u64;
	log_set_level((enum log_level)f[IPC_INIT_LOG_LEVEL].via.u64);
	set_zone(&f[IPC_INIT_ZONE].via.str);
	find_type(r, &f[IPC_INIT_TYPE].via.str);

	struct sandbox sandbox = { .level = (enum ipc_sandbox)f[IPC_INIT_SANDBOX].via.u64,
		.memory = f[IPC_INIT_MEMORY].via.u64,
		.files = (uint32_t)f[IPC_INIT_FILES].via.u64 };
	struct json_doc *doc = load_config(r, fd);
	r->device = r->type->create(r, json_root(doc));
	bool created = r->device && !r->config_errors;
	if (created && r->check_only && r->type->describe)
		r->type->describe(r, json_root(doc));
	if (created && r->check_only && log_get_level() >= LOG_LEVEL_NOTICE)
		runner_note_data(r);
	json_free(doc);
	malloc_trim(0); /* The tree was most of what it ever needs. */
	if (!created)
		leave(r, EX_CONFIG);
	send_plan(r);
	if (r->check_only && !r->type->check)
		runner_checked(r);
	sandbox.tty = r->has_tty;
	sandbox.addresses = r->has_udp_listen;
	sandbox.files += (uint32_t)r->plan_count;
	if (sandbox_lock(&sandbox, &why) < 0)
		runner_fail(r, "cannot close the sandbox: %s: %s", why, strerror(errno));
	if (r->check_only) {
		r->type->check(r->device);
		return;
	}
	r->started = true;
	r->type->start(r->device);
}

static void
on_opened(struct runner *r, uint32_t id, const msgpack_object *f, int fd)
{
	char why[IPC_MAX_TEXT + 1];

	for (size_t i = 0; i < IPC_MAX_ASKED; i++) {
		struct open_request o = r->opens[i];
		if (id == 0 || o.id != id)
			continue;
		r->opens[i].id = 0;
		ipc_copy_text(why, sizeof(why), &f[1].via.str);
		o.cb(o.arg, fd, fd >= 0 ? 0 : (int)f[0].via.u64, why);
		return;
	}
	fd_close(fd); /* cancelled meanwhile */
}

static void
on_stop(struct runner *r)
{
	if (r->stopping)
		return;
	r->stopping = true;
	if (r->started)
		r->type->stop(r->device);
	if (r->device)
		r->type->free(r->device);
	send_stats(r);
	leave(r, EXIT_SUCCESS);
}

static void
deliver_event(void *arg, const struct runner_event *e)
{
	struct runner *r = arg;

	r->type->on_event(r->device, e);
}

/* A frozen supervisor cannot know whether this gateway is still the active one; another may have
 * taken its place at the device. After a freeze of the whole machine this timer and the messages of
 * the supervisor are handled before everything else that is due. */
static void
on_silence(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct runner *r = w->data;
	char byte;

	(void)revents;
	/* This process slept: messages of the supervisor are waiting. A wait that was stopped and
	 * continued ends without looking at descriptors. */
	if (recv(r->channel.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
		channel_read_now(&r->channel);
		ev_timer_again(loop, w);
		return;
	}
	log_error("the supervisor is silent: no ping for %d s, exiting", RUNNER_SILENCE_MS / 1000);
	exit(EX_UNAVAILABLE);
}

static void
on_message(void *arg, const struct ipc_header *h, const msgpack_object *body, int fd, size_t len)
{
	struct runner *r = arg;
	const msgpack_object *f = body->via.array.ptr;

	(void)len;
	switch ((enum ipc_type)h->type) {
	case IPC_INIT:
		on_init(r, f, fd);
		break;
	case IPC_OPENED:
		on_opened(r, h->id, f, fd);
		break;
	case IPC_EVENTS:
		runner_each_event(body, deliver_event, r);
		break;
	case IPC_QUERY_RESULT:
		runner_on_query_result(r, h->id, body);
		break;
	case IPC_CREDIT:
		runner_on_credit(r, (uint32_t)f[0].via.u64);
		break;
	case IPC_PING:
		ev_timer_again(r->loop, &r->silence);
		send_stats(r);
		runner_health_flush(r);
		log_report_lost(LOG_TARGET_PREFIX);
		runner_sent(r, channel_send_empty(&r->channel, IPC_PONG, h->id));
		break;
	case IPC_STOP:
		on_stop(r);
		break;
	case IPC_SET_LOG_LEVEL:
		log_set_level((enum log_level)f[0].via.u64);
		break;
	case IPC_TRACE:
		r->tracing = f[0].via.boolean;
		break;
	case IPC_DESCRIBE:
		runner_describe(r, h->id, (uint32_t)f[0].via.u64);
		break;
	default:
		break;
	}
}

static void
on_violation(void *arg, const char *why, const void *packet, size_t len)
{
	(void)arg, (void)packet;
	log_error("the supervisor violated the protocol: %s (%zu bytes)", why, len);
	exit(EX_PROTOCOL);
}

/* The supervisor is gone: there is nothing left to do. */
static void
on_close(void *arg)
{
	(void)arg;
	exit(EX_UNAVAILABLE);
}

static void
on_before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop, (void)revents;
	runner_events_flush(w->data);
}

static bool
is_called_by_supervisor(void)
{
	int type;
	socklen_t len = sizeof(type);

	return getsockopt(RUNNER_FD, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

/* Their configurations as JSON Schema, by type. */
static int
print_schemas(const struct runner_device *const types[])
{
	struct buffer b;
	struct json_writer w = { .b = &b };

	buffer_init(&b, MAX_SCHEMA);
	json_begin_object(&w, NULL);
	for (const struct runner_device *const *t = types; *t; t++)
		schema_json_put(&w, (*t)->type, (*t)->schema);
	json_end_object(&w);
	bool done = !b.failed && fwrite(buffer_data(&b), 1, b.len, stdout) == b.len;
	buffer_clear(&b);
	return done && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
runner_main(int argc, char **argv, const struct runner_device *const types[])
{
	static const struct channel_handler handler = {
		.on_message = on_message,
		.on_violation = on_violation,
		.on_close = on_close,
	};
	static struct runner runner;
	struct runner *r = &runner;

	if (argc == 2 && strcmp(argv[1], "--schema") == 0)
		return print_schemas(types);
	if (argc > 1 || !is_called_by_supervisor()) {
		fprintf(stderr,
		    "%s is a runner of gatewayd: it is started by it, not by hand.\nTypes:",
		    argv[0]);
		for (const struct runner_device *const *t = types; *t; t++)
			fprintf(stderr, " %s", (*t)->type);
		fprintf(stderr, "\nSee gateway-ipc(7).\n");
		return argc == 2 && strcmp(argv[1], "--help") == 0 ? EXIT_SUCCESS : EX_USAGE;
	}
	log_set_target(LOG_TARGET_PREFIX);
	for (size_t i = 0; i < 4; i++)
		signal((const int[]){ SIGPIPE, SIGTERM, SIGINT, SIGHUP }[i], SIG_IGN);
	if (sandbox_enter() < 0 || fd_set_nonblock(RUNNER_FD) < 0) {
		log_error("cannot start: %s", strerror(errno));
		return EX_OSERR;
	}
	r->types = types;
	r->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!r->loop) {
		log_error("cannot create the event loop");
		return EX_OSERR;
	}
	runner_events_init(r);
	channel_open(&r->channel, r->loop, RUNNER_FD, IPC_SUPERVISOR, &handler, r);
	channel_come_first(&r->channel);
	ev_prepare_init(&r->before_wait, on_before_wait);
	r->before_wait.data = r;
	ev_prepare_start(r->loop, &r->before_wait);
	ev_timer_init(&r->silence, on_silence, 0., RUNNER_SILENCE_MS / 1e3);
	ev_set_priority(&r->silence, EV_MAXPRI);
	r->silence.data = r;
	ev_run(r->loop, 0);
	leave(r, EXIT_FAILURE);
}
