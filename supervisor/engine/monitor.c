#include "supervisor/engine/monitor.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"

static void
send_client(struct monitor *m)
{
	struct observer_client client = {
		.name = sbs_str(m->config->component_name),
		.group = sbs_str(m->config->gateway_group),
		.data = sbs_str("null"),
		.token = m->observer.res_token,
		.ready = m->observer.ready,
	};

	observer_send_client(&m->conn.chatter, &client);
	conn_flush(&m->conn);
}

static void
lose(struct monitor *m, const char *why)
{
	if (m->lost)
		return;
	m->lost = true;
	m->handler->on_lost(m->arg, why);
}

const char *
monitor_state_name(const struct monitor *m)
{
	const struct observer *o = &m->observer;

	if (m->lost)
		return "lost";
	if (!conn_is_open(&m->conn))
		return "connecting";
	if (o->active)
		return "active";
	if (o->releasing)
		return "releasing";
	return o->res_token.set ? "answering" : "standing by";
}

void
monitor_explain(const struct monitor *m, char *text, size_t size)
{
	static const char *const lacks[] = {
		[OBSERVER_LACKS_SERVER] = "none is active",
		[OBSERVER_LACKS_ADDRESS] = "the active one does not say where it is",
		[OBSERVER_LACKS_TOKEN] = "the active one has another token",
	};
	const struct observer *o = &m->observer;

	if (m->lost)
		snprintf(text, size, "the Monitor Server is lost: the gateway exits");
	else if (!conn_is_open(&m->conn))
		snprintf(text, size, "the Monitor Server at %s:%u has not answered yet",
		    m->config->server_host, m->config->server_port);
	else if (o->active && o->event_server.found)
		*text = '\0';
	else if (o->active)
		snprintf(
		    text, size, "Event Servers of group '%s': %s", o->event_group, lacks[o->lack]);
	else if (o->releasing)
		snprintf(text, size, "devices stop, then another of group '%s' may be blessed",
		    m->config->gateway_group);
	else if (!o->known)
		snprintf(text, size, "the Monitor Server has not sent its state yet");
	else
		snprintf(text, size,
		    "the Monitor Server has not blessed this gateway of group '%s'",
		    m->config->gateway_group);
}

/* Logs each change of the blessing once, and tells the handler. */
static void
log_change(const struct monitor *m, const struct observer *before)
{
	const struct observer *o = &m->observer;
	char why[MONITOR_MAX_TEXT];

	if (before->active == o->active &&
	    (!o->active || (before->lack == o->lack &&
			       observer_event_server_eq(&before->event_server, &o->event_server))))
		return;
	monitor_explain(m, why, sizeof(why));
	if (o->active && o->event_server.found)
		snprintf(why, sizeof(why), "Event Server %" PRId64 " is at %s:%u",
		    o->event_server.server_id, o->event_server.host, o->event_server.port);
	log_write(LOG_LEVEL_NOTICE, NULL, "blessing", "Monitor Server: this gateway is %s: %s",
	    o->active ? "active" : "not active", why);
}

static void
on_server(struct monitor *m, const struct chatter_msg *msg)
{
	struct observer before = m->observer;
	bool answer;

	if (observer_update(&m->observer, msg->data, &answer) != DEC_OK) {
		conn_close(&m->conn);
		lose(m, "it sent a malformed state");
		return;
	}
	if (answer)
		send_client(m);
	log_change(m, &before);
	if (before.active != m->observer.active ||
	    !observer_event_server_eq(&before.event_server, &m->observer.event_server))
		m->handler->on_change(m->arg);
}

static void
on_message(void *arg, const struct chatter_msg *msg)
{
	struct monitor *m = arg;

	switch (observer_msg_parse(msg->type)) {
	case OBSERVER_SERVER:
		on_server(m, msg);
		break;
	case OBSERVER_CLOSE:
		conn_close(&m->conn);
		lose(m, "it asked this gateway to close");
		break;
	default:
		conn_close(&m->conn);
		lose(m, "it sent an unexpected message type");
	}
}

static void
on_closed(void *arg, const char *why)
{
	lose(arg, why);
}

/* Runs first in a turn of the loop: after a freeze no device is written to before this. */
static void
on_beat(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct monitor *m = w->data;
	struct monotime now = monotime_now();
	int64_t ms = monotime_diff_ms(now, m->beaten);
	char why[100];

	(void)loop, (void)revents;
	m->beaten = now;
	if (ms < MONITOR_FROZEN_MS || !m->observer.active)
		return;
	conn_close(&m->conn);
	snprintf(why, sizeof(why), "this gateway was frozen for %d s, another may be blessed",
	    (int)(ms / 1000));
	lose(m, why);
}

/* The server's kernel answers these probes, even while the server itself is busy. */
static void
set_keepalive(int fd)
{
	static const int values[][2] = { { TCP_KEEPIDLE, MONITOR_KEEPALIVE_S },
		{ TCP_KEEPINTVL, MONITOR_PROBE_S }, { TCP_USER_TIMEOUT, MONITOR_CUT_MS } };

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		setsockopt(fd, IPPROTO_TCP, values[i][0], &values[i][1], sizeof(int));
}

static void
on_connected(void *arg, int fd, int error, const char *why)
{
	struct monitor *m = arg;

	(void)error;
	m->connecting = NULL;
	if (fd < 0) {
		lose(m, why);
		return;
	}
	log_write(LOG_LEVEL_NOTICE, NULL, "monitor",
	    "Monitor Server: connected to %s:%u, as %s of group '%s'; waiting to be blessed",
	    m->config->server_host, m->config->server_port, m->config->component_name,
	    m->config->gateway_group);
	set_keepalive(fd);
	conn_open(&m->conn, fd);
	observer_set_ready(&m->observer, true);
	send_client(m);
}

int
monitor_open(struct monitor *m, struct ev_loop *loop, struct broker *broker,
    const struct config *config, const struct monitor_handler *handler, void *arg)
{
	static const struct conn_handler conn_handler = { on_message, on_closed, NULL };

	*m = (struct monitor){ .loop = loop, .config = config, .handler = handler, .arg = arg };
	observer_init(&m->observer, config->event_server_group, config->server_token);
	conn_init(&m->conn, loop, &conn_handler, m);
	ev_timer_init(&m->beat, on_beat, MONITOR_BEAT_MS / 1e3, MONITOR_BEAT_MS / 1e3);
	ev_set_priority(&m->beat, EV_MAXPRI);
	m->beat.data = m;
	m->beaten = monotime_now();
	ev_timer_start(loop, &m->beat);
	m->connecting = broker_open(broker, IPC_RESOURCE_CONNECT, config->server_host,
	    config->server_port, on_connected, m);
	return m->connecting ? 0 : -1;
}

void
monitor_move(struct monitor *m, const struct config *config)
{
	m->config = config;
	m->observer.event_group = config->event_server_group;
	m->observer.client_token = config->server_token;
}

void
monitor_close(struct monitor *m)
{
	broker_cancel(m->connecting);
	m->connecting = NULL;
	ev_timer_stop(m->loop, &m->beat);
	conn_close(&m->conn);
}

void
monitor_release(struct monitor *m)
{
	if (conn_is_open(&m->conn) && observer_release(&m->observer))
		send_client(m);
}

bool
monitor_is_open(const struct monitor *m)
{
	return m->loop;
}

const struct observer_event_server *
monitor_event_server(const struct monitor *m)
{
	const struct observer *o = &m->observer;

	return o->active && o->event_server.found ? &o->event_server : NULL;
}
