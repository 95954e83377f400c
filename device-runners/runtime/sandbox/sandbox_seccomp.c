/*
 * The allow-list of system calls, in a runner. The filter was computed when the
 * project was built (filter/mkfilter.c). A denied call raises SIGSYS: its handler
 * writes the call's name as the last line, which the supervisor keeps, and dies.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device-runners/runtime/filter/filter.h"
#include "device-runners/runtime/sandbox/sandbox_private.h"

static size_t
append(char *line, size_t size, size_t used, const char *text)
{
	while (*text && used < size)
		line[used++] = *text++;
	return used;
}

static size_t
append_number(char *line, size_t size, size_t used, unsigned n)
{
	char digits[12];
	size_t i = sizeof(digits) - 1;

	digits[i] = '\0';
	do
		digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	return append(line, size, used, digits + i);
}

/* Runs once (SA_RESETHAND), with nothing but write(2): the second denied call kills. */
static void
on_denied(int signum, siginfo_t *info, void *context)
{
	char line[128];
	unsigned number = (unsigned)info->si_syscall;
	const char *name = number < filter_call_count ? filter_call_names[number] : "";
	size_t n = 0;

	(void)signum, (void)context;
	n = append(line, sizeof(line), n, "<2>denied system call ");
	n = append(line, sizeof(line), n, *name ? name : "of no name");
	n = append(line, sizeof(line), n, " (");
	n = append_number(line, sizeof(line), n, number);
	n = append(line, sizeof(line), n, ")\n");
	ssize_t written = write(STDERR_FILENO, line, n);
	(void)written;
	syscall(SYS_ptrace, 0, 0, 0, 0);
	_exit(EXIT_FAILURE);
}

static int
load(const struct sock_filter *code, size_t count)
{
	const struct sock_fprog program = { (unsigned short)count, (struct sock_filter *)code };

	return (int)syscall(
	    SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
}

int
sandbox_seccomp_lock(const struct sandbox *s)
{
	const struct filter *f =
	    &filters[(s->tty ? FILTER_TTY : 0) | (s->addresses ? FILTER_ADDRESSES : 0)];
	struct sigaction denied = { .sa_sigaction = on_denied,
		.sa_flags = SA_SIGINFO | SA_RESETHAND };

	if (sigaction(SIGSYS, &denied, NULL) < 0)
		return -1;
	struct sock_filter *code = malloc(f->count * sizeof(*code));
	if (!code)
		return -1;
	memcpy(code, f->code, f->count * sizeof(*code));
	for (size_t i = 0; i < f->count; i++)
		if (code[i].k == FILTER_OWN_PID)
			code[i].k = (uint32_t)getpid();
	int result = load(code, f->count);
	int saved = errno;
	free(code);
	errno = saved;
	return result == 0 ? 0 : -1;
}
