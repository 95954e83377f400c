#include "device-runners/iec60870/iec104_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdutil.h"

static const char *const file_names[] = { "cert_path", "key_path", "ca_path" };

static void next(struct iec104_files *f);

static void
forget(struct iec104_files *f)
{
	for (unsigned i = 0; i < 3; i++) {
		if (f->texts[i]) {
			explicit_bzero(f->texts[i], f->lens[i]);
			free(f->texts[i]);
		}
		f->texts[i] = NULL;
		f->lens[i] = 0;
	}
}

static void
finish(struct iec104_files *f, struct tls_context *context, const char *why)
{
	forget(f);
	ev_timer_set(&f->again, (double)f->again_ms / 1000, 0.);
	ev_timer_start(runner_loop(f->runner), &f->again);
	if (!context && !f->context)
		runner_fail(f->runner, "security: %s", why);
	if (!context) {
		log_warning("security: %s; what was read before stays in use", why);
		return;
	}
	bool first = !f->context;
	f->security->ops->context_free(f->context);
	f->context = context;
	if (first)
		f->ops->ready(f->arg);
	else
		f->ops->renewed(f->arg, context);
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct iec104_files *f = w->data;

	(void)loop, (void)revents;
	f->at = 0;
	next(f);
}

/* The whole file, at most TLS_MAX_FILE; regular files do not block. */
static int
read_file(struct iec104_files *f, int fd)
{
	char *text = malloc(TLS_MAX_FILE);
	size_t len = 0;
	ssize_t n;

	if (!text)
		return -1;
	while ((n = read(fd, text + len, TLS_MAX_FILE - len)) > 0)
		len += (size_t)n;
	if (n < 0 || len == TLS_MAX_FILE) {
		explicit_bzero(text, len);
		free(text);
		errno = n < 0 ? errno : EFBIG;
		return -1;
	}
	f->texts[f->at] = text;
	f->lens[f->at] = len;
	return 0;
}

static void
on_open(void *arg, int fd, int error, const char *why)
{
	struct iec104_files *f = arg;
	char text[TLS_WHY];

	f->open_id = 0;
	if (fd < 0 || read_file(f, fd) < 0) {
		int reason = error ? error : errno;
		snprintf(text, sizeof(text), "%s: %.180s", file_names[f->at],
		    fd < 0 && why ? why : strerror(reason));
		fd_close(fd);
		finish(f, NULL, text);
		return;
	}
	fd_close(fd);
	f->at++;
	next(f);
}

static void
next(struct iec104_files *f)
{
	const int plan[] = { f->security->cert, f->security->key, f->security->ca };
	char why[TLS_WHY] = "";

	while (f->at < 3 && plan[f->at] < 0)
		f->at++;
	if (f->at < 3) {
		f->open_id = runner_open(f->runner, plan[f->at], on_open, f);
		return;
	}
	struct tls_files files = { .cert = f->texts[0],
		.key = f->texts[1],
		.ca = f->texts[2],
		.cert_len = f->lens[0],
		.key_len = f->lens[1],
		.ca_len = f->lens[2] };
	struct tls_context *context = f->security->ops->context_new(&files, &f->settings, why);
	finish(f, context, why);
}

void
iec104_files_start(struct iec104_files *f, struct runner *r, const struct iec104_security *security,
    bool server, const struct iec104_files_ops *ops, void *arg)
{
	/* Revocation matters while a connection stands: twice the delay of new keys, as IEC 62351-3
	 * pairs the two. */
	bool soon = security->strict && security->renew_ms;
	*f = (struct iec104_files){ .runner = r,
		.security = security,
		.settings = iec104_tls_settings(security, server),
		.ops = ops,
		.arg = arg,
		.again_ms = soon ? 2 * security->renew_ms : TLS_RELOAD_MS };
	ev_timer_init(&f->again, on_again, 0., 0.);
	f->again.data = f;
	if (security->configured)
		next(f);
	else
		ops->ready(arg);
}

void
iec104_files_stop(struct iec104_files *f)
{
	if (!f->runner)
		return;
	runner_cancel(f->runner, f->open_id);
	ev_timer_stop(runner_loop(f->runner), &f->again);
	forget(f);
}

void
iec104_files_clear(struct iec104_files *f)
{
	iec104_files_stop(f);
	if (f->context)
		f->security->ops->context_free(f->context);
	f->context = NULL;
}

struct tls *
iec104_files_session(struct iec104_files *f, int fd, const char *host)
{
	if (!f->context)
		return NULL;
	struct tls *tls = f->security->ops->open(f->context, fd, host);
	if (!tls)
		runner_fail(f->runner, "out of memory");
	return tls;
}
