#include "device-runners/runtime/report/trace.h"

#include <stdio.h>

#include "device-runners/runtime/peer_address.h"
#include "device-runners/runtime/runner_private.h"

void
trace_init(struct trace *t, struct runner *r, const char *protocol, bool serves,
    trace_decode *decode, const void *arg)
{
	*t = (struct trace){
		.runner = r, .protocol = protocol, .decode = decode, .arg = arg, .serves = serves
	};
}

static void
put_address(char *to, const struct sockaddr_storage *ss)
{
	struct peer_address a;

	peer_address_read(&a, ss);
	snprintf(to, TRACE_ADDRESS, strchr(a.host, ':') ? "[%s]:%u" : "%s:%u", a.host, a.port);
}

void
trace_set_socket(struct trace *t, int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	t->local[0] = t->remote[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		put_address(t->local, &ss);
	len = sizeof(ss);
	if (getpeername(fd, (struct sockaddr *)&ss, &len) == 0)
		put_address(t->remote, &ss);
}

void
trace_set_remote(struct trace *t, const struct sockaddr_storage *remote)
{
	put_address(t->remote, remote);
}

void
trace_set_name(struct trace *t, const char *name)
{
	snprintf(t->remote, sizeof(t->remote), "%s", name);
}

bool
trace_is_wanted(const struct trace *t)
{
	return t->runner->tracing || log_get_level() >= LOG_LEVEL_DEBUG;
}

/* Whether one more may be shown in this second. */
static bool
fits(struct runner *r, size_t len)
{
	struct monotime now = monotime_now();

	if (r->trace.since.ns == 0 || monotime_diff_ms(now, r->trace.since) >= 1000) {
		r->trace.since = now;
		r->trace.frames = r->trace.bytes = 0;
		r->trace.told = false;
	}
	r->trace.frames++;
	r->trace.bytes += len + TRACE_TEXT;
	if (r->trace.frames <= RUNNER_TRACE_FRAMES && r->trace.bytes <= RUNNER_TRACE_BYTES &&
	    r->channel.queue.len <= RUNNER_TRACE_BEHIND)
		return true;
	if (!r->trace.told)
		limit_warning(&r->trace.limit,
		    "the trace leaves out frames: it shows at most %d a second",
		    RUNNER_TRACE_FRAMES);
	r->trace.told = true;
	return false;
}

static void
send_frame(const struct trace *t, enum trace_direction dir, const char *text, const void *frame,
    size_t len)
{
	struct runner *r = t->runner;
	struct timespec now;
	msgpack_packer *p = channel_begin(&r->channel, IPC_TRACE_FRAME, 0);

	clock_gettime(CLOCK_REALTIME, &now);
	msgpack_pack_array(p, IPC_FRAME_FIELDS);
	msgpack_pack_uint32(p, dir);
	msgpack_pack_uint64(p, (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec);
	ipc_pack_str(p, t->protocol);
	(t->serves ? msgpack_pack_true : msgpack_pack_false)(p);
	ipc_pack_reason(p, t->local);
	ipc_pack_reason(p, t->remote);
	ipc_pack_reason(p, text);
	msgpack_pack_bin(p, len);
	msgpack_pack_bin_body(p, frame, len);
	runner_sent(r, channel_send(&r->channel, -1));
}

void
trace_show(struct trace *t, enum trace_direction dir, const void *frame, size_t len)
{
	static const char *const verbs[] = { [TRACE_RX] = "received", [TRACE_TX] = "sent" };
	static const char *const ways[] = { [TRACE_RX] = " from ", [TRACE_TX] = " to " };
	struct runner *r = t->runner;
	char line[TRACE_TEXT];

	if (len > IPC_MAX_EVENT)
		limit_warning(
		    &r->trace.limit, "a frame of %zu bytes is longer than a trace shows", len);
	if (len > IPC_MAX_EVENT || !fits(r, len))
		return;
	struct textbuf out = textbuf_make(line, sizeof(line));
	t->decode(&out, t->arg, dir, frame, len);
	const char *text = textbuf_end(&out);
	log_debug("%s%s%s: %s", verbs[dir], t->remote[0] ? ways[dir] : "", t->remote, text);
	if (r->tracing)
		send_frame(t, dir, text, frame, len);
}

static void
no_frame(
    struct textbuf *out, const void *arg, enum trace_direction dir, const uint8_t *p, size_t len)
{
	(void)arg, (void)dir, (void)p;
	textbuf_add(out, "%zu bytes that are no frame", len);
}

void
trace_noise(struct trace *t, const void *bytes, size_t len)
{
	struct trace noise = *t;

	noise.protocol = "data";
	noise.decode = no_frame;
	trace_frame(&noise, TRACE_RX, bytes, len);
}
