#include "device-runners/modbus/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "device-runners/modbus/data_value.h"
#include "device-runners/modbus/frames.h"
#include "device-runners/runtime/line.h"
#include "device-runners/runtime/report/health.h"

/* Whether a serial line repeats what we send (RS-485 adapters). */
enum peer_echo_state { PEER_ECHO_UNKNOWN, PEER_ECHO_NONE, PEER_ECHO_HEARD };

struct peer_echo {
	enum peer_echo_state state;
	size_t len;	       /* of the answer, which may come back now; 0: not */
	bool alike;	       /* it is the same as its request */
	struct monotime until; /* it has come by then */
};

struct peer {
	struct peers *all;
	struct peer *next;
	uint32_t id; /* 0: not counted as a connection (a serial line without requests) */
	struct health_end *health; /* while it is counted */
	struct peer_address local, remote;
	struct line line;
	struct frames frames;
	struct modbus_stream stream;
	struct tty_pace pace;
	ev_timer gap;	   /* no more bytes came: the rest is no request */
	ev_timer response; /* how long a write may take */
	ev_timer keep_alive;
	char request_id[PEER_MAX_REQUEST_ID]; /* of the write under way, or "" */
	bool dead;			      /* closed, freed at the end of the turn */
	struct modbus_expect asked;	      /* whom the request under way is for */
	struct modbus_pdu req;
	struct modbus_expect foreign; /* another slave was asked, and may answer; unit 0: none */
	size_t answer_len;	      /* of an answer that waits for the line's silence */
	uint8_t answer[MODBUS_MAX_FRAME];
	struct peer_echo echo;
};

static void process(struct peer *p);

static bool
is_serial(const struct peer *p)
{
	return p->all->conf->transport.serial;
}

static void
close_peer(struct peer *p)
{
	ev_timer_stop(p->line.loop, &p->gap);
	ev_timer_stop(p->line.loop, &p->response);
	ev_timer_stop(p->line.loop, &p->keep_alive);
	if (p->all->alarm)
		tty_alarm_stop(p->all->alarm);
	line_clear(&p->line);
	frames_close(&p->frames);
}

static void
lose(struct peer *p, const char *why)
{
	struct peers *all = p->all;

	if (p->dead)
		return;
	p->dead = true;
	health_masters_leave(all->health, p->health);
	p->health = NULL;
	close_peer(p);
	ev_prepare_start(runner_loop(all->runner), &all->reap);
	if (p->id)
		all->ops->changed(all->arg);
	all->ops->lost(all->arg, p->id, &p->remote, why);
}

static void
transmit(struct peer *p)
{
	frames_sent(&p->frames, p->answer, p->answer_len);
	if (line_write(&p->line, p->answer, p->answer_len) < 0)
		lose(p, strerror(errno));
	tty_pace_sent(&p->pace, p->answer_len, monotime_now());
	/* Bytes that are there already came before it. */
	p->echo.len = p->all->alarm && !modbus_stream_pending(&p->stream) ? p->answer_len : 0;
	p->echo.until = monotime_add_ms(tty_pace_free(&p->pace), PEER_GAP_MS);
	p->answer_len = 0;
}

/* Whether bytes that are those of our answer are its echo. An answer that is the same as its
 * request may be the master, who asks for it once more; but no line lets it do so that soon. */
static bool
is_echo(const struct peer *p)
{
	if (!p->echo.alike || p->echo.state == PEER_ECHO_HEARD)
		return true;
	return p->echo.state == PEER_ECHO_UNKNOWN &&
	       monotime_cmp(monotime_now(), p->echo.until) <= 0;
}

/* Takes the echo of our answer off the stream: as a request it would be answered, and so on for
 * ever. False: it may still be arriving. */
static bool
strip_echo(struct peer *p)
{
	struct modbus_stream *s = &p->stream;
	size_t n = s->len < p->echo.len ? s->len : p->echo.len;

	if (n == 0)
		return true;
	bool same = memcmp(s->buf + s->head, p->answer, n) == 0;
	if (same && is_echo(p)) {
		if (n < p->echo.len)
			return false;
		modbus_stream_drop(s, n);
		p->echo.state = PEER_ECHO_HEARD;
	} else if (!same) {
		p->echo.state =
		    p->echo.state == PEER_ECHO_HEARD ? PEER_ECHO_UNKNOWN : PEER_ECHO_NONE;
	}
	p->echo.len = 0;
	return true;
}

static bool
repeats_request(uint8_t fc)
{
	return fc == MODBUS_WRITE_SINGLE_COIL || fc == MODBUS_WRITE_SINGLE_REGISTER ||
	       fc == MODBUS_MASK_WRITE_REGISTER;
}

static void
answer(struct peer *p, const struct modbus_pdu *res)
{
	uint8_t pdu[MODBUS_MAX_PDU];
	size_t len = modbus_pdu_encode(MODBUS_RESPONSE, res, pdu);
	struct monotime free_at = tty_pace_free(&p->pace);

	p->answer_len = modbus_frame_encode(
	    p->stream.framing, p->asked.transaction, p->asked.unit, pdu, len, p->answer);
	p->echo.alike = !res->exception && repeats_request(res->fc);
	if (p->all->alarm && monotime_cmp(free_at, monotime_now()) > 0)
		tty_alarm_set(p->all->alarm, free_at);
	else
		transmit(p);
}

static void
answer_exception(struct peer *p, uint8_t fc, uint8_t exception)
{
	answer(p, &(struct modbus_pdu){ .fc = fc & 0x7f, .exception = exception });
}

static void
answer_write(struct peer *p)
{
	struct modbus_pdu res = p->req;

	res.data = NULL;
	res.len = 0;
	answer(p, &res);
}

static void
on_touch(void *arg, const struct conf_data *d, const uint8_t *value)
{
	struct peer *p = arg;
	struct json_writer w = { &p->all->data, p->all->data.len > 0 };

	json_begin_object(&w, NULL);
	json_put_str(&w, "name", d->name);
	data_value_put(d, value, &w, "value");
	json_end_object(&w);
}

static void
serve_write(struct peer *p)
{
	struct buffer *data = &p->all->data;

	buffer_reset(data);
	uint8_t exception = cache_write(p->all->cache, p->asked.unit, &p->req, on_touch, p);
	if (!exception && buffer_failed(data))
		exception = MODBUS_DEVICE_FAILURE;
	if (exception) {
		answer_exception(p, p->req.fc, exception);
		return;
	}
	if (data->len == 0) {
		answer_write(p);
		return;
	}
	if (!p->all->ops->write(
		p->all->arg, p->id, p->request_id, (const char *)buffer_data(data), data->len)) {
		answer_exception(p, p->req.fc, MODBUS_DEVICE_FAILURE);
		return;
	}
	ev_timer_set(&p->response, (double)p->all->conf->response_timeout_ns * 1e-9, 0);
	ev_timer_start(p->line.loop, &p->response);
}

static bool
is_read(uint8_t fc)
{
	return fc <= MODBUS_READ_INPUT_REGISTERS || fc == MODBUS_READ_FIFO_QUEUE;
}

static void
serve(struct peer *p, enum dec decoded)
{
	uint8_t data[MODBUS_MAX_PDU], exception = 0;
	struct modbus_pdu res = { .fc = p->req.fc, .data = data };

	if (decoded == DEC_UNSUP)
		exception = MODBUS_ILLEGAL_FUNCTION;
	else if (decoded != DEC_OK)
		exception = MODBUS_ILLEGAL_DATA_VALUE;
	else
		exception = modbus_request_check(&p->req);
	if (!exception && !is_read(p->req.fc)) {
		serve_write(p);
		return;
	}
	if (!exception)
		exception = cache_read(p->all->cache, p->asked.unit, &p->req, data, &res.len);
	if (exception)
		answer_exception(p, p->req.fc, exception);
	else
		answer(p, &res);
}

static void
on_request(struct peer *p)
{
	struct peers *all = p->all;

	all->ops->request(all->arg, p->id);
	if (all->conf->keep_alive_ns)
		ev_timer_again(p->line.loop, &p->keep_alive);
	if (p->id == 0) {
		p->id = ++all->last_id;
		p->health =
		    health_masters_join(all->health, "master on %s", all->conf->transport.tty.path);
		all->ops->changed(all->arg);
	}
	health_sent(p->health, 0);
}

static void
on_frame(struct peer *p, const struct modbus_frame *f)
{
	bool tcp = p->stream.framing == MODBUS_TCP;
	enum dec d = tcp ? modbus_pdu_decode_padded(MODBUS_REQUEST, f->pdu, f->len, &p->req)
			 : modbus_pdu_decode(MODBUS_REQUEST, f->pdu, f->len, &p->req);

	p->foreign = (struct modbus_expect){ 0 };
	p->asked.transaction = f->transaction;
	p->asked.unit = f->unit;
	if (f->unit == 0 || !cache_has_unit(p->all->cache, f->unit)) {
		if (!is_serial(p))
			answer_exception(p, p->req.fc, MODBUS_ILLEGAL_DATA_ADDRESS);
		else if (f->unit != 0)
			p->foreign = (struct modbus_expect){ .unit = f->unit, .fc = p->req.fc };
		return;
	}
	on_request(p);
	serve(p, d);
}

static bool
is_waiting(const struct peer *p)
{
	return p->dead || p->request_id[0] || p->answer_len || line_is_pending(&p->line);
}

static bool
is_ours(const void *arg, uint8_t unit)
{
	const struct peer *p = arg;

	return unit != 0 && cache_has_unit(p->all->cache, unit);
}

/* On a line with other slaves their answers come as well. */
static enum dec
next_on_line(struct peer *p, struct modbus_frame *f)
{
	if (p->foreign.unit) {
		enum dec d = modbus_stream_pass(&p->stream, &p->foreign);
		if (d == DEC_MORE)
			return DEC_MORE;
		p->foreign.unit = 0;
	}
	enum dec d = modbus_stream_next(&p->stream, NULL, f);
	return d == DEC_MORE ? modbus_stream_find(&p->stream, is_ours, p, f) : d;
}

static enum dec
next(struct peer *p, struct modbus_frame *f)
{
	if (is_serial(p))
		return next_on_line(p, f);
	enum dec d = modbus_stream_next(&p->stream, NULL, f);
	return d == DEC_MORE ? modbus_stream_unknown(&p->stream, f) : d;
}

static void
process(struct peer *p)
{
	bool brief = is_serial(p) && p->stream.framing == MODBUS_RTU;
	int64_t gap_ns = (brief ? PEER_GAP_MS : PEER_LONG_GAP_MS) * INT64_C(1000000);
	struct modbus_frame f;
	enum dec d = DEC_MORE;

	ev_timer_stop(p->line.loop, &p->gap);
	while (!is_waiting(p) && strip_echo(p) && (d = next(p, &f)) == DEC_OK)
		on_frame(p, &f);
	if (d == DEC_BAD)
		lose(p, "no Modbus TCP frame");
	if (p->dead)
		return;
	/* The next request waits, and TCP pushes back on who sends more. */
	line_pause(&p->line, is_waiting(p));
	if (!modbus_stream_pending(&p->stream))
		return;
	ev_timer_set(&p->gap, (double)(gap_ns + p->pace.silence_ns) * 1e-9, 0);
	if (!is_waiting(p) && p->stream.framing != MODBUS_TCP)
		ev_timer_start(p->line.loop, &p->gap);
}

/* Takes what there is to be read; false where that is nothing. */
static bool
receive(struct peer *p)
{
	size_t room;
	uint8_t *to = modbus_stream_room(&p->stream, &room);
	ssize_t n = line_read(&p->line, to, room);

	if (n < 0)
		lose(p, errno ? strerror(errno) : "closed by the master");
	if (n <= 0)
		return n < 0;
	frames_received(&p->frames, to, (size_t)n);
	tty_pace_received(&p->pace, monotime_now());
	modbus_stream_commit(&p->stream, (size_t)n);
	process(p);
	return true;
}

static void
on_gap(struct ev_loop *loop, ev_timer *w, int events)
{
	struct peer *p = w->data;
	struct modbus_frame f;

	(void)loop, (void)events;
	/* The rest may be there, and it is us who came late, on a busy machine. */
	if (receive(p))
		return;
	p->echo.len = 0;
	p->foreign.unit = 0;
	while (!is_waiting(p) && modbus_stream_silence(&p->stream, &f) == DEC_OK)
		on_frame(p, &f);
}

static void
on_readable(void *arg)
{
	receive(arg);
}

static void
on_drained(void *arg)
{
	process(arg);
}

static const struct line_ops line_ops = { .readable = on_readable, .drained = on_drained };

static void
on_written(struct peer *p, bool success)
{
	p->request_id[0] = '\0';
	ev_timer_stop(p->line.loop, &p->response);
	if (success)
		answer_write(p);
	else
		answer_exception(p, p->req.fc, MODBUS_DEVICE_FAILURE);
	process(p);
}

static void
on_response_timeout(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop, (void)events;
	on_written(w->data, false);
}

/* A serial line outlives the master that fell silent on it. */
static void
on_keep_alive(struct ev_loop *loop, ev_timer *w, int events)
{
	struct peer *p = w->data;

	(void)events;
	if (!is_serial(p)) {
		lose(p, "keep_alive_timeout");
		return;
	}
	ev_timer_stop(loop, w);
	p->id = 0;
	health_masters_leave(p->all->health, p->health);
	p->health = NULL;
	p->all->ops->changed(p->all->arg);
}

static void
open_peer(struct peer *p, int fd)
{
	const struct conf_slave *conf = p->all->conf;

	line_init(&p->line, runner_loop(p->all->runner), PEER_MAX_PENDING, &line_ops, p);
	modbus_stream_init(&p->stream, conf->transport.framing, MODBUS_REQUEST);
	ev_init(&p->gap, on_gap);
	ev_init(&p->response, on_response_timeout);
	ev_timer_init(&p->keep_alive, on_keep_alive, 0, (double)conf->keep_alive_ns * 1e-9);
	p->gap.data = p->response.data = p->keep_alive.data = p;
	p->pace = (struct tty_pace){ .silence_ns = conf->transport.silence_ns };
	if (is_serial(p))
		p->pace.char_ns = tty_char_ns(&conf->transport.tty);
	else if (conf->keep_alive_ns)
		ev_timer_again(p->line.loop, &p->keep_alive);
	line_open(&p->line, fd);
	frames_init(&p->frames, p->all->runner, &conf->transport, MODBUS_REQUEST);
	frames_open(&p->frames, &conf->transport, fd);
}

/* --- all of them --- */

/* The line is silent: what waits may go. */
static void
on_alarm(void *arg)
{
	struct peers *s = arg;

	for (struct peer *p = s->first; p; p = p->next) {
		if (p->answer_len && !p->dead) {
			transmit(p);
			process(p);
		}
	}
}

static void
on_reap(struct ev_loop *loop, ev_prepare *w, int events)
{
	struct peers *s = w->data;

	(void)events;
	ev_prepare_stop(loop, w);
	for (struct peer **at = &s->first; *at;) {
		struct peer *p = *at;
		if (p->dead) {
			*at = p->next;
			free(p);
		} else {
			at = &p->next;
		}
	}
}

void
peers_init(struct peers *s, struct runner *r, const struct conf_slave *conf,
    const struct cache *cache, const struct peer_ops *ops, void *arg)
{
	*s = (struct peers){ .runner = r, .conf = conf, .cache = cache, .ops = ops, .arg = arg };
	buffer_init(&s->data, PEER_MAX_WRITE);
	s->health = health_masters_new(r);
	ev_prepare_init(&s->reap, on_reap);
	s->reap.data = s;
	if (conf->transport.serial && !(s->alarm = tty_alarm_new(runner_loop(r), on_alarm, s)))
		runner_fail(r, "out of memory");
}

void
peers_clear(struct peers *s)
{
	if (!s->runner)
		return;
	peers_close(s);
	tty_alarm_free(s->alarm);
	buffer_clear(&s->data);
}

uint32_t
peers_add(
    struct peers *s, int fd, const struct peer_address *local, const struct peer_address *remote)
{
	struct peer *p = calloc(1, sizeof(*p)), **at = &s->first;

	if (!p)
		runner_fail(s->runner, "out of memory");
	p->all = s;
	if (remote) {
		p->local = *local;
		p->remote = *remote;
		p->id = ++s->last_id;
		p->health = health_masters_join(
		    s->health, "master %s:%u", remote->host, (unsigned)remote->port);
	}
	while (*at)
		at = &(*at)->next;
	*at = p;
	open_peer(p, fd);
	if (p->id)
		s->ops->changed(s->arg);
	return p->id;
}

void
peers_drop(struct peers *s, uint32_t connection_id, const char *why)
{
	for (struct peer *p = s->first; p; p = p->next)
		if (!p->dead && p->id == connection_id) {
			lose(p, why);
			return;
		}
}

size_t
peers_list(const struct peers *s, struct json_writer *w)
{
	size_t count = 0;

	for (const struct peer *p = s->first; p; p = p->next) {
		if (p->dead || p->id == 0)
			continue;
		count++;
		json_begin_object(w, NULL);
		json_put_str(w, "type", is_serial(p) ? "SERIAL" : "TCP");
		json_put_int(w, "connection_id", p->id);
		if (!is_serial(p)) {
			peer_address_put(w, "local", &p->local);
			peer_address_put(w, "remote", &p->remote);
		}
		json_end_object(w);
	}
	return count;
}

void
peers_written(struct peers *s, const char *request_id, bool success)
{
	for (struct peer *p = s->first; p; p = p->next) {
		if (p->dead || p->request_id[0] == '\0' || strcmp(p->request_id, request_id) != 0)
			continue;
		on_written(p, success);
		break;
	}
}

void
peers_close(struct peers *s)
{
	ev_prepare_stop(runner_loop(s->runner), &s->reap);
	while (s->first) {
		struct peer *p = s->first;
		s->first = p->next;
		if (!p->dead)
			close_peer(p);
		free(p);
	}
}
