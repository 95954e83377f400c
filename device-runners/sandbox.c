#include "device-runners/sandbox.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { FIRST_FOREIGN_FD = 4 };

int
sandbox_enter(void)
{
	const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -1;
	/* A parent that died before the call above shows as the end of fd 3. */
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -1;
	return close_range(FIRST_FOREIGN_FD, ~0U, 0);
}

int
sandbox_lock(const struct sandbox *s, const char **why)
{
	const struct rlimit memory = { s->memory, s->memory }, files = { s->files, s->files };

	if (setrlimit(RLIMIT_AS, &memory) < 0 || setrlimit(RLIMIT_NOFILE, &files) < 0) {
		*why = "resource limits";
		return -1;
	}
	if (s->level == IPC_SANDBOX_OFF)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
		*why = "no_new_privs";
		return -1;
	}
	return 0;
}
