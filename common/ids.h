/*
 * Giving up what a process is: in gatewayd between fork and exec of a runner,
 * and in runners. Async-signal-safe, and safe where memory is shared with a
 * parent (vfork): nothing but system calls.
 */
#ifndef COMMON_IDS_H
#define COMMON_IDS_H

enum { IDS_NOBODY = 65534 }; /* user and group */

/* Root becomes user and group 65534 (nobody) without supplementary groups. The capabilities of
 * anybody are dropped: bounding, ambient, permitted, effective. 0, or -1 with errno. */
int ids_drop(void);
/* The capabilities alone; the user stays. 0, or -1 with errno. */
int ids_drop_capabilities(void);
/* The same but for one, which a program that root executes has as well. */
int ids_drop_capabilities_but(int capability);

#endif
