/*
 * For valgrind 3.19, which knows no pidfds: is preloaded, and gives out descriptors of signals in
 * their place. Each is readable when any child ended, until waitid() was called for all that did.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_FDS = 8192 };

static pid_t pids[MAX_FDS];

int pidfd_open(pid_t pid, unsigned flags);
int pidfd_send_signal(int fd, int sig, siginfo_t *info, unsigned flags);
int waitid(idtype_t type, id_t id, siginfo_t *info, int options);

int
pidfd_open(pid_t pid, unsigned flags)
{
	sigset_t set;

	(void)flags;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd >= 0 && fd < MAX_FDS)
		pids[fd] = pid;
	return fd;
}

int
pidfd_send_signal(int fd, int sig, siginfo_t *info, unsigned flags)
{
	(void)info, (void)flags;
	return kill(pids[fd], sig);
}

int
waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	struct signalfd_siginfo s;
	int status;

	/* One signal may stand for several children: it is kept until none of them waits. */
	if (type != P_PIDFD)
		return errno = ENOSYS, -1;
	info->si_pid = 0;
	pid_t pid = waitpid(pids[id], &status, options & WNOHANG);
	if (pid <= 0) {
		while (read((int)id, &s, sizeof(s)) == (ssize_t)sizeof(s))
			;
		return pid;
	}
	info->si_pid = pid;
	info->si_code = WIFEXITED(status) ? CLD_EXITED : CLD_KILLED;
	info->si_status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
	return 0;
}

/* valgrind knows no clone() that shares memory: the child gets a copy. */
int
clone(int (*run)(void *), void *stack, int flags, void *arg, ...)
{
	(void)stack, (void)flags;
	pid_t pid = fork();
	if (pid == 0)
		_exit(run(arg));
	return pid;
}
