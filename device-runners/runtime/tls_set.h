/*
 * Reads the certificate, key and CA files of a device through the supervisor,
 * in runner processes: before the first byte from a peer, and again from time
 * to time, so that certificates and revocation lists can be replaced. Keeps the
 * TLS context that is made of them.
 */
#ifndef DEVICE_RUNNERS_TLS_SET_H
#define DEVICE_RUNNERS_TLS_SET_H

#include "device-runners/runtime/runner.h"
#include "device-runners/runtime/tls.h"

/* The TLS of a device; filled in create(). */
struct tls_plan {
	const struct tls_ops *ops; /* NULL: no TLS */
	struct tls_settings settings;
	int cert, key, ca;   /* in the plan; -1: none */
	const char *keys[3]; /* of the configuration that name them */
	int64_t reload_ms;   /* the files are read again so often; 0: TLS_RELOAD_MS */
};

/* Loads TLS, before the sandbox closes. Returns 0, or -1 after a runner_config_error() at path. */
int tls_plan_load(struct tls_plan *p, struct runner *r, const char *path);

/* In a check: reads the files, says what is wrong with them, and ends the check. Without TLS
 * it ends it at once. f and plan are borrowed. */
struct tls_set;
void tls_set_check(struct tls_set *f, struct runner *r, const struct tls_plan *plan);

struct tls_set_ops {
	/* Connections can be made: once, at once where there is no TLS. */
	void (*ready)(void *arg);
	/* The files were read again: connections that do not hold by them are to be broken. */
	void (*renewed)(void *arg, struct tls_context *context);
};

struct tls_set {
	struct runner *runner;
	const struct tls_plan *plan;
	char warned[TLS_WHY];	       /* what the files that are in use were warned of */
	bool warned_readable;	       /* others can read the key */
	struct tls_context *context;   /* owned; NULL: not read yet, or no TLS */
	const struct tls_set_ops *ops; /* NULL: a check */
	void *arg;
	uint32_t open_id;
	ev_timer again;
	unsigned at;	/* which of the three is being read */
	char *texts[3]; /* owned, wiped when freed: one is a private key */
	size_t lens[3];
};

/* Reads the files, where there is TLS, until stopped. Borrows plan, ops, arg. Exits where they
 * cannot be used when they are read first; later, what was read before stays in use. */
void tls_set_start(struct tls_set *f, struct runner *r, const struct tls_plan *plan,
    const struct tls_set_ops *ops, void *arg);
void tls_set_stop(struct tls_set *f);
/* Stops, and frees the context. */
void tls_set_clear(struct tls_set *f);
/* A new session on fd, to a host or NULL; NULL where there is no TLS. Exits when out of memory. */
struct tls *tls_set_session(struct tls_set *f, int fd, const char *host);

#endif
