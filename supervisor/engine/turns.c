#include "supervisor/engine/turns.h"

#include <time.h>

enum { NS = 1000000000 };

void
turns_record(struct turns_longest *t, struct monotime now, int64_t ns)
{
	int64_t second = now.ns / NS;
	size_t i = (size_t)(second % TURNS_SECONDS);

	if (ns > t->ns)
		t->ns = ns;
	if (t->seconds[i].second != second) {
		t->seconds[i].second = second;
		t->seconds[i].longest_ns = 0;
	}
	if (ns > t->seconds[i].longest_ns)
		t->seconds[i].longest_ns = ns;
}

int64_t
turns_longest_us(const struct turns_longest *t)
{
	return t->ns / 1000;
}

int64_t
turns_last_minute_us(const struct turns_longest *t, struct monotime now)
{
	int64_t longest = 0;

	for (size_t i = 0; i < TURNS_SECONDS; i++)
		if (t->seconds[i].second > now.ns / NS - TURNS_SECONDS &&
		    t->seconds[i].longest_ns > longest)
			longest = t->seconds[i].longest_ns;
	return longest / 1000;
}

static int64_t
cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

static void
on_after_wait(struct ev_loop *loop, ev_check *w, int revents)
{
	struct turns *t = w->data;

	(void)loop, (void)revents;
	t->began = monotime_now();
}

static void
on_before_wait(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct turns *t = w->data;
	struct monotime now = monotime_now();
	int64_t cpu = cpu_now();

	(void)loop, (void)revents;
	if (t->began.ns) {
		turns_record(&t->wall, now, now.ns - t->began.ns);
		/* The wait itself costs next to nothing. */
		turns_record(&t->cpu, now, cpu - t->cpu_ns);
	}
	t->cpu_ns = cpu;
	t->began.ns = 0;
}

/* First of what a turn does, and last. */
void
turns_start(struct turns *t, struct ev_loop *loop)
{
	*t = (struct turns){ 0 };
	ev_check_init(&t->after_wait, on_after_wait);
	ev_prepare_init(&t->before_wait, on_before_wait);
	ev_set_priority(&t->after_wait, EV_MAXPRI);
	ev_set_priority(&t->before_wait, EV_MINPRI);
	t->after_wait.data = t->before_wait.data = t;
	ev_check_start(loop, &t->after_wait);
	ev_prepare_start(loop, &t->before_wait);
}

void
turns_stop(struct turns *t, struct ev_loop *loop)
{
	ev_check_stop(loop, &t->after_wait);
	ev_prepare_stop(loop, &t->before_wait);
}
