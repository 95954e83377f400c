#include "supervisor/reload_load.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct fault {
	enum schema_severity severity;
	uint32_t line, column;
	char *file, *path, *message; /* owned; NULL when out of memory */
};

struct reload_load {
	struct ev_loop *loop;
	const char *path;
	const struct config *before;
	void (*done)(void *arg);
	void *arg;
	pthread_t thread;
	ev_async ended;
	/* The thread's until it has ended. */
	struct fault *faults;
	size_t count;
	struct config *after;
	struct config_diff *diff;
};

/* Their number is bounded: CONFIG_MAX_FAULTS of each severity. */
static void
keep_fault(void *arg, enum schema_severity severity, const char *file, uint32_t line,
    uint32_t column, const char *path, const char *message)
{
	struct reload_load *l = arg;
	struct fault *more = realloc(l->faults, (l->count + 1) * sizeof(*more));

	if (!more)
		return;
	l->faults = more;
	more[l->count++] =
	    (struct fault){ severity, line, column, strdup(file), strdup(path), strdup(message) };
}

static void *
load(void *arg)
{
	struct reload_load *l = arg;

	l->after = config_load(l->path, keep_fault, l);
	if (l->after) {
		config_keep_texts(l->after);
		l->diff = config_diff(l->before, l->after);
	}
	ev_async_send(l->loop, &l->ended);
	return NULL;
}

static void
on_ended(struct ev_loop *loop, ev_async *w, int revents)
{
	struct reload_load *l = w->data;

	(void)revents;
	ev_async_stop(loop, w);
	pthread_join(l->thread, NULL);
	l->loop = NULL;
	l->done(l->arg);
}

/* Signals are the loop's. */
static int
start_thread(struct reload_load *l)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&l->thread, NULL, load, l);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error ? errno = error, -1 : 0;
}

struct reload_load *
reload_load_start(struct ev_loop *loop, const char *path, const struct config *before,
    void (*done)(void *arg), void *arg)
{
	struct reload_load *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	*l = (struct reload_load){
		.loop = loop, .path = path, .before = before, .done = done, .arg = arg
	};
	ev_async_init(&l->ended, on_ended);
	l->ended.data = l;
	ev_async_start(loop, &l->ended);
	if (start_thread(l) == 0)
		return l;
	ev_async_stop(loop, &l->ended);
	free(l);
	return NULL;
}

void
reload_load_take(struct reload_load *l, config_report *report, void *arg, struct config **after,
    struct config_diff **diff)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct fault *f = &l->faults[i];
		report(arg, f->severity, f->file ? f->file : "", f->line, f->column,
		    f->path ? f->path : "", f->message ? f->message : "out of memory");
	}
	*after = l->after;
	*diff = l->diff;
	l->after = NULL;
	l->diff = NULL;
}

void
reload_load_free(struct reload_load *l)
{
	if (!l)
		return;
	if (l->loop) {
		pthread_join(l->thread, NULL);
		ev_async_stop(l->loop, &l->ended);
	}
	for (size_t i = 0; i < l->count; i++) {
		free(l->faults[i].file);
		free(l->faults[i].path);
		free(l->faults[i].message);
	}
	free(l->faults);
	config_free(l->after);
	free(l->diff);
	free(l);
}
