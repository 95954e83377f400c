/*
 * TLS of a device's connections, in runner processes. The implementation is a
 * shared object of its own, loaded before the sandbox closes and only by devices
 * that are configured for it: the others do not pay for OpenSSL. Nothing here
 * blocks or opens a file.
 */
#ifndef DEVICE_RUNNERS_TLS_H
#define DEVICE_RUNNERS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	TLS_MAX_FILE = 1024 * 1024,  /* bytes of a certificate, key or CA file */
	TLS_WHY = 256,		     /* bytes of a reason */
	TLS_RELOAD_MS = 3600 * 1000, /* the files are read again so often */
	TLS_HANDSHAKE_MS = 10000,    /* a peer that takes longer is gone */
};

/* Contents of the files, in PEM; borrowed. NULL where the configuration names none. */
struct tls_files {
	const char *cert, *key, *ca;
	size_t cert_len, key_len, ca_len;
};

struct tls_settings {
	bool server, verify, strict;
	bool verify_host;   /* with verify, a client's: the certificate must name the host */
	bool watch_host;    /* the same, but misnamed() says so, and the connection stands */
	bool renegotiation; /* the peer may begin one */
};

struct tls_context;
struct tls;

enum tls_want { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_CLOSED, TLS_FAILED };

struct tls_ops {
	/* Before the sandbox closes. */
	void (*prepare)(void);
	/* NULL with why when a file is not what it should be. Else why is what to warn of, or "".
	 */
	struct tls_context *(*context_new)(
	    const struct tls_files *files, const struct tls_settings *settings, char why[TLS_WHY]);
	/* Sessions that were opened with it keep it alive. */
	void (*context_free)(struct tls_context *c);
	/* A session on a connected, non-blocking socket, which stays the caller's. */
	struct tls *(*open)(struct tls_context *c, int fd, const char *host);
	void (*close)(struct tls *t);
	/* Until TLS_DONE. TLS_FAILED: tls_why(). */
	enum tls_want (*handshake)(struct tls *t);
	/* *n bytes were read or written when TLS_DONE. */
	enum tls_want (*read)(struct tls *t, void *data, size_t size, size_t *n);
	enum tls_want (*write)(struct tls *t, const void *data, size_t len, size_t *n);
	/* Asks for new keys, by a key update of TLS 1.3 or a renegotiation of TLS 1.2, which the
	 * next read begins; nothing where a handshake or a write is under way. false: tls_why(). */
	bool (*renew)(struct tls *t);
	/* Once after new keys are in use. */
	bool (*renewed)(struct tls *t);
	/* Whether the peer's certificate holds by the authorities and revocation lists of c, which
	 * the handshakes of the session then go by as well. */
	bool (*still_valid)(struct tls *t, struct tls_context *c);
	/* The host that the peer's certificate should name by watch_host, and does not; else NULL.
	 */
	const char *(*misnamed)(struct tls *t);
	/* One line: protocol, cipher, the peer's subject. */
	void (*describe)(struct tls *t, char text[TLS_WHY]);
	const char *(*why)(struct tls *t);
};

/* Loads the shared object from the executable's folder. NULL with why when it is not there. */
const struct tls_ops *tls_load(char why[TLS_WHY]);

#endif
