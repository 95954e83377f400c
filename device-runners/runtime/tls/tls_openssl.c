/*
 * tls.h with OpenSSL 3, as a shared object that only devices with TLS load into their runner
 * process. All keys and certificates come as bytes; sockets are the caller's and non-blocking.
 */
#include "device-runners/runtime/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/remedy.h"

enum {
	SECURITY_LEVEL = 2, /* 112 bits: RSA keys of 2048 bits and more, as IEC 62351-3 asks */
	EXPIRES_SOON_S = 14 * 24 * 3600,
};

/* TLS 1.2; those of 1.3 are OpenSSL's. Never without encryption or authentication; the last one is
 * what IEC 62351-3 made mandatory first, and old stations have no other. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
			      "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:"
			      "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:AES128-SHA256";

struct tls_context {
	unsigned users; /* its owner, and sessions */
	SSL_CTX *ssl;
	struct tls_settings settings;
};

struct tls {
	SSL *ssl;
	struct tls_context *context;
	char watched[256]; /* the host that misnamed() looks for, or "" */
	bool unsent;	   /* a write waits for room: only the same one may follow */
	bool renewing, renewed;
	char why[TLS_WHY];
};

extern const struct tls_ops tls_ops_openssl;

static void
prepare(void)
{
	/* Everything that would read files or load modules happens now. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
			     OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
	    NULL);
	SSL_CTX_free(SSL_CTX_new(TLS_method()));
	ERR_clear_error();
}

/* The first reason in OpenSSL's queue, which is emptied. */
static const char *
first_reason(void)
{
	unsigned long e = ERR_get_error();
	const char *text = e ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return text ? text : "not valid";
}

static BIO *
memory(const char *text, size_t len)
{
	return BIO_new_mem_buf(text ? text : "", (int)len);
}

/* The station's own certificate, and those between it and the CA. */
static bool
use_certificates(SSL_CTX *ssl, const struct tls_files *f)
{
	BIO *b = memory(f->cert, f->cert_len);
	X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	bool ok = x && SSL_CTX_use_certificate(ssl, x) == 1;

	X509_free(x);
	while (ok && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)))
		ok = SSL_CTX_add0_chain_cert(ssl, x) == 1;
	BIO_free(b);
	if (ok)
		ERR_clear_error(); /* the end of the file */
	return ok;
}

/* Without a file of its own the key stands in the certificate's. */
static bool
use_key(SSL_CTX *ssl, const struct tls_files *f)
{
	BIO *b = f->key ? memory(f->key, f->key_len) : memory(f->cert, f->cert_len);
	EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, NULL, (void *)"") : NULL;
	bool ok = key && SSL_CTX_use_PrivateKey(ssl, key) == 1;

	EVP_PKEY_free(key);
	BIO_free(b);
	return ok && SSL_CTX_check_private_key(ssl) == 1;
}

/* Whether the list is of now; a list without an end has none. */
static bool
is_current(const X509_CRL *crl)
{
	const ASN1_TIME *until = X509_CRL_get0_nextUpdate(crl);

	return X509_cmp_current_time(X509_CRL_get0_lastUpdate(crl)) < 0 &&
	       (!until || X509_cmp_current_time(until) > 0);
}

/* An empty list is added as well: it says that nothing is revoked. */
static bool
use_list(X509_STORE *store, X509_CRL *crl, char why[TLS_WHY])
{
	char name[128];

	if (X509_STORE_add_crl(store, crl) != 1)
		return false;
	if (is_current(crl))
		return true;
	X509_NAME_oneline(X509_CRL_get_issuer(crl), name, sizeof(name));
	snprintf(why, TLS_WHY, "ca_path: the revocation list of %s is not valid today", name);
	return true;
}

/* Certificates of authorities, and their revocation lists. why: what to warn of. */
static bool
use_authorities(SSL_CTX *ssl, const struct tls_files *f, bool server, char why[TLS_WHY])
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	BIO *b = memory(f->ca, f->ca_len);
	STACK_OF(X509_INFO) *list = b ? PEM_X509_INFO_read_bio(b, NULL, NULL, NULL) : NULL;
	int certs = 0;
	bool ok = true;

	for (int i = 0; ok && list && i < sk_X509_INFO_num(list); i++) {
		X509_INFO *info = sk_X509_INFO_value(list, i);
		if (info->x509 && X509_STORE_add_cert(store, info->x509) == 1) {
			certs++;
			if (server)
				SSL_CTX_add_client_CA(ssl, info->x509);
		}
		if (info->crl)
			ok = use_list(store, info->crl, why);
	}
	sk_X509_INFO_pop_free(list, X509_INFO_free);
	BIO_free(b);
	return ok && certs > 0;
}

/*
 * Lists of revoked certificates are looked at for the whole chain, always (RFC 5280 6.3). If
 * strict mode does not ask for more, an authority without a list is no fault, and a list out of
 * its time is used as it is: it still knows what was revoked.
 */
static int
forgive(int ok, X509_STORE_CTX *ctx)
{
	switch (X509_STORE_CTX_get_error(ctx)) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		X509_STORE_CTX_set_error(ctx, X509_V_OK);
		return 1;
	default:
		return ok;
	}
}

static SSL_verify_cb
verify_cb(const struct tls_settings *s)
{
	return s->strict ? NULL : forgive;
}

static void
set_rules(SSL_CTX *ssl, const struct tls_settings *s)
{
	int verify = !s->verify	 ? SSL_VERIFY_NONE
		     : s->server ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
				 : SSL_VERIFY_PEER;

	SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
	SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
	SSL_CTX_set_cipher_list(ssl, ciphers);
	SSL_CTX_set_verify(ssl, verify, verify_cb(s));
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	/* A session that is taken up again would not look at the certificate again. */
	SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
				     SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
	SSL_CTX_set_num_tickets(ssl, 0);
	SSL_CTX_set_dh_auto(ssl, 1);
	/* IEC 62351-3 renews keys by renegotiation, which either side may begin. */
	if (s->renegotiation)
		SSL_CTX_set_options(ssl, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	/* A client that renegotiates may offer its session, which OpenSSL refuses without this. */
	SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"iec104", strlen("iec104"));
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	X509_VERIFY_PARAM_set_flags(
	    SSL_CTX_get0_param(ssl), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

static void
context_free(struct tls_context *c)
{
	if (!c || --c->users)
		return;
	SSL_CTX_free(c->ssl);
	free(c);
}

/* Warns of our own certificate where peers will refuse it, today or soon. */
static void
judge_times(SSL_CTX *ssl, char why[TLS_WHY])
{
	X509 *cert = SSL_CTX_get0_certificate(ssl);
	time_t soon = time(NULL) + EXPIRES_SOON_S;
	char date[16];
	struct tm tm;

	if (!cert || why[0])
		return;
	bool early = X509_cmp_current_time(X509_get0_notBefore(cert)) > 0;
	const ASN1_TIME *at = early ? X509_get0_notBefore(cert) : X509_get0_notAfter(cert);
	if ((!early && X509_cmp_time(at, &soon) > 0) || !ASN1_TIME_to_tm(at, &tm))
		return;
	strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	if (early)
		snprintf(why, TLS_WHY,
		    "cert_path: the certificate is valid from %s on: set the clock, or wait", date);
	else
		snprintf(why, TLS_WHY, "cert_path: the certificate %s on %s: renew it",
		    X509_cmp_current_time(at) < 0 ? "expired" : "expires", date);
}

static struct tls_context *
context_new(const struct tls_files *files, const struct tls_settings *settings, char why[TLS_WHY])
{
	struct tls_context *c = calloc(1, sizeof(*c));

	why[0] = '\0';
	if (c)
		c->users = 1;
	if (!c ||
	    !(c->ssl = SSL_CTX_new(settings->server ? TLS_server_method() : TLS_client_method()))) {
		snprintf(why, TLS_WHY, "out of memory");
		goto fail;
	}
	c->settings = *settings;
	set_rules(c->ssl, settings);
	if (files->cert && !use_certificates(c->ssl, files)) {
		snprintf(why, TLS_WHY, "cert_path: no usable certificate: %s", first_reason());
		goto fail;
	}
	if (files->cert && !use_key(c->ssl, files)) {
		snprintf(why, TLS_WHY, "%s: no private key that fits the certificate: %s",
		    files->key ? "key_path" : "cert_path", first_reason());
		goto fail;
	}
	if (files->ca && !use_authorities(c->ssl, files, settings->server, why)) {
		snprintf(why, TLS_WHY,
		    "ca_path: no certificate in it, or a revocation list that cannot be used: %s",
		    first_reason());
		goto fail;
	}
	judge_times(c->ssl, why);
	ERR_clear_error();
	return c;
fail:
	context_free(c);
	return NULL;
}

static bool
is_address(const char *host)
{
	struct in6_addr a;

	return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

/* The host that the session is for, which the peer's certificate must name. */
static bool
expect_host(SSL *ssl, const char *host, bool must)
{
	if (is_address(host))
		return !must || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return (!must || SSL_set1_host(ssl, host) == 1) && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static void
close_session(struct tls *t)
{
	if (!t)
		return;
	if (SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl); /* says good-bye, does not wait */
	ERR_clear_error();
	SSL_free(t->ssl);
	context_free(t->context);
	free(t);
}

static struct tls *
open_session(struct tls_context *c, int fd, const char *host)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->context = c;
	t->ssl = SSL_new(c->ssl);
	if (!t->ssl || SSL_set_fd(t->ssl, fd) != 1 ||
	    (host && !expect_host(t->ssl, host, c->settings.verify && c->settings.verify_host))) {
		SSL_free(t->ssl);
		free(t);
		return NULL;
	}
	c->users++;
	if (host && c->settings.verify && c->settings.watch_host)
		snprintf(t->watched, sizeof(t->watched), "%s", host);
	if (c->settings.server)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	return t;
}

static const char *
remedy_of_certificate(long verify)
{
	static const struct {
		long error;
		enum remedy_tls remedy;
	} rows[] = {
		{ .error = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, .remedy = REMEDY_TLS_UNTRUSTED },
		{ .error = X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, .remedy = REMEDY_TLS_UNTRUSTED },
		{ .error = X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, .remedy = REMEDY_TLS_UNTRUSTED },
		{ .error = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
		    .remedy = REMEDY_TLS_UNTRUSTED },
		{ .error = X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
		    .remedy = REMEDY_TLS_UNTRUSTED },
		{ .error = X509_V_ERR_CERT_HAS_EXPIRED, .remedy = REMEDY_TLS_EXPIRED },
		{ .error = X509_V_ERR_CERT_NOT_YET_VALID, .remedy = REMEDY_TLS_NOT_YET_VALID },
		{ .error = X509_V_ERR_HOSTNAME_MISMATCH, .remedy = REMEDY_TLS_NAME },
		{ .error = X509_V_ERR_IP_ADDRESS_MISMATCH, .remedy = REMEDY_TLS_NAME },
		{ .error = X509_V_ERR_CERT_REVOKED, .remedy = REMEDY_TLS_REVOKED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].error == verify)
			return remedy_text(REMEDY_TLS, (int)rows[i].remedy);
	return "";
}

/* reason: of OpenSSL; alerts are what the peer says of our side. */
static const char *
remedy_of_reason(int reason)
{
	static const int ours[] = { SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
		SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED,
		SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (ours[i] == reason)
			return remedy_text(REMEDY_TLS, REMEDY_TLS_OURS_REFUSED);
	return reason == SSL_R_WRONG_VERSION_NUMBER
		   ? remedy_text(REMEDY_TLS, REMEDY_TLS_NONE_SPOKEN)
		   : "";
}

static void
blame_certificate(struct tls *t, long verify)
{
	snprintf(t->why, sizeof(t->why), "the peer's certificate: %s%s",
	    X509_verify_cert_error_string(verify), remedy_of_certificate(verify));
}

/* One line of why OpenSSL failed: the certificate's fault before the general one. */
static void
explain(struct tls *t)
{
	long verify = SSL_get_verify_result(t->ssl);
	int saved = errno;
	unsigned long e = ERR_peek_error();

	if (verify != X509_V_OK && t->context->settings.verify)
		blame_certificate(t, verify);
	else if (e)
		snprintf(t->why, sizeof(t->why), "%s%s", first_reason(),
		    remedy_of_reason(ERR_GET_REASON(e)));
	else
		snprintf(
		    t->why, sizeof(t->why), "%s", saved ? strerror(saved) : "closed by the peer");
	ERR_clear_error();
}

static enum tls_want
result(struct tls *t, int rc)
{
	if (rc > 0)
		return TLS_DONE;
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANTS_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANTS_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default:
		explain(t);
		return TLS_FAILED;
	}
}

static enum tls_want
outcome(struct tls *t, int rc)
{
	enum tls_want want = result(t, rc);

	if (t->renewing && !SSL_in_init(t->ssl) && !SSL_renegotiate_pending(t->ssl)) {
		t->renewing = false;
		t->renewed = true;
	}
	return want;
}

static void
clear_errors(void)
{
	ERR_clear_error();
	errno = 0;
}

static enum tls_want
handshake(struct tls *t)
{
	clear_errors();
	enum tls_want want = outcome(t, SSL_do_handshake(t->ssl));

	if (want == TLS_DONE && t->context->settings.strict && !SSL_get0_peer_certificate(t->ssl)) {
		snprintf(t->why, sizeof(t->why), "strict mode: the peer has no certificate");
		return TLS_FAILED;
	}
	return want;
}

static enum tls_want
read_session(struct tls *t, void *data, size_t size, size_t *n)
{
	clear_errors();
	return outcome(t, SSL_read_ex(t->ssl, data, size, n));
}

/* A client's begins once nothing is unsent, whoever asked for it. */
static bool
renegotiates(const struct tls *t)
{
	if (SSL_version(t->ssl) >= TLS1_3_VERSION)
		return false;
	return SSL_in_init(t->ssl) ||
	       (!SSL_is_server(t->ssl) && SSL_renegotiate_pending(t->ssl) && !t->unsent);
}

/* Until the peer has answered the first message of a renegotiation, what comes may be data (RFC
 * 5246 7.4.1.1), which OpenSSL lets pass for who reads and for nobody else. */
static enum tls_want
write_session(struct tls *t, const void *data, size_t len, size_t *n)
{
	if (renegotiates(t))
		return TLS_WANTS_READ;
	clear_errors();
	enum tls_want want = outcome(t, SSL_write_ex(t->ssl, data, len, n));
	t->unsent = want == TLS_WANTS_WRITE;
	return want;
}

static bool
renew(struct tls *t)
{
	if (SSL_in_init(t->ssl) || t->unsent)
		return true;
	clear_errors();
	t->renewing = true;
	bool ok = SSL_version(t->ssl) >= TLS1_3_VERSION
		      ? SSL_key_update(t->ssl, SSL_KEY_UPDATE_REQUESTED) == 1
		      : SSL_renegotiate(t->ssl) == 1;
	if (!ok)
		explain(t);
	return ok;
}

static bool
renewed(struct tls *t)
{
	bool yes = t->renewed;

	t->renewed = false;
	return yes;
}

/* From now on handshakes of the session are checked by c, and show the certificate of c. */
static void
adopt(struct tls *t, struct tls_context *c)
{
	if (t->context == c || SSL_in_init(t->ssl) || !SSL_set_SSL_CTX(t->ssl, c->ssl))
		return;
	c->users++;
	context_free(t->context);
	t->context = c;
}

static bool
verify_again(struct tls *t, const struct tls_context *c, X509 *x, X509_STORE_CTX *ctx)
{
	if (X509_STORE_CTX_init(
		ctx, SSL_CTX_get_cert_store(c->ssl), x, SSL_get_peer_cert_chain(t->ssl)) != 1)
		return false;
	X509_STORE_CTX_set_default(ctx, SSL_is_server(t->ssl) ? "ssl_client" : "ssl_server");
	X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(ctx), SSL_get0_param(t->ssl));
	if (verify_cb(&c->settings))
		X509_STORE_CTX_set_verify_cb(ctx, verify_cb(&c->settings));
	return X509_verify_cert(ctx) == 1;
}

static bool
still_valid(struct tls *t, struct tls_context *c)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *x = SSL_get0_peer_certificate(t->ssl);
	bool ok = true;

	if (c->settings.verify && x && ctx) {
		ok = verify_again(t, c, x, ctx);
		if (!ok)
			blame_certificate(t, X509_STORE_CTX_get_error(ctx));
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	if (ok)
		adopt(t, c);
	return ok;
}

static const char *
misnamed(struct tls *t)
{
	X509 *x = SSL_get0_peer_certificate(t->ssl);

	if (!x || !t->watched[0])
		return NULL;
	int named = is_address(t->watched) ? X509_check_ip_asc(x, t->watched, 0)
					   : X509_check_host(x, t->watched, 0, 0, NULL);
	return named == 1 ? NULL : t->watched;
}

static void
describe(struct tls *t, char text[TLS_WHY])
{
	X509 *x = SSL_get0_peer_certificate(t->ssl);
	char name[128] = "without a certificate";

	if (x)
		X509_NAME_oneline(X509_get_subject_name(x), name, sizeof(name));
	snprintf(text, TLS_WHY, "%s, %s, peer %s", SSL_get_version(t->ssl),
	    SSL_get_cipher_name(t->ssl), name);
}

static const char *
why(struct tls *t)
{
	return t->why;
}

const struct tls_ops tls_ops_openssl = {
	.prepare = prepare,
	.context_new = context_new,
	.context_free = context_free,
	.open = open_session,
	.close = close_session,
	.handshake = handshake,
	.read = read_session,
	.write = write_session,
	.renew = renew,
	.renewed = renewed,
	.still_valid = still_valid,
	.misnamed = misnamed,
	.describe = describe,
	.why = why,
};
