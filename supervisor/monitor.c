#include "supervisor/monitor.h"

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
	if (before.active != m->observer.active)
		log_write(LOG_LEVEL_NOTICE, NULL, "blessing", "Monitor Server: this gateway is %s",
		    m->observer.active ? "active" : "not active");
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
		lose(m, "it asked us to close");
		break;
	default:
		conn_close(&m->conn);
		lose(m, "it sent a message that is not a server's");
	}
}

static void
on_closed(void *arg, const char *why)
{
	lose(arg, why);
}

/* Comes before everything else in a turn of the loop: after a time in which nothing ran, before a
 * device is spoken to. */
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

/* Probes that its machine answers, however busy it is itself. */
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
