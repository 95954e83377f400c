/*
 * Reads the certificate, key and CA files of a device through the supervisor,
 * in runner processes: before the first byte from a peer, and again from time
 * to time, so that certificates and revocation lists can be replaced.
 */
#ifndef DEVICE_RUNNERS_IEC60870_IEC104_FILES_H
#define DEVICE_RUNNERS_IEC60870_IEC104_FILES_H

#include "device-runners/iec60870/iec104_conf.h"

/* context NULL with why: the files could not be read, or OpenSSL does not take them. The context is
 * the callee's. */
typedef void iec104_files_cb(void *arg, struct tls_context *context, const char *why);

struct iec104_files {
	struct runner *runner;
	const struct iec104_security *security;
	struct tls_settings settings;
	iec104_files_cb *cb;
	void *arg;
	uint32_t open_id;
	int64_t again_ms;
	ev_timer again;
	unsigned at;	/* which of the three is being read */
	char *texts[3]; /* owned, wiped when freed: one is a private key */
	size_t lens[3];
};

/* Calls cb each time the files were read, until stopped. */
void iec104_files_start(struct iec104_files *f, struct runner *r,
    const struct iec104_security *security, const struct tls_settings *settings,
    iec104_files_cb *cb, void *arg);
void iec104_files_stop(struct iec104_files *f);

#endif
