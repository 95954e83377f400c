/* The answer of gateway-resolve, whose modules may be anybody's: byte 0 is how much of it comes at
 * once. What is found are addresses of the Internet, whole. */
#include <sys/eventfd.h>

#include "supervisor/net/lookup.c"
#include "supervisor/net/lookup_process.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int answers;

static void
on_found(void *arg, const struct lookup_addresses *found, const char *why)
{
	(void)arg;
	answers++;
	if (!found == !why || (found && found->first >= found->count))
		abort();
	for (size_t i = 0; found && i < found->count; i++) {
		sa_family_t family = found->address[i].ss_family;
		size_t whole =
		    family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
		if ((family != AF_INET && family != AF_INET6) || found->length[i] != whole)
			abort();
	}
}

/* As it stands while its process runs. */
static void
begin_process(struct lookups *l, int fd)
{
	struct lookup *n = add(l, "host.example");
	struct lookup_wait *w = calloc(1, sizeof(*w));

	if (!n || !w)
		abort();
	w->cb = on_found;
	put_into(w, &n->waiting);
	l->processes[0].pidfd = eventfd(0, EFD_CLOEXEC); /* it never ends */
	watch(n, &l->processes[0], fd);
}

static void
end_process(struct lookups *l)
{
	ev_io_stop(l->loop, &l->processes[0].ended);
	close(l->processes[0].pidfd);
	l->processes[0].pidfd = -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lookups *l;
	int pipes[2];

	if (!l && !(l = lookups_new(ev_loop_new(EVFLAG_NOENV), NULL)))
		abort();
	signal(SIGPIPE, SIG_IGN);
	if (size < 1 || pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return 0;
	begin_process(l, pipes[0]);
	answers = 0;
	for (size_t at = 1, n; at < size && !answers; at += n) {
		n = 1 + data[0] * 4U < size - at ? 1 + data[0] * 4U : size - at;
		if (write(pipes[1], data + at, n) < 0)
			break;
		ev_run(l->loop, EVRUN_NOWAIT);
	}
	close(pipes[1]);
	while (!answers)
		ev_run(l->loop, EVRUN_ONCE);
	end_process(l);
	if (answers != 1)
		abort();
	return 0;
}
