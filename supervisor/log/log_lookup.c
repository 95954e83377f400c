#include "supervisor/log/log_lookup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/fdutil.h"
#include "common/log.h"
#include "supervisor/log/log_sink.h"

static void
tell(struct log_lookup *l, const char *why)
{
	if (!l->told)
		log_write(LOG_LEVEL_ERROR, NULL, "syslog_lookup",
		    "log: cannot find the syslog daemon: %s; its lines go to standard error; "
		    "retrying every %d s",
		    why, LOG_LOOKUP_RETRY_MS / 1000);
	l->told = true;
}

static void
on_found(void *arg, int fd, int error, const char *why)
{
	struct log_lookup *l = arg;
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);

	(void)error;
	l->request = NULL;
	if (fd < 0)
		tell(l, why);
	else if (getpeername(fd, (struct sockaddr *)&address, &len) < 0)
		tell(l, strerror(errno));
	else
		log_sink_found((const struct sockaddr *)&address, len);
	fd_close(fd);
}

void
log_lookup_start(struct log_lookup *l, struct broker *broker, const struct config_log *conf)
{
	log_lookup_stop(l);
	l->broker = broker;
	l->port = conf->syslog_port;
	snprintf(l->host, sizeof(l->host), "%s", conf->syslog_host ? conf->syslog_host : "");
	log_lookup_tick(l, monotime_now());
}

void
log_lookup_tick(struct log_lookup *l, struct monotime now)
{
	if (!l->broker || l->request || monotime_cmp(now, l->retry) < 0 ||
	    !log_sink_wants_address())
		return;
	l->retry = monotime_add_ms(now, LOG_LOOKUP_RETRY_MS);
	l->request = broker_open(l->broker, IPC_RESOURCE_UDP, l->host, l->port, on_found, l);
}

void
log_lookup_stop(struct log_lookup *l)
{
	broker_cancel(l->request);
	*l = (struct log_lookup){ 0 };
}
