/*
 * A runner that misbehaves on demand, for tests: device type "torture". Its
 * events gateway/tick carry {"seq", "pid", "ns"} every period_ms. An event
 * system/torture whose payload is the name of a misdeed makes it commit that;
 * so does "misdeed" in its configuration, at its start ("at": "create", "start")
 * or when it is asked to stop ("stop"). What should have been denied and was not
 * is logged as "ESCAPED".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device-runners/runtime/runner.h"
#include "ipc/message.h"
#include "tests/lib/spam.h"

enum { SUPERVISOR_FD = 3, MILLION = 1000000, BATCH = 500, SPAM_ELEMENTS = 32 };

struct torture {
	struct runner *runner;
	char misdeed[64], at[16];
	ev_timer tick;
	uint64_t seq;
	int million_left;
	bool never_ready, inventing;
};

static struct torture *self;

/* A call that must be denied: r is what it returned. */
static void
judge(const char *what, long r)
{
	if (r < 0 && (errno == EACCES || errno == EPERM))
		log_write(LOG_LEVEL_WARNING, NULL, "refused", "%s was refused: %s", what,
		    strerror(errno));
	else
		log_write(LOG_LEVEL_ERROR, NULL, "escaped", "ESCAPED: %s returned %ld (%s)", what,
		    r, r < 0 ? strerror(errno) : "done");
}

#define TRY(call) judge(#call, (long)(call))

/* --- escapes --- */

static const struct sockaddr_in loopback = {
	.sin_family = AF_INET, .sin_port = 0x1600, .sin_addr.s_addr = 0x0100007f
};

static void
do_open(void)
{
	TRY(open("/etc/passwd", O_RDONLY));
}
static void
do_create(void)
{
	TRY(open("/tmp/torture", O_WRONLY | O_CREAT, 0600));
}
static void
do_stat(void)
{
	struct stat st;
	TRY(stat("/etc/passwd", &st));
}
static void
do_unlink(void)
{
	TRY(unlink("/tmp/nothing"));
}
static void
do_socket(void)
{
	TRY(socket(AF_INET, SOCK_STREAM, 0));
}
static void
do_socket_unix(void)
{
	TRY(socket(AF_UNIX, SOCK_STREAM, 0));
}
static void
do_socket_raw(void)
{
	TRY(socket(AF_PACKET, SOCK_RAW, 0));
}
static void
do_connect(void)
{
	TRY(connect(SUPERVISOR_FD, (void *)&loopback, sizeof(loopback)));
}
static void
do_bind(void)
{
	TRY(bind(SUPERVISOR_FD, (void *)&loopback, sizeof(loopback)));
}
static void
do_listen(void)
{
	TRY(listen(SUPERVISOR_FD, 1));
}
static void
do_exec(void)
{
	TRY(execl("/bin/true", "true", NULL));
}
static void
do_fork(void)
{
	TRY(fork());
}
static void
do_clone(void)
{
	TRY(syscall(SYS_clone, CLONE_VM | SIGCHLD, 0, 0, 0, 0));
}
static void
do_clone3(void)
{
	TRY(syscall(SYS_clone3, NULL, 0));
}
static void
do_kill_parent(void)
{
	TRY(kill(getppid(), SIGTERM));
}
static void
do_kill_all(void)
{
	TRY(kill(-1, SIGTERM));
}
static void
do_tgkill(void)
{
	TRY(syscall(SYS_tgkill, getppid(), getppid(), SIGABRT));
}
static void
do_pidfd(void)
{
	TRY(syscall(SYS_pidfd_open, getppid(), 0));
}
static void
do_pidfd_signal(void)
{
	TRY(syscall(SYS_pidfd_send_signal, 0, SIGTERM, NULL, 0));
}
static void
do_pidfd_getfd(void)
{
	TRY(syscall(SYS_pidfd_getfd, 0, 3, 0));
}
static void
do_ptrace(void)
{
	TRY(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}
static void
do_setrlimit(void)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };
	TRY(setrlimit(RLIMIT_AS, &r));
}
static void
do_mount(void)
{
	TRY(mount("none", "/tmp", "tmpfs", 0, NULL));
}
static void
do_unshare(void)
{
	TRY(unshare(CLONE_NEWUSER));
}
static void
do_setns(void)
{
	TRY(setns(0, 0));
}
static void
do_chroot(void)
{
	TRY(chroot("/"));
}
static void
do_add_key(void)
{
	TRY(syscall(SYS_add_key, "user", "x", "x", 1, -3));
}
static void
do_io_uring(void)
{
	struct io_uring_params p = { 0 };
	TRY(syscall(SYS_io_uring_setup, 4, &p));
}
static void
do_bpf(void)
{
	TRY(syscall(SYS_bpf, 0, NULL, 0));
}
static void
do_userfaultfd(void)
{
	TRY(syscall(SYS_userfaultfd, 0));
}
static void
do_perf(void)
{
	TRY(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0));
}
static void
do_memfd(void)
{
	TRY(memfd_create("x", 0));
}
static void
do_setuid(void)
{
	TRY(setuid(0));
}
static void
do_dumpable(void)
{
	TRY(prctl(PR_SET_DUMPABLE, 1));
}
static void
do_deathsig(void)
{
	TRY(prctl(PR_SET_PDEATHSIG, 0));
}
static void
do_sigaction(void)
{
	struct sigaction a = { .sa_handler = SIG_IGN };
	TRY(sigaction(SIGSYS, &a, NULL));
}
static void
do_sti(void)
{
	TRY(ioctl(0, TIOCSTI, "x"));
}
/* What a connected datagram socket would take: the address of a stranger. */
static void
do_send_to(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(9) };

	TRY(sendto(3, "x", 1, MSG_NOSIGNAL, (struct sockaddr *)&a, sizeof(a)));
}

static void
do_send_message(void)
{
	struct msghdr m = { .msg_iovlen = 0 };

	TRY(sendmsg(3, &m, MSG_NOSIGNAL));
}

static void
do_fastopen(void)
{
	TRY(sendto(SUPERVISOR_FD, "x", 1, MSG_FASTOPEN, (const struct sockaddr *)&loopback,
	    sizeof(loopback)));
}
static void
do_map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	judge("mmap(PROT_EXEC)", p == MAP_FAILED ? -1 : 0);
}
static void
do_make_code(void)
{
	static char page[8192];
	TRY(mprotect(
	    (void *)(((uintptr_t)page + 4095) & ~(uintptr_t)4095), 4096, PROT_READ | PROT_EXEC));
}
static void
do_read_parent(void)
{
	char b[8];
	struct iovec mine = { b, 8 }, theirs = { &self, 8 };
	TRY(process_vm_readv(getppid(), &mine, 1, &theirs, 1, 0));
}
static void
do_parent_mem(void)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/mem", getppid());
	TRY(open(path, O_RDWR));
}
static void
do_old_abi(void)
{
	long r = -1;
#ifdef __x86_64__
	/* getpid of i386, whose number is an allowed call's here */
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
#endif
	judge("int 0x80", r);
}
static void
do_x32(void)
{
	TRY(syscall(0x40000000 + SYS_getpid));
}

/* --- deaths --- */

static void
do_segv(void)
{
	static int *volatile nowhere;

	*nowhere = 1;
}
static void
do_abort(void)
{
	abort();
}
static void
do_hang(void)
{
	for (volatile int x = 0;; x++)
		;
}
static void
do_exit0(void)
{
	_exit(0);
}
static void
do_exit1(void)
{
	_exit(1);
}
static void
do_exit78(void)
{
	_exit(78);
}
static void
do_nothing(void)
{
}

static int
recurse(int depth)
{
	volatile char frame[4096];

	frame[0] = (char)depth;
	return depth < 0 ? 0 : recurse(depth + 1) + frame[0];
}

static void
do_stack(void)
{
	recurse(0);
}

static void
do_oom(void)
{
	for (;;) {
		char *p = malloc(1 << 20);
		if (!p)
			runner_fail(self->runner, "out of memory");
		memset(p, 1, 1 << 20);
	}
}

static void
do_close_fd(void)
{
	close(SUPERVISOR_FD);
	poll(NULL, 0, 1000);
	do_hang();
}

static void
do_flood_log(void)
{
	static char line[200];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (;;)
		if (write(STDERR_FILENO, line, sizeof(line)) < 0 && errno != EAGAIN)
			_exit(1);
}

static void
do_fill_pipe(void)
{
	static char block[65536];

	memset(block, 'y', sizeof(block));
	for (int i = 0; i < 64; i++)
		if (write(STDOUT_FILENO, block, sizeof(block)) < 0 && errno != EAGAIN)
			_exit(1);
}

static void
do_binary(void)
{
	unsigned char b[4096];

	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (unsigned char)(i * 167 + 13);
	for (int i = 0; i < 16; i++)
		if (write(STDERR_FILENO, b, sizeof(b)) < 0 && errno != EAGAIN)
			_exit(1);
	_exit(1);
}

/* --- broken contracts --- */

static uint32_t say_id;

static void
say(unsigned type, unsigned flags, const void *body, size_t len)
{
	static uint8_t packet[IPC_MAX_MESSAGE + 4096];
	const uint8_t head[IPC_HEADER] = { type & 0xff, type >> 8, flags & 0xff, flags >> 8,
		say_id & 0xff, say_id >> 8 & 0xff, say_id >> 16 & 0xff, say_id >> 24 };

	memcpy(packet, head, sizeof(head));
	memcpy(packet + sizeof(head), body, len);
	if (send(SUPERVISOR_FD, packet, sizeof(head) + len, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		_exit(75);
}

#define SAY(name, bytes) say(IPC_##name, 0, bytes, sizeof(bytes) - 1)
#define GATEWAY "\x92\xa7gateway\xa1x"

static void
do_wrong_phase(void)
{
	SAY(PLAN, "\x90");
}
static void
do_unknown_type(void)
{
	say(999, 0, "\x90", 1);
}
static void
do_trailing(void)
{
	SAY(READY, "\x90\x90");
}
static void
do_flags(void)
{
	say(IPC_PONG, 1, "\x90", 1);
}
static void
do_supervisor(void)
{
	SAY(STOP, "\x90");
}
static void
do_prefix(void)
{
	SAY(REGISTER, "\x91\x93\x92\xa6system\xa6"
		      "enable\xc0\xa4true");
}
static void
do_utf8(void)
{
	SAY(REGISTER, "\x91\x93" GATEWAY "\xc0\xa2\"\xff");
}
static void
do_json(void)
{
	SAY(REGISTER, "\x91\x93" GATEWAY "\xc0\xa5{\"a\":");
}
static void
do_lying(void)
{
	SAY(STATS, "\xdd\x05\x55\x55\x55");
}
static void
do_ready_twice(void)
{
	SAY(READY, "\x90");
}
static void
do_pong(void)
{
	SAY(PONG, "\x90");
}
static void
do_open_index(void)
{
	SAY(OPEN, "\x91\x3f");
}
static void
do_short(void)
{
	send(SUPERVISOR_FD, "x", 1, MSG_NOSIGNAL);
}
static void
do_empty(void)
{
	send(SUPERVISOR_FD, "", 0, MSG_NOSIGNAL);
	do_hang();
}

static void
do_huge(void)
{
	static char zeros[IPC_MAX_MESSAGE];

	say(IPC_REGISTER, 0, zeros, sizeof(zeros));
}

static void
do_over_credit(void)
{
	static char body[40000];
	size_t head = sizeof("\x91\x93" GATEWAY "\xc0\xda..") - 1;

	memset(body, 'x', sizeof(body));
	memcpy(body, "\x91\x93" GATEWAY "\xc0\xda", head - 2);
	body[head - 2] = (char)((sizeof(body) - head) >> 8);
	body[head - 1] = (char)((sizeof(body) - head) & 0xff);
	body[head] = body[sizeof(body) - 1] = '"';
	for (int i = 0; i < 200000; i++)
		say(IPC_REGISTER, 0, body, sizeof(body));
}

static void
do_send_fd(void)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	uint8_t packet[] = { IPC_PONG, 0, 0, 0, 0, 0, 0, 0, 0x90 };
	struct iovec iov = { packet, sizeof(packet) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	const int fd = STDERR_FILENO;

	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	sendmsg(SUPERVISOR_FD, &m, MSG_NOSIGNAL);
}

/* What costs no credit, without end. */
static void
do_flood_stats(void)
{
	for (;;)
		SAY(STATS, "\x91\x92\xa1x\x01");
}
static void
do_flood_link(void)
{
	for (;;)
		SAY(LINK, "\x91\xa1x");
}
static void
do_flood_description(void)
{
	for (;;)
		SAY(DESCRIPTION, "\x92\xc0\x90");
}
static void
do_flood_query(void)
{
	for (;;)
		SAY(QUERY, "\x91\x91\xa1*");
}
/* As many as may be under way, each as large as a message takes it. */
static void
do_query_patterns(void)
{
	static uint8_t body[3 + 3 * IPC_MAX_COUNT] = { 0xdc, IPC_MAX_COUNT >> 8 };

	for (size_t i = 3; i < sizeof(body); i += 3)
		memcpy(body + i, "\x91\xa1?", 3);
	for (int i = 0; i < IPC_MAX_ASKED; i++)
		say(IPC_QUERY, 0, body, sizeof(body));
}
static void
do_flood_empty(void)
{
	for (;;)
		SAY(REGISTER, "\x90");
}
static void
do_flood_faults(void)
{
	for (;;)
		SAY(CONFIG_ERROR, "\x93\x00\xa1x\xa1y");
}

static void
do_stop_reading(void)
{
	for (;;)
		poll(NULL, 0, 1000);
}

/* A million events as fast as credit lets them go. */
static void
million_step(void)
{
	char text[32];
	const char *type[] = { "gateway", self->inventing ? text : "million" };

	for (int i = 0; i < BATCH && self->million_left && !runner_congested(self->runner); i++) {
		int n = snprintf(text, sizeof(text), "%d", MILLION - self->million_left--);
		runner_register(self->runner, type, 2, NULL, text, (size_t)n);
	}
	if (self->million_left && !runner_congested(self->runner))
		ev_feed_event(runner_loop(self->runner), &self->tick, EV_CUSTOM);
}

static void
on_resolved(void *arg, int fd, int error, const char *why)
{
	(void)arg;
	if (fd >= 0)
		close(fd);
	log_write(LOG_LEVEL_NOTICE, NULL, "resolved", "answer %d: %s", error, why);
}

static void
do_resolve(void)
{
	runner_open(self->runner, 0, on_resolved, NULL);
}

static void
do_million(void)
{
	self->million_left = MILLION;
	million_step();
}

/* The same, each of a type of its own. */
static void
do_invent(void)
{
	self->inventing = true;
	do_million();
}

/* Nothing but this message, as large and as fast as it may. */
static void
spam(const char *name, size_t len)
{
	static const struct {
		const char *name;
		unsigned type, sender;
		const char *shape;
	} messages[] = {
#define X(name_, number_, sender_, phases_, fd_, shape_) { #name_, number_, sender_, shape_ },
		IPC_MESSAGES(X)
#undef X
	};
	static uint8_t body[IPC_MAX_MESSAGE - IPC_HEADER];

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (strlen(messages[i].name) != len || memcmp(messages[i].name, name, len) != 0)
			continue;
		size_t size = spam_body(messages[i].shape, SPAM_ELEMENTS, body, sizeof(body));
		for (;; say_id++)
			say(messages[i].type, 0, body, size);
	}
	log_write(LOG_LEVEL_ERROR, NULL, "torture", "UNKNOWN misdeed spam-%.*s", (int)len, name);
}

static const struct {
	const char *name;
	void (*commit)(void);
} misdeeds[] = {
	{ "open", do_open },
	{ "create", do_create },
	{ "stat", do_stat },
	{ "unlink", do_unlink },
	{ "socket", do_socket },
	{ "socket-unix", do_socket_unix },
	{ "socket-raw", do_socket_raw },
	{ "connect", do_connect },
	{ "bind", do_bind },
	{ "listen", do_listen },
	{ "exec", do_exec },
	{ "fork", do_fork },
	{ "clone", do_clone },
	{ "clone3", do_clone3 },
	{ "kill-supervisor", do_kill_parent },
	{ "kill-all", do_kill_all },
	{ "tgkill", do_tgkill },
	{ "pidfd", do_pidfd },
	{ "pidfd-signal", do_pidfd_signal },
	{ "pidfd-getfd", do_pidfd_getfd },
	{ "ptrace", do_ptrace },
	{ "read-supervisor", do_read_parent },
	{ "supervisor-mem", do_parent_mem },
	{ "raise-limit", do_setrlimit },
	{ "mount", do_mount },
	{ "unshare", do_unshare },
	{ "setns", do_setns },
	{ "chroot", do_chroot },
	{ "add-key", do_add_key },
	{ "io-uring", do_io_uring },
	{ "bpf", do_bpf },
	{ "userfaultfd", do_userfaultfd },
	{ "perf", do_perf },
	{ "memfd", do_memfd },
	{ "setuid", do_setuid },
	{ "dumpable", do_dumpable },
	{ "deathsig", do_deathsig },
	{ "sigaction", do_sigaction },
	{ "tiocsti", do_sti },
	{ "fastopen", do_fastopen },
	{ "send-to", do_send_to },
	{ "send-message", do_send_message },
	{ "map-code", do_map_code },
	{ "make-code", do_make_code },
	{ "old-abi", do_old_abi },
	{ "x32", do_x32 },
	{ "segv", do_segv },
	{ "abort", do_abort },
	{ "hang", do_hang },
	{ "exit-0", do_exit0 },
	{ "exit-1", do_exit1 },
	{ "exit-78", do_exit78 },
	{ "stack", do_stack },
	{ "oom", do_oom },
	{ "close-fd", do_close_fd },
	{ "flood-log", do_flood_log },
	{ "fill-pipe", do_fill_pipe },
	{ "binary", do_binary },
	{ "never-ready", do_nothing },
	{ "wrong-phase", do_wrong_phase },
	{ "unknown-type", do_unknown_type },
	{ "trailing", do_trailing },
	{ "flags", do_flags },
	{ "supervisors-message", do_supervisor },
	{ "other-prefix", do_prefix },
	{ "bad-utf8", do_utf8 },
	{ "bad-json", do_json },
	{ "lying-count", do_lying },
	{ "ready-twice", do_ready_twice },
	{ "unasked-pong", do_pong },
	{ "open-unplanned", do_open_index },
	{ "short-packet", do_short },
	{ "empty-packet", do_empty },
	{ "huge-packet", do_huge },
	{ "over-credit", do_over_credit },
	{ "send-fd", do_send_fd },
	{ "flood-stats", do_flood_stats },
	{ "flood-link", do_flood_link },
	{ "flood-description", do_flood_description },
	{ "flood-query", do_flood_query },
	{ "query-patterns", do_query_patterns },
	{ "flood-empty", do_flood_empty },
	{ "flood-faults", do_flood_faults },
	{ "stop-reading", do_stop_reading },
	{ "million", do_million },
	{ "invent", do_invent },
	{ "resolve", do_resolve },
};

static void
commit(const char *name, size_t len)
{
	if (len > 5 && memcmp(name, "spam-", 5) == 0) {
		spam(name + 5, len - 5);
		return;
	}
	for (size_t i = 0; i < sizeof(misdeeds) / sizeof(misdeeds[0]); i++)
		if (strlen(misdeeds[i].name) == len && memcmp(misdeeds[i].name, name, len) == 0) {
			misdeeds[i].commit();
			return;
		}
	log_write(LOG_LEVEL_ERROR, NULL, "torture", "UNKNOWN misdeed %.*s", (int)len, name);
}

static void
commit_at(struct torture *t, const char *when)
{
	if (t->misdeed[0] && strcmp(t->at, when) == 0)
		commit(t->misdeed, strlen(t->misdeed));
}

/* --- the device --- */

static void
register_tick(struct torture *t)
{
	static const char *const type[] = { "gateway", "tick" };
	char text[128];

	int n = snprintf(text, sizeof(text), "{\"seq\":%" PRIu64 ",\"pid\":%d,\"ns\":%" PRId64 "}",
	    t->seq++, getpid(), monotime_now().ns);
	runner_register(t->runner, type, 2, NULL, text, (size_t)n);
}

static void
on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	if (revents & EV_TIMER)
		register_tick(w->data);
	if (self->million_left)
		million_step();
}

static void
copy_text(char *to, size_t size, const struct json *j)
{
	const char *text = json_str(j);

	snprintf(to, size, "%s", text ? text : "");
}

static void *
torture_create(struct runner *r, const struct json *conf)
{
	struct torture *t = calloc(1, sizeof(*t));
	int64_t period = 50;

	if (!t)
		return NULL;
	self = t;
	t->runner = r;
	copy_text(t->misdeed, sizeof(t->misdeed), json_get(conf, "misdeed"));
	copy_text(t->at, sizeof(t->at), json_get(conf, "at"));
	t->never_ready = strcmp(t->misdeed, "never-ready") == 0;
	if (json_get(conf, "period_ms"))
		json_int(json_get(conf, "period_ms"), 1, 60000, &period);
	ev_timer_init(&t->tick, on_tick, (double)period / 1e3, (double)period / 1e3);
	t->tick.data = t;
	const char *host = json_str(json_get(conf, "host"));
	runner_plan_connect(r, host ? host : "127.0.0.1", 9);
	commit_at(t, "create");
	return t;
}

static void
torture_start(void *device)
{
	struct torture *t = device;

	commit_at(t, "start");
	if (t->never_ready)
		return;
	runner_ready(t->runner);
	runner_set_link(t->runner, "tortured");
	ev_timer_start(runner_loop(t->runner), &t->tick);
}

static void
torture_on_event(void *device, const struct runner_event *e)
{
	(void)device;
	if (e->type_len == 2 && strcmp(e->type[1], "torture") == 0 && e->len > 2)
		commit(e->data + 1, e->len - 2);
}

static void
torture_on_credit(void *device)
{
	(void)device;
	if (self->million_left)
		million_step();
}

static void
torture_stop(void *device)
{
	static const char *const type[] = { "gateway", "last" };
	struct torture *t = device;

	commit_at(t, "stop");
	runner_register(t->runner, type, 2, NULL, "\"words\"", 7);
	ev_timer_stop(runner_loop(t->runner), &t->tick);
}

static const struct runner_device torture = { .type = "torture",
	.create = torture_create,
	.start = torture_start,
	.on_event = torture_on_event,
	.on_credit = torture_on_credit,
	.stop = torture_stop,
	.free = free };

int
main(int argc, char **argv)
{
	static const struct runner_device *const types[] = { &torture, NULL };

	return runner_main(argc, argv, types);
}
