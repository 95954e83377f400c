/* TLS sessions and what they are made of: byte 0 is what the rest is. The files of the
 * configuration, or what a peer says to a client or a server, before or after each step. */
#include "device-runners/runtime/tls/tls_openssl.c"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tls_ops *const ops = &tls_ops_openssl;

/* Certificate, key and authorities are parted by the line "--". */
static void
read_files(const struct tls_settings *settings, const char *text, size_t len)
{
	const char *mark = memmem(text, len, "\n--\n", 4), *end = text + len;
	struct tls_files f = { .cert = text, .cert_len = mark ? (size_t)(mark - text) : len };
	char why[TLS_WHY] = "";

	if (mark) {
		f.key = f.ca = mark + 4;
		f.key_len = f.ca_len = (size_t)(end - f.key);
	}
	struct tls_context *c = ops->context_new(&f, settings, why);
	if ((!c && !why[0]) || !memchr(why, '\0', sizeof(why)))
		abort();
	ops->context_free(c);
}

static void
use(struct tls *t, struct tls_context *c)
{
	char bytes[256], text[TLS_WHY];
	size_t n = 0;

	if (ops->handshake(t) == TLS_DONE && ops->read(t, bytes, sizeof(bytes), &n) == TLS_DONE)
		ops->write(t, bytes, n, &n);
	ops->describe(t, text);
	ops->misnamed(t);
	ops->still_valid(t, c);
	if (!memchr(ops->why(t), '\0', TLS_WHY) || !memchr(text, '\0', TLS_WHY))
		abort();
}

static void
hear(const struct tls_settings *settings, const uint8_t *data, size_t size)
{
	const struct tls_files none = { 0 };
	char why[TLS_WHY];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	struct tls_context *c = ops->context_new(&none, settings, why);
	struct tls *t = c ? ops->open(c, pair[0], settings->server ? NULL : "host.example") : NULL;
	if (!t)
		abort();
	for (size_t at = 0, n; at < size; at += n) {
		n = 1U + data[at] < size - at ? 1U + data[at] : size - at;
		if (n > 1 && send(pair[1], data + at + 1, n - 1, MSG_NOSIGNAL) < 0)
			break;
		use(t, c);
	}
	ops->close(t);
	ops->context_free(c);
	close(pair[0]);
	close(pair[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	const struct tls_settings settings = { .server = data[0] & 1,
		.verify = data[0] & 2,
		.strict = data[0] & 4,
		.verify_host = data[0] & 8,
		.watch_host = data[0] & 16,
		.renegotiation = data[0] & 32 };
	if (data[0] & 64)
		read_files(&settings, (const char *)data + 1, size - 1);
	else
		hear(&settings, data + 1, size - 1);
	return 0;
}
