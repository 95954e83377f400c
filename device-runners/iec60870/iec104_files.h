/*
 * Reads the certificate, key and CA files of a device through the supervisor,
 * in runner processes: before the first byte from a peer, and again from time
 * to time, so that certificates and revocation lists can be replaced. Keeps the
 * TLS context that is made of them.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC104_FILES_H
#define DEVICE_RUNNERS_IEC60870_IEC104_FILES_H

#include "device-runners/iec60870/iec104_conf.h"

struct iec104_files_ops {
	/* Connections can be made: once, at once where there is no TLS. */
	void (*ready)(void *arg);
	/* The files were read again: connections that do not hold by them are to be broken. */
	void (*renewed)(void *arg, const struct tls_context *context);
};

struct iec104_files {
	struct runner *runner;
	const struct iec104_security *security;
	struct tls_settings settings;
	struct tls_context *context; /* owned; NULL: not read yet, or no TLS */
	const struct iec104_files_ops *ops;
	void *arg;
	uint32_t open_id;
	int64_t again_ms;
	ev_timer again;
	unsigned at;	/* which of the three is being read */
	char *texts[3]; /* owned, wiped when freed: one is a private key */
	size_t lens[3];
};

/* Reads the files, where TLS is configured, until stopped. Exits where they cannot be used when
 * they are read first; later, what was read before stays in use. */
void iec104_files_start(struct iec104_files *f, struct runner *r,
    const struct iec104_security *security, bool server, const struct iec104_files_ops *ops,
    void *arg);
void iec104_files_stop(struct iec104_files *f);
/* Stops, and frees the context. */
void iec104_files_clear(struct iec104_files *f);
/* A new session on fd, to a host or NULL; NULL where there is no TLS. Exits when out of memory. */
struct tls *iec104_files_session(struct iec104_files *f, int fd, const char *host);

#endif
