/*
 * gatewayd as process 1, of a container. Process 1 inherits the
 * children of processes that ended before them, and must reap them: the
 * gateway itself reaps only what it started, by pidfd.
 */
#ifndef SUPERVISOR_INIT_H
#define SUPERVISOR_INIT_H

/* If this process is number 1: starts another one, in which it returns -1, and stays itself to
 * reap whatever ends and to pass on SIGTERM, SIGINT and SIGHUP. Returns the exit code of the other
 * one when that has ended (128 + the signal that ended it), or EX_OSERR where there is none. In
 * a process that is not number 1: returns -1 at once. */
int init_run(void);

#endif
