#include "gatewayctl/terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pid_t pager;

bool
terminal_wants_colour(const char *when)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	if (strcmp(when, "auto") != 0)
		return strcmp(when, "always") == 0;
	return isatty(STDOUT_FILENO) && (!no || !*no) && term && strcmp(term, "dumb") != 0;
}

static const char *
pager_command(void)
{
	const char *own = getenv("GATEWAYCTL_PAGER"), *any = getenv("PAGER");

	if (own || any)
		return own ? own : any;
	return access("/usr/bin/less", X_OK) == 0 || access("/bin/less", X_OK) == 0 ? "less" : "";
}

bool
terminal_has_pager(void)
{
	const char *command = pager_command();

	return *command && strcmp(command, "cat") != 0;
}

void
terminal_start_pager(void)
{
	const char *command = pager_command();
	char *argv[] = { "sh", "-c", (char *)command, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2];

	if (!isatty(STDOUT_FILENO) || !terminal_has_pager() || pipe2(ends, O_CLOEXEC) < 0)
		return;
	/* Quits when it all fits on the screen, leaves colours and the screen as they are. */
	setenv("LESS", "FRSX", 0);
	setenv("LESSSECURE", "1", 1);
	setenv("LESSCHARSET", "utf-8", 0); /* as what we print is, whatever the locale */
	if (posix_spawn_file_actions_init(&actions) != 0)
		goto done;
	posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
	int error = posix_spawn(&pager, "/bin/sh", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		goto done;
	/* A reader who quits early is no fault. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	dup2(ends[1], STDOUT_FILENO);
done:
	close(ends[0]);
	close(ends[1]);
}

void
terminal_end_pager(void)
{
	if (pager <= 0)
		return;
	fflush(stdout);
	close(STDOUT_FILENO);
	while (waitpid(pager, NULL, 0) < 0)
		;
	pager = 0;
}

void
terminal_clear(void)
{
	fputs("\033[H\033[2J", stdout);
}
