/*
 * System calls that the C library or its headers may not have yet, in any
 * process. Each is the call itself where the kernel has it.
 */
#ifndef COMMON_KERNEL_H
#define COMMON_KERNEL_H

/* Closes every descriptor from `first` on: by close_range(2) (Linux 5.9), before that one by one as
 * /proc/self/fd lists them. Returns 0, or -1 with errno. */
int kernel_close_from(int first);
/* Gives a process that shares its table of descriptors one of its own, with those below `first`:
 * the others are neither copied nor closed. close_range(2), Linux 5.9. Returns 0, or -1 with errno.
 */
int kernel_unshare_below(int first);

/* landlock(7), Linux 5.13. The version of its ABI, or -1 with errno (ENOSYS, EOPNOTSUPP: none). */
int kernel_landlock_abi(void);
/* A rule set that denies all that this kernel's Landlock can deny: no path can be opened, made or
 * removed, no TCP port bound or connected to, no signal sent to a process outside. A descriptor,
 * close-on-exec, or -1 with errno. */
int kernel_landlock_open(void);
/* A rule set that denies to make, change and remove what is in the file system, and nothing else:
 * reading and executing stay. A descriptor, close-on-exec, or -1 with errno. */
int kernel_landlock_open_writes(void);
/* As above, and executing is denied too. */
int kernel_landlock_open_writes_and_execute(void);
/* The file, or all below the folder, can be read and executed. A path that does not exist is no
 * failure. 0, or -1 with errno. */
int kernel_landlock_allow_read(int ruleset, const char *path);
/* The file can be written, and all below the folder made, changed and removed, but for devices. As
 * above. */
int kernel_landlock_allow_write(int ruleset, const char *path);
/* 0, or -1 with errno. Needs no_new_privs. */
int kernel_landlock_restrict(int ruleset);

#endif
