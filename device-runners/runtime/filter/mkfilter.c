/*
 * Build tool: writes, as C source on stdout, the system call filters of the
 * runners (gateway-sandbox(7)) and the names of all system calls, so that a
 * runner neither links libseccomp nor computes anything. Runs on the machine
 * that builds, for the architecture that it is told.
 */
#include <asm/termbits.h>
#include <byteswap.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "device-runners/runtime/filter/filter.h"

enum { MAX_NUMBER = 1024, MAX_FILTER = 4096 };

static scmp_filter_ctx ctx;
static uint32_t arch; /* the architecture that is built for */

static void
die(const char *what, int error)
{
	fprintf(stderr, "mkfilter: %s: %s\n", what, strerror(-error));
	exit(EXIT_FAILURE);
}

/* A name that the architecture does not have is left out: nobody can call it. libseccomp takes this
 * machine's number, a negative one where it has none, and translates it. */
static void
add(uint32_t action, const char *name, unsigned count, const struct scmp_arg_cmp *args)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number == __NR_SCMP_ERROR)
		die(name, -ENOSYS);
	if (seccomp_syscall_resolve_name_arch(arch, name) < 0)
		return;
	int r = seccomp_rule_add_array(ctx, action, number, count, args);
	if (r < 0)
		die(name, r);
}

/* Calls that work on what the process already has, or tell the time. Machines of 32 bits have some
 * of them twice or three times: with wide offsets, identifiers and times. */
static const char *const plain[] = {
	/* descriptors */
	"read",
	"readv",
	"pread64",
	"write",
	"writev",
	"lseek",
	"_llseek",
	"fstat",
	"fstat64",
	"close",
	"recv",
	"recvfrom",
	"recvmsg",
	"accept",
	"accept4",
	"shutdown",
	"getsockname",
	"getpeername",
	"getsockopt",
	/* waiting; libev makes a new epoll set when a descriptor that was closed here while the
	 * supervisor still had it open notifies once more */
	"epoll_create1",
	"epoll_ctl",
	"epoll_wait",
	"epoll_pwait",
	"poll",
	"ppoll",
	"ppoll_time64",
	"select",
	"_newselect",
	"pselect6",
	"pselect6_time64",
	"eventfd2",
	"timerfd_create",
	"timerfd_settime",
	"timerfd_settime64",
	"nanosleep",
	"clock_nanosleep",
	"clock_nanosleep_time64",
	/* time and chance */
	"clock_gettime",
	"clock_gettime64",
	"clock_getres",
	"clock_getres_time64",
	"gettimeofday",
	"time",
	"getrandom",
	/* memory; without execution, below */
	"brk",
	"munmap",
	"mremap",
	"madvise",
	/* the process itself */
	"futex",
	"futex_time64",
	"sched_yield",
	"sigreturn",
	"rt_sigreturn",
	"rt_sigprocmask",
	"sigaltstack",
	"restart_syscall",
	"getpid",
	"gettid",
	"getppid",
	"getuid",
	"getuid32",
	"geteuid",
	"geteuid32",
	"getgid",
	"getgid32",
	"getegid",
	"getegid32",
	"uname",
	"exit",
	"exit_group",
};

static void
allow_plain(void)
{
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		add(SCMP_ACT_ALLOW, plain[i], 0, NULL);
}

static void
allow_value(const char *name, unsigned arg, const uint64_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		add(SCMP_ACT_ALLOW, name, 1,
		    &(struct scmp_arg_cmp){
			arg, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)values[i] });
}

/* Only while none of these bits is set in an argument. */
static void
allow_without(const char *name, unsigned arg, uint64_t bits)
{
	add(SCMP_ACT_ALLOW, name, 1, &(struct scmp_arg_cmp){ arg, SCMP_CMP_MASKED_EQ, bits, 0 });
}

static void
allow_option(int level, int option)
{
	const struct scmp_arg_cmp args[] = {
		{ .arg = 1,
		    .op = SCMP_CMP_MASKED_EQ,
		    .datum_a = UINT32_MAX,
		    .datum_b = (uint32_t)level },
		{ .arg = 2,
		    .op = SCMP_CMP_MASKED_EQ,
		    .datum_a = UINT32_MAX,
		    .datum_b = (uint32_t)option },
	};

	add(SCMP_ACT_ALLOW, "setsockopt", 2, args);
}

/* Whether the architecture is one of 32 bits, whose C library asks with statx() for times of 64. */
static bool
is_narrow(void)
{
	return seccomp_syscall_resolve_name_arch(arch, "mmap2") >= 0;
}

static void
allow_limited(void)
{
	static const uint64_t fcntls[] = { F_GETFD, F_SETFD, F_GETFL, F_SETFL };
	static const uint64_t ioctls[] = { FIONREAD, FIONBIO, TCGETS };
	/* abort() of this very process: the number is put in when the filter is loaded. */
	static const struct scmp_arg_cmp abort_self[] = {
		{ .arg = 0,
		    .op = SCMP_CMP_MASKED_EQ,
		    .datum_a = UINT32_MAX,
		    .datum_b = FILTER_OWN_PID },
		{ .arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = SIGABRT },
	};
	static const struct scmp_arg_cmp read_limit[] = {
		{ .arg = 0, .op = SCMP_CMP_EQ },
		{ .arg = 2, .op = SCMP_CMP_EQ },
	};

	allow_without("mmap", 2, PROT_EXEC);
	allow_without("mmap2", 2, PROT_EXEC);
	allow_without("mprotect", 2, PROT_EXEC);
	allow_value("fcntl", 1, fcntls, sizeof(fcntls) / sizeof(fcntls[0]));
	allow_value("fcntl64", 1, fcntls, sizeof(fcntls) / sizeof(fcntls[0]));
	allow_value("ioctl", 1, ioctls, sizeof(ioctls) / sizeof(ioctls[0]));
	allow_value("prctl", 0, (const uint64_t[]){ PR_SET_NAME }, 1);
	allow_option(SOL_SOCKET, SO_KEEPALIVE);
	allow_option(SOL_SOCKET, SO_LINGER);
	allow_option(IPPROTO_TCP, TCP_NODELAY);
	allow_option(IPPROTO_TCP, TCP_QUICKACK);
	allow_option(IPPROTO_TCP, TCP_KEEPIDLE);
	allow_option(IPPROTO_TCP, TCP_KEEPINTVL);
	allow_option(IPPROTO_TCP, TCP_KEEPCNT);
	allow_option(IPPROTO_TCP, TCP_USER_TIMEOUT);
	add(SCMP_ACT_ALLOW, "tgkill", 2, abort_self);
	add(SCMP_ACT_ALLOW, "prlimit64", 2, read_limit);
	/* The C library's fstat() is one of these, with a path that a filter cannot read; it asks,
	 * for a buffer's size, and goes on without an answer. */
	add(SCMP_ACT_ERRNO(EACCES), "newfstatat", 0, NULL);
	add(SCMP_ACT_ERRNO(EACCES), "fstatat64", 0, NULL);
	if (is_narrow())
		add(SCMP_ACT_ERRNO(EACCES), "statx", 0, NULL);
	/* Names of mappings, of newer C libraries: not needed, not worth a life. */
	add(SCMP_ACT_ERRNO(EINVAL), "prctl", 1,
	    &(struct scmp_arg_cmp){ 0, SCMP_CMP_EQ, 0x53564d41, 0 });
}

static void
allow_tty(void)
{
	/* No TIOCSTI, no line disciplines, no TIOCSSERIAL. */
	static const uint64_t ioctls[] = { TCSETS, TCSETSW, TCSETSF, TCGETS2, TCSETS2, TCSETSW2,
		TCSETSF2, TCSBRK, TCSBRKP, TCXONC, TCFLSH, TIOCOUTQ, TIOCMGET, TIOCMSET, TIOCMBIS,
		TIOCMBIC, TIOCGICOUNT, TIOCGRS485, TIOCSRS485 };

	allow_value("ioctl", 1, ioctls, sizeof(ioctls) / sizeof(ioctls[0]));
}

/* A connected datagram socket sends to any address that a call names, and MSG_FASTOPEN makes a
 * connection, to anywhere, of a socket that lost its own. sendmsg() has its address in memory,
 * where a filter cannot look. */
static void
allow_sending(void)
{
	static const struct scmp_arg_cmp connected[] = {
		{ .arg = 3, .op = SCMP_CMP_MASKED_EQ, .datum_a = MSG_FASTOPEN },
		{ .arg = 4, .op = SCMP_CMP_EQ },
	};

	add(SCMP_ACT_ALLOW, "sendto", 2, connected);
	allow_without("send", 3, MSG_FASTOPEN);
}

static void
allow_addresses(void)
{
	allow_without("send", 3, MSG_FASTOPEN);
	allow_without("sendto", 3, MSG_FASTOPEN);
	allow_without("sendmsg", 2, MSG_FASTOPEN);
}

static void
set_attribute(enum scmp_filter_attr attribute, uint32_t value)
{
	int r = seccomp_attr_set(ctx, attribute, value);

	if (r < 0)
		die("attribute", r);
}

static void
print_code(const struct sock_filter code[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", code[i].code, code[i].jt, code[i].jf,
		    code[i].k);
}

/* Whether the architecture has the other byte order than this machine. */
static bool
is_other_order(void)
{
	bool big = arch == SCMP_ARCH_S390X || arch == SCMP_ARCH_S390 || arch == SCMP_ARCH_PPC ||
		   arch == SCMP_ARCH_PPC64 || arch == SCMP_ARCH_MIPS || arch == SCMP_ARCH_MIPS64 ||
		   arch == SCMP_ARCH_MIPS64N32 || arch == SCMP_ARCH_PARISC ||
		   arch == SCMP_ARCH_PARISC64;

	return big != (BYTE_ORDER == BIG_ENDIAN);
}

static void
print_filter(const char *head, const struct sock_filter first[], size_t count_first)
{
	static struct sock_filter code[MAX_FILTER];
	int fd = memfd_create("filter", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);

	if (r < 0)
		die("export", r);
	ssize_t n = pread(fd, code, sizeof(code), 0);
	if (n <= 0 || n == sizeof(code) || n % (ssize_t)sizeof(code[0]))
		die("export", -EFBIG);
	/* libseccomp exports in the byte order of the machine that is built for. */
	if (is_other_order())
		for (ssize_t i = 0; i < n / (ssize_t)sizeof(code[0]); i++)
			code[i].code = bswap_16(code[i].code), code[i].k = bswap_32(code[i].k);
	printf("%s[] = {\n", head);
	print_code(first, count_first);
	print_code(code, (size_t)n / sizeof(code[0]));
	printf("};\n\n");
	close(fd);
}

static void
begin(uint32_t otherwise)
{
	/* The kernel of the machine that builds does not matter: it is not asked. */
	seccomp_api_set(3);
	ctx = seccomp_init(otherwise);
	if (!ctx)
		die("init", -ENOMEM);
	if (arch != seccomp_arch_native() &&
	    (seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE) < 0 || seccomp_arch_add(ctx, arch) < 0))
		die("architecture", -EINVAL);
	set_attribute(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A binary tree over the numbers: some ten comparisons a call instead of ninety. */
	set_attribute(SCMP_FLTATR_CTL_OPTIMIZE, 2);
}

static void
write_filter(unsigned which)
{
	char head[64];

	begin(SCMP_ACT_TRAP);
	allow_plain();
	allow_limited();
	if (which & FILTER_TTY)
		allow_tty();
	if (which & FILTER_ADDRESSES)
		allow_addresses();
	else
		allow_sending();
	snprintf(head, sizeof(head), "static const struct sock_filter filter_%u", which);
	print_filter(head, NULL, 0);
	seccomp_release(ctx);
}

static void
write_filters(void)
{
	for (unsigned i = 0; i < FILTER_COUNT; i++)
		write_filter(i);
	printf("const struct filter filters[FILTER_COUNT] = {\n");
	for (unsigned i = 0; i < FILTER_COUNT; i++)
		printf("\t{ filter_%u, sizeof(filter_%u) / sizeof(filter_%u[0]) },\n", i, i, i);
	printf("};\n\n");
}

static void
write_names(void)
{
	printf("const char filter_call_names[][FILTER_NAME] = {\n");
	for (int i = 0; i < MAX_NUMBER; i++) {
		char *name = seccomp_syscall_resolve_num_arch(arch, i);
		if (name)
			printf("\t[%d] = \"%s\",\n", i, name);
		free(name);
	}
	printf("};\n\nconst size_t filter_call_count ="
	       " sizeof(filter_call_names) / sizeof(filter_call_names[0]);\n");
}

/* Calls that no process of the gateway needs, not even the supervisor, whose children keep its
 * filter. */
static const char *const denied_to_all[] = {
	/* other processes */
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"process_madvise",
	"process_mrelease",
	"pidfd_getfd",
	"kcmp",
	"perf_event_open",
	"userfaultfd",
	"bpf",
	/* file systems and namespaces */
	"mount",
	"umount",
	"umount2",
	"pivot_root",
	"chroot",
	"setns",
	"open_tree",
	"move_mount",
	"fsopen",
	"fsconfig",
	"fsmount",
	"fspick",
	"mount_setattr",
	"open_by_handle_at",
	"quotactl",
	"quotactl_fd",
	/* keys, io_uring, the machine */
	"keyctl",
	"add_key",
	"request_key",
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	"init_module",
	"finit_module",
	"delete_module",
	"kexec_load",
	"kexec_file_load",
	"reboot",
	"swapon",
	"swapoff",
	"settimeofday",
	"stime",
	"clock_settime",
	"clock_settime64",
	"adjtimex",
	"clock_adjtime",
	"clock_adjtime64",
	"sethostname",
	"setdomainname",
	"acct",
	"syslog",
	"iopl",
	"ioperm",
};

/* The outer lock, which every runner has, whoever wrote it: not what a program needs, but what none
 * may do. Connections that the plan does not have, and processes. */
static const char *const denied_to_runners[] = { "socket", "connect", "bind", "fork", "vfork" };

/* gateway-eventd's as well. */
static const char *const denied_to_children[] = {
	/* other processes */
	"pidfd_open",
	"pidfd_send_signal",
	"tkill",
	/* owners, modes, times and attributes of files, which Landlock leaves to who owns them */
	"chmod",
	"fchmod",
	"fchmodat",
	"chown",
	"fchown",
	"lchown",
	"chown32",
	"fchown32",
	"lchown32",
	"fchownat",
	"utime",
	"utimes",
	"futimesat",
	"utimensat",
	"utimensat_time64",
	"setxattr",
	"lsetxattr",
	"fsetxattr",
	"removexattr",
	"lremovexattr",
	"fremovexattr",
};

/* Their first argument is a pid: only the own one. */
static const char *const to_itself[] = { "kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo" };

/* The argument that names a process, by 0 the calling one: no other. */
static const struct {
	const char *name;
	unsigned arg;
} to_zero[] = {
	{ .name = "prlimit64", .arg = 0 },
	{ .name = "sched_setaffinity", .arg = 0 },
	{ .name = "sched_setscheduler", .arg = 0 },
	{ .name = "sched_setparam", .arg = 0 },
	{ .name = "sched_setattr", .arg = 0 },
	{ .name = "migrate_pages", .arg = 0 },
	{ .name = "move_pages", .arg = 0 },
	{ .name = "setpgid", .arg = 0 },
	{ .name = "setpriority", .arg = 1 },
	{ .name = "ioprio_set", .arg = 1 },
};

/* In front of the lock of a child: fchmodat2(), whose number is 452 on every machine, and whose
 * name libseccomp 2.5 does not know. */
static const struct sock_filter deny_fchmodat2[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 452, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

static void
deny(const char *const names[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		add(SCMP_ACT_ERRNO(EPERM), names[i], 0, NULL);
}

static void
deny_to_children(bool may_unshare)
{
	deny(denied_to_children, sizeof(denied_to_children) / sizeof(denied_to_children[0]));
	for (size_t i = 0; i < sizeof(to_itself) / sizeof(to_itself[0]); i++)
		add(SCMP_ACT_ERRNO(EPERM), to_itself[i], 1,
		    &(struct scmp_arg_cmp){ 0, SCMP_CMP_NE, FILTER_OWN_PID, 0 });
	for (size_t i = 0; i < sizeof(to_zero) / sizeof(to_zero[0]); i++)
		add(SCMP_ACT_ERRNO(EPERM), to_zero[i].name, 1,
		    &(struct scmp_arg_cmp){ to_zero[i].arg, SCMP_CMP_NE, 0, 0 });
	if (!may_unshare)
		add(SCMP_ACT_ERRNO(EPERM), "unshare", 0, NULL);
}

static void
deny_to_runners(void)
{
	deny(denied_to_runners, sizeof(denied_to_runners) / sizeof(denied_to_runners[0]));
	/* s390x has the stack first. */
	unsigned flags = arch == SCMP_ARCH_S390X ? 1 : 0;
	/* Threads, no processes. clone3() has its flags in memory, where a filter does not see
	 * them: libc takes clone() then. */
	add(SCMP_ACT_ERRNO(EPERM), "clone", 1,
	    &(struct scmp_arg_cmp){ flags, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0 });
	add(SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
}

static void
begin_lock(void)
{
	begin(SCMP_ACT_ALLOW);
	deny(denied_to_all, sizeof(denied_to_all) / sizeof(denied_to_all[0]));
}

static void
end_lock(const char *name, bool of_children)
{
	char head[64];

	snprintf(head, sizeof(head), "const struct sock_filter %s", name);
	print_filter(head, deny_fchmodat2,
	    of_children ? sizeof(deny_fchmodat2) / sizeof(deny_fchmodat2[0]) : 0);
	printf("const size_t %s_count = sizeof(%s) / sizeof(%s[0]);\n", name, name, name);
	seccomp_release(ctx);
}

static void
write_locks(void)
{
	printf("#include \"supervisor/child/lock_filter.h\"\n\n"
	       "const unsigned lock_filter_own_pid = 0x%xu;\n",
	    FILTER_OWN_PID);
	begin_lock();
	end_lock("lock_filter_supervisor", false);
	begin_lock();
	deny_to_children(false);
	end_lock("lock_filter_server", true);
	for (int may_unshare = 0; may_unshare < 2; may_unshare++) {
		begin_lock();
		deny_to_children(may_unshare);
		deny_to_runners();
		end_lock(may_unshare ? "lock_filter_namespaces" : "lock_filter", true);
	}
}

/* What the filters compare with, and the machine that is built for may number in another way: the
 * compiler looks. */
#define CONSTANT(name)                                                                             \
	{                                                                                          \
#name, (uint64_t)(name)                                                            \
	}
static const struct {
	const char *name;
	uint64_t value;
} constants[] = {
	CONSTANT(F_GETFD),
	CONSTANT(F_SETFD),
	CONSTANT(F_GETFL),
	CONSTANT(F_SETFL),
	CONSTANT(FIONREAD),
	CONSTANT(FIONBIO),
	CONSTANT(TCGETS),
	CONSTANT(TCSETS),
	CONSTANT(TCSETSW),
	CONSTANT(TCSETSF),
	CONSTANT(TCGETS2),
	CONSTANT(TCSETS2),
	CONSTANT(TCSETSW2),
	CONSTANT(TCSETSF2),
	CONSTANT(TCSBRK),
	CONSTANT(TCSBRKP),
	CONSTANT(TCXONC),
	CONSTANT(TCFLSH),
	CONSTANT(TIOCOUTQ),
	CONSTANT(TIOCMGET),
	CONSTANT(TIOCMSET),
	CONSTANT(TIOCMBIS),
	CONSTANT(TIOCMBIC),
	CONSTANT(TIOCGICOUNT),
	CONSTANT(TIOCGRS485),
	CONSTANT(TIOCSRS485),
	CONSTANT(PROT_EXEC),
	CONSTANT(PR_SET_NAME),
	CONSTANT(SOL_SOCKET),
	CONSTANT(SO_KEEPALIVE),
	CONSTANT(SO_LINGER),
	CONSTANT(IPPROTO_TCP),
	CONSTANT(TCP_NODELAY),
	CONSTANT(TCP_QUICKACK),
	CONSTANT(TCP_KEEPIDLE),
	CONSTANT(TCP_KEEPINTVL),
	CONSTANT(TCP_KEEPCNT),
	CONSTANT(TCP_USER_TIMEOUT),
	CONSTANT(MSG_FASTOPEN),
	CONSTANT(SIGABRT),
	CONSTANT(CLONE_THREAD),
	CONSTANT(EACCES),
	CONSTANT(EINVAL),
	CONSTANT(ENOSYS),
	CONSTANT(EPERM),
};

static void
write_constants(void)
{
	printf("#include <asm/termbits.h>\n#include <errno.h>\n#include <fcntl.h>\n#include "
	       "<netinet/in.h>\n#include "
	       "<netinet/tcp.h>\n"
	       "#include <sched.h>\n#include <signal.h>\n#include <sys/ioctl.h>\n#include "
	       "<sys/mman.h>\n"
	       "#include <sys/prctl.h>\n#include <sys/socket.h>\n\n");
	for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
		printf("_Static_assert(%s == %#" PRIx64
		       ", \"mkfilter compares %s with another number\");\n",
		    constants[i].name, constants[i].value, constants[i].name);
	printf("\n");
}

/* mkfilter ARCHITECTURE: the filters of the runtime; mkfilter ARCHITECTURE lock: those of the
 * supervisor's lock. The architecture as libseccomp names it, the first word of `gcc -dumpmachine`.
 */
int
main(int argc, char **argv)
{
	const struct scmp_version *v = seccomp_version();

	arch = argc > 1 ? seccomp_arch_resolve_name(argv[1]) : 0;
	if (!arch)
		die(argc > 1 ? argv[1] : "architecture", -EINVAL);
	printf("/* Made by mkfilter with libseccomp %u.%u.%u. */\n#include <stddef.h>\n"
	       "#include <linux/filter.h>\n",
	    v->major, v->minor, v->micro);
	write_constants();
	if (argc > 2) {
		write_locks();
		return 0;
	}
	printf("#include \"device-runners/runtime/filter/filter.h\"\n\n");
	write_filters();
	write_names();
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
}
