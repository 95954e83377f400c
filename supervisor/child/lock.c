#include "supervisor/child/lock.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define LOCK_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define LOCK_ARCH AUDIT_ARCH_AARCH64
#else
#error "the filter does not know this machine"
#endif

/* The calls of another numbering (x32) begin here. */
enum { OTHER_NUMBERING = 0x40000000, NO_CALL = -1, NO_PID = -1 };

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* The low half of an argument: pids and flags have no more. */
#define LOAD_ARG(n)                                                                                \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (n))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define DENY_ALWAYS RETURN(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
/* Skips `else_` instructions where the call is another. */
#define IF_CALL(nr, else_) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(nr), 0, else_)
#define DENY(name) IF_CALL(__NR_##name, 1), DENY_ALWAYS
/* Its first argument is a pid: only its own. */
#define OWN_PID(name)                                                                              \
	IF_CALL(__NR_##name, 4), LOAD_ARG(0),                                                      \
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)NO_PID, 0, 1), ALLOW, DENY_ALWAYS

/* unshare first: its number is taken out for LOCK_NAMESPACES. */
enum { UNSHARE_AT = 6, LEAST = UNSHARE_AT };

static const struct sock_filter template[] = {
	LOAD(arch),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, LOCK_ARCH, 1, 0),
	RETURN(SECCOMP_RET_KILL_PROCESS),
	LOAD(nr),
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, OTHER_NUMBERING, 0, 1),
	RETURN(SECCOMP_RET_KILL_PROCESS),
	[UNSHARE_AT] = IF_CALL(__NR_unshare, 1),
	DENY_ALWAYS,
	/* connections that the plan does not have */
	DENY(socket),
	DENY(connect),
	DENY(bind),
	/* other processes */
	DENY(ptrace),
	DENY(process_vm_readv),
	DENY(process_vm_writev),
	DENY(process_madvise),
	DENY(process_mrelease),
	DENY(pidfd_open),
	DENY(pidfd_getfd),
	DENY(pidfd_send_signal),
	DENY(kcmp),
	DENY(tkill),
	DENY(perf_event_open),
	DENY(userfaultfd),
	DENY(bpf),
	/* file systems and namespaces */
	DENY(mount),
	DENY(umount2),
	DENY(pivot_root),
	DENY(chroot),
	DENY(setns),
	DENY(open_tree),
	DENY(move_mount),
	DENY(fsopen),
	DENY(fsconfig),
	DENY(fsmount),
	DENY(fspick),
	DENY(mount_setattr),
	DENY(open_by_handle_at),
	DENY(quotactl),
	/* keys, io_uring, the machine */
	DENY(keyctl),
	DENY(add_key),
	DENY(request_key),
	DENY(io_uring_setup),
	DENY(io_uring_enter),
	DENY(io_uring_register),
	DENY(init_module),
	DENY(finit_module),
	DENY(delete_module),
	DENY(kexec_load),
	DENY(reboot),
	DENY(swapon),
	DENY(swapoff),
	DENY(settimeofday),
	DENY(clock_settime),
	DENY(adjtimex),
	DENY(clock_adjtime),
	DENY(sethostname),
	DENY(setdomainname),
	DENY(acct),
	DENY(syslog),
#ifdef __x86_64__
	DENY(fork),
	DENY(vfork),
	DENY(iopl),
	DENY(ioperm),
	DENY(kexec_file_load),
#endif
	/* Its flags are in memory, where a filter does not see them: libc takes clone(2) then. */
	IF_CALL(__NR_clone3, 1),
	RETURN(SECCOMP_RET_ERRNO | ENOSYS),
	/* Threads, no processes. */
	IF_CALL(__NR_clone, 4),
	LOAD_ARG(0),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
	ALLOW,
	DENY_ALWAYS,
	OWN_PID(kill),
	OWN_PID(tgkill),
	OWN_PID(rt_sigqueueinfo),
	OWN_PID(rt_tgsigqueueinfo),
	ALLOW,
};

enum { LENGTH = sizeof(template) / sizeof(template[0]) };

static int
filter_calls(enum lock_level level, pid_t self)
{
	struct sock_filter filter[LENGTH];
	const struct sock_fprog program = { LENGTH, filter };

	memcpy(filter, template, sizeof(filter));
	if (level == LOCK_NAMESPACES)
		filter[UNSHARE_AT].k = (unsigned)NO_CALL;
	for (size_t i = 0; i < LENGTH; i++)
		if (BPF_CLASS(filter[i].code) == BPF_JMP && i > LEAST &&
		    filter[i].k == (unsigned)NO_PID)
			filter[i].k = (unsigned)self;
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 &&
	    level != LOCK_BEST_EFFORT)
		return -1;
	return 0;
}

int
lock_self(enum lock_level level, pid_t parent)
{
	const struct rlimit none = { 0, 0 };

	if (level == LOCK_OFF)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -1;
	/* It may have ended before that. */
	if (getppid() != parent)
		return errno = ESRCH, -1;
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return filter_calls(level, getpid());
}
