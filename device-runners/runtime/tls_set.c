#include "device-runners/runtime/tls_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdutil.h"

static const char *const file_names[] = { "cert_path", "key_path", "ca_path" };

int
tls_plan_load(struct tls_plan *p, struct runner *r, const char *path)
{
	char why[TLS_WHY];

	p->ops = tls_load(why);
	if (!p->ops) {
		runner_config_error(r, path, "%s", why);
		return -1;
	}
	p->ops->prepare();
	return 0;
}

static void next(struct tls_set *f);

static void
forget(struct tls_set *f)
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

/* The key of the file that was being read, or of the one that the reason names. */
static const char *
key_of(const struct tls_set *f, const char *why)
{
	unsigned i = f->at;

	for (unsigned n = 0; i == 3 && n < 3; n++)
		if (strncmp(why, file_names[n], strlen(file_names[n])) == 0)
			i = n;
	return i < 3 && f->plan->keys[i] ? f->plan->keys[i] : "";
}

static _Noreturn void
finish_check(struct tls_set *f, struct tls_context *context, const char *why)
{
	const char *key = key_of(f, why), *rest = strstr(why, ": ");

	rest = *key && rest ? rest + 2 : why;
	if (!context)
		runner_config_error(f->runner, key, "%s", rest);
	else if (why[0])
		runner_config_warning(f->runner, key, "%s", rest);
	f->plan->ops->context_free(context);
	runner_checked(f->runner);
}

static void
finish(struct tls_set *f, struct tls_context *context, const char *why)
{
	if (!f->ops) {
		forget(f);
		finish_check(f, context, why);
	}
	int64_t reload_ms = f->plan->reload_ms ? f->plan->reload_ms : TLS_RELOAD_MS;

	forget(f);
	ev_timer_set(&f->again, (double)reload_ms / 1000, 0.);
	ev_timer_start(runner_loop(f->runner), &f->again);
	if (!context && !f->context)
		runner_fail(f->runner, "TLS: %s", why);
	if (!context) {
		log_warning("TLS: %s; the files that were read before stay in use", why);
		return;
	}
	if (why[0] && strcmp(why, f->warned) != 0)
		log_warning("TLS: %s", why);
	snprintf(f->warned, sizeof(f->warned), "%s", why);
	bool first = !f->context;
	f->plan->ops->context_free(f->context);
	f->context = context;
	if (first)
		f->ops->ready(f->arg);
	else
		f->ops->renewed(f->arg, context);
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct tls_set *f = w->data;

	(void)loop, (void)revents;
	f->at = 0;
	next(f);
}

/* The whole file, at most TLS_MAX_FILE; regular files do not block. */
static int
read_file(struct tls_set *f, int fd)
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

/* The private key is in the certificate's file where it has none of its own. why: who can read the
 * file besides us, or "". */
static void
warn_readable(struct tls_set *f, const char *why)
{
	bool holds_key = f->at == 1 || (f->at == 0 && f->plan->key < 0);

	if (!why || !why[0] || !holds_key || f->warned_readable)
		return;
	f->warned_readable = true;
	if (f->ops)
		log_warning("TLS: %s: the key is no secret: %s", file_names[f->at], why);
	else
		runner_config_warning(f->runner, key_of(f, ""), "the key is no secret: %s", why);
}

static void
on_open(void *arg, int fd, int error, const char *why)
{
	struct tls_set *f = arg;
	char text[TLS_WHY];

	f->open_id = 0;
	if (fd >= 0)
		warn_readable(f, why);
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
next(struct tls_set *f)
{
	const int plan[] = { f->plan->cert, f->plan->key, f->plan->ca };
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
	struct tls_context *context = f->plan->ops->context_new(&files, &f->plan->settings, why);
	finish(f, context, why);
}

void
tls_set_start(struct tls_set *f, struct runner *r, const struct tls_plan *plan,
    const struct tls_set_ops *ops, void *arg)
{
	*f = (struct tls_set){ .runner = r, .plan = plan, .ops = ops, .arg = arg };
	ev_timer_init(&f->again, on_again, 0., 0.);
	f->again.data = f;
	if (plan->ops)
		next(f);
	else
		ops->ready(arg);
}

void
tls_set_check(struct tls_set *f, struct runner *r, const struct tls_plan *plan)
{
	*f = (struct tls_set){ .runner = r, .plan = plan };
	ev_timer_init(&f->again, on_again, 0., 0.);
	if (!plan->ops)
		runner_checked(r);
	next(f);
}

void
tls_set_stop(struct tls_set *f)
{
	if (!f->runner)
		return;
	runner_cancel(f->runner, f->open_id);
	ev_timer_stop(runner_loop(f->runner), &f->again);
	forget(f);
}

void
tls_set_clear(struct tls_set *f)
{
	tls_set_stop(f);
	if (f->context)
		f->plan->ops->context_free(f->context);
	f->context = NULL;
}

struct tls *
tls_set_session(struct tls_set *f, int fd, const char *host)
{
	if (!f->context)
		return NULL;
	struct tls *tls = f->plan->ops->open(f->context, fd, host);
	if (!tls)
		runner_fail(f->runner, "out of memory");
	return tls;
}
