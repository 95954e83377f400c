/* gateway-resolve, which blocks where we must not: a process for each name. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "supervisor/net/lookup_private.h"

/* The line of hosts, without its comment; "" where there is none. */
static void
read_services(char *line, size_t size)
{
	FILE *f = fopen("/etc/nsswitch.conf", "re");

	while (f && fgets(line, (int)size, f)) {
		line[strcspn(line, "#\n")] = '\0';
		char *at = line + strspn(line, " \t");
		if (strncmp(at, "hosts:", 6) == 0) {
			fclose(f);
			memmove(line, at + 6, strlen(at + 6) + 1);
			return;
		}
	}
	line[0] = '\0';
	if (f)
		fclose(f);
}

bool
lookup_process_is_needed(const struct lookups *l)
{
	char line[512], *rest = line;

	if (!l->program || access(l->program, X_OK) < 0)
		return false;
	read_services(line, sizeof(line));
	for (char *word; (word = strsep(&rest, " \t"));)
		if (*word && *word != '[' && strcmp(word, "files") != 0 && strcmp(word, "dns") != 0)
			return true;
	return false;
}

static void
start_queued(struct lookups *l)
{
	for (size_t i = 0; i < LOOKUP_BUCKETS; i++)
		for (struct lookup *n = l->buckets[i]; n; n = n->next)
			if (n->state == LOOKUP_QUEUED) {
				lookup_process_start(n);
				return;
			}
}

/* --- its end --- */

static void
reap(struct lookup_process *p, int how)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | how) == 0 && info.si_pid == 0)
		return;
	ev_io_stop(p->all->loop, &p->ended);
	fd_close(p->pidfd);
	p->pidfd = -1;
}

static void
on_ended(struct ev_loop *loop, ev_io *w, int revents)
{
	struct lookup_process *p = w->data;

	(void)loop, (void)revents;
	reap(p, WNOHANG);
	if (p->pidfd < 0)
		start_queued(p->all);
}

void
lookup_process_reap(struct lookups *l)
{
	for (size_t i = 0; i < LOOKUP_MAX_PROCESSES; i++)
		if (l->processes[i].pidfd >= 0)
			reap(&l->processes[i], 0);
}

void
lookup_process_stop(struct lookup *n)
{
	if (!n->process)
		return;
	ev_io_stop(n->all->loop, &n->readable);
	ev_timer_stop(n->all->loop, &n->patience);
	pidfd_send_signal(n->process->pidfd, SIGKILL, NULL, 0);
	fd_close(n->pipe);
	n->pipe = -1;
	n->process = NULL;
}

/* The asker connects to the address: it is of the Internet, not of a Unix socket. */
static bool
is_whole_address(const struct sockaddr_storage *a, socklen_t len)
{
	return (a->ss_family == AF_INET && len == sizeof(struct sockaddr_in)) ||
	       (a->ss_family == AF_INET6 && len == sizeof(struct sockaddr_in6));
}

static bool
is_sane(const struct lookup *n)
{
	const struct lookup_addresses *f = &n->found;

	if (n->read != sizeof(*f) || f->count == 0 || f->count > LOOKUP_MAX_ADDRESSES)
		return false;
	for (size_t i = 0; i < f->count; i++)
		if (!is_whole_address(&f->address[i], f->length[i]))
			return false;
	return true;
}

static void
end(struct lookup *n, bool found)
{
	lookup_process_stop(n);
	if (!found)
		n->found.count = 0;
	lookup_end(n, found ? NULL : n->why);
}

static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct lookup *n = w->data;
	char *at = (char *)&n->found + n->read;
	ssize_t len = read(n->pipe, at, sizeof(n->found) - n->read);

	(void)loop, (void)revents;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	n->read += len > 0 ? (size_t)len : 0;
	if (len <= 0 || n->read == sizeof(n->found))
		end(n, is_sane(n));
}

static void
on_patience(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct lookup *n = w->data;

	(void)loop, (void)revents;
	snprintf(n->why, sizeof(n->why), "look up %.100s: no answer for %d s", n->name,
	    LOOKUP_PROCESS_MS / 1000);
	end(n, false);
}

/* Returns its pidfd, or -1. */
static int
spawn(const struct lookups *l, const char *name, int out)
{
	char *const argv[] = { "gateway-resolve", (char *)name, NULL }, *const none[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	int error = posix_spawn(&pid, l->program, &files, &attributes, argv, none);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	if (error) {
		errno = error;
		return -1;
	}
	int pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return pidfd;
}

static struct lookup_process *
free_place(struct lookups *l)
{
	for (size_t i = 0; i < LOOKUP_MAX_PROCESSES; i++)
		if (l->processes[i].pidfd < 0)
			return &l->processes[i];
	return NULL;
}

static void
watch(struct lookup *n, struct lookup_process *p, int out)
{
	struct ev_loop *loop = n->all->loop;

	n->state = LOOKUP_PROCESS;
	n->process = p;
	n->pipe = out;
	n->read = 0;
	ev_io_init(&p->ended, on_ended, p->pidfd, EV_READ);
	ev_io_init(&n->readable, on_readable, out, EV_READ);
	ev_timer_init(&n->patience, on_patience, LOOKUP_PROCESS_MS / 1e3, 0.);
	p->ended.data = p;
	n->readable.data = n->patience.data = n;
	ev_io_start(loop, &p->ended);
	ev_io_start(loop, &n->readable);
	ev_timer_start(loop, &n->patience);
}

void
lookup_process_start(struct lookup *n)
{
	struct lookup_process *p = free_place(n->all);
	int pipes[2];

	n->state = LOOKUP_QUEUED;
	if (!p)
		return;
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0) {
		lookup_end(n, n->why);
		return;
	}
	p->pidfd = spawn(n->all, n->name, pipes[1]);
	fd_close(pipes[1]);
	if (p->pidfd < 0) {
		fd_close(pipes[0]);
		lookup_end(n, n->why);
		return;
	}
	watch(n, p, pipes[0]);
}
