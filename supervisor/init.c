#include "supervisor/init.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"

static const int passed_on[] = { SIGTERM, SIGINT, SIGHUP };

static sigset_t
awaited(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(&set, passed_on[i]);
	return set;
}

/* Reaps whatever has ended. Returns the exit code of the gateway, or -1 while it lives. */
static int
reap(pid_t gateway)
{
	int code = -1, status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == gateway)
			code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return code;
}

static int
watch(pid_t gateway, const sigset_t *set)
{
	int code = -1;

	while (code < 0) {
		int number = sigwaitinfo(set, NULL);
		if (number == SIGCHLD)
			code = reap(gateway);
		else if (number > 0)
			kill(gateway, number);
	}
	return code;
}

int
init_run(void)
{
	const sigset_t set = awaited();
	sigset_t before;

	if (getpid() != 1)
		return -1;
	sigprocmask(SIG_BLOCK, &set, &before);
	pid_t gateway = fork();
	if (gateway > 0)
		return watch(gateway, &set);
	if (gateway < 0) {
		log_error("process 1 cannot start the gateway: %s", strerror(errno));
		return EX_OSERR;
	}
	/* Without process 1 the kernel ends all others of the container by itself. */
	sigprocmask(SIG_SETMASK, &before, NULL);
	return -1;
}
