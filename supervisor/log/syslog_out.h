/*
 * Lines to a syslog daemon, in the supervisor: a Unix datagram socket as syslog(3)
 * writes to (RFC 3164), UDP (RFC 5424, 5426) or TCP (RFC 5424, 6587 with counted
 * octets). Never blocks: what cannot be sent or kept is dropped and counted.
 */
#ifndef SUPERVISOR_SYSLOG_OUT_H
#define SUPERVISOR_SYSLOG_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buffer.h"
#include "common/log.h"
#include "common/monotime.h"
#include "supervisor/config/config.h"

enum {
	SYSLOG_MAX_PENDING = 256 * 1024, /* bytes that wait for a TCP connection */
	SYSLOG_MAX_LINE = 2048,		 /* RFC 5424 section 6.1: receivers should take this */
	SYSLOG_RETRY_MS = 5000,		 /* between two attempts to connect */
};

struct syslog_out {
	enum config_syslog transport;
	char *host; /* of the configuration; owned */
	uint16_t port;
	struct sockaddr_storage address;
	socklen_t address_len;	/* 0: not known yet */
	int fd;			/* or -1 */
	struct monotime retry;	/* not before */
	struct buffer pending;	/* TCP: counted lines */
	size_t frame_left;	/* TCP: bytes of the line that is sent in part */
	uint64_t dropped, told; /* lines, and how many of them were told of */
	bool works;		/* the last attempt to send did */
	char hostname[65];
};

/* The address is that of conf->syslog_host: a path of a socket where it is local, numbers or
 * "localhost". Another name is not known yet: syslog_out_found() follows. Returns 0, or -1 with
 * errno. */
int syslog_out_open(struct syslog_out *s, const struct config_log *conf);
/* Whether it is the daemon that conf names. */
bool syslog_out_is(const struct syslog_out *s, const struct config_log *conf);
/* The address of the host that was looked up. */
void syslog_out_found(struct syslog_out *s, const struct sockaddr *address, socklen_t len);
void syslog_out_close(struct syslog_out *s);
/* text is one clean line; device and event may be NULL. */
void syslog_out_write(struct syslog_out *s, enum log_level level, const char *device,
    const char *event, const char *text);
/* How many lines were dropped since it last said so; 0 while nothing can be told to the daemon. */
uint64_t syslog_out_lost(struct syslog_out *s);
/* Sends what is pending; connects again when it is time. */
void syslog_out_flush(struct syslog_out *s, struct monotime now);

#endif
