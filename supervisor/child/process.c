#include "supervisor/child/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/daemon/spawn.h"
#include "common/fdutil.h"
#include "common/trust.h"
#include "supervisor/child/process_private.h"

/* Forgotten by their owners, and not reaped yet. */
static struct process *freed;

/* --- the policy --- */

static void
schedule(struct process *p)
{
	struct ev_loop *loop = p->options.loop;

	ev_timer_stop(loop, &p->deadline);
	if (p->fsm.deadline.ns == 0)
		return;
	int64_t ms = monotime_diff_ms(p->fsm.deadline, monotime_now());
	ev_timer_set(&p->deadline, (double)(ms < 0 ? 0 : ms + 1) / 1e3, 0.);
	ev_timer_start(loop, &p->deadline);
}

/* What keeps it from running, until it runs. */
static void
explain(struct process *p, const char *what, const char *why)
{
	snprintf(p->trouble, sizeof(p->trouble), "%s%s%s", what, *why ? ": " : "", why);
}

static void
spawn(struct process *p)
{
	p->violation[0] = '\0';
	p->last_words[0] = '\0';
	p->output.last[0] = '\0';
	p->spawned = monotime_now();
	p->refused = false;
	if (p->options.ops->spawn(p->options.arg) == 0)
		return;
	if (!p->refused) {
		explain(p, "cannot start", p->last_words[0] ? p->last_words : strerror(errno));
		log_write(LOG_LEVEL_ERROR, p->options.device, "spawn_failed", "%s: %s",
		    p->options.name, p->trouble);
	}
	process_step(p, p->refused ? CHILD_DIED_CONFIG : CHILD_SPAWN_ERROR);
	/* One attempt. */
	if (p->options.once)
		process_step(p, CHILD_DISABLE);
}

static void
ask_to_stop(struct process *p)
{
	if (p->options.ops->stop)
		p->options.ops->stop(p->options.arg);
	else if (p->pid && !p->reaped)
		pidfd_send_signal(p->pidfd, SIGTERM, NULL, 0);
}

static void
do_actions(struct process *p, unsigned actions)
{
	const struct process_ops *ops = p->options.ops;
	void *arg = p->options.arg;

	if (actions & CHILD_DO_RUNNING_FALSE)
		ops->on_running(arg, false);
	if (actions & CHILD_DO_SPAWN)
		spawn(p);
	if (actions & CHILD_DO_STOP)
		ask_to_stop(p);
	if (actions & CHILD_DO_KILL)
		process_kill(p);
	if (actions & CHILD_DO_PING)
		ops->ping(arg);
	if (actions & CHILD_DO_RUNNING_TRUE)
		ops->on_running(arg, true);
}

static void
log_state(const struct process *p, enum child_state before)
{
	enum child_state after = p->fsm.state;
	enum log_level level = after == CHILD_FAILED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO;
	char restart[40] = "";

	if (after == CHILD_BACKOFF)
		snprintf(restart, sizeof(restart), ", restart in %.1f s",
		    (double)monotime_diff_ms(p->fsm.deadline, p->fsm.since) / 1e3);
	log_write(p->options.once ? LOG_LEVEL_DEBUG : level, p->options.device,
	    after == CHILD_FAILED ? "failed" : "state", "%s%s -> %s%s", p->subject,
	    child_state_name(before), child_state_name(after), restart);
}

void
process_step(struct process *p, enum child_event event)
{
	enum child_state before = p->fsm.state;
	unsigned actions = child_fsm_step(&p->fsm, event, monotime_now(), (uint32_t)random());
	bool changed = before != p->fsm.state;

	if (changed)
		log_state(p, before);
	if (p->fsm.state == CHILD_RUNNING || p->fsm.state == CHILD_DISABLED)
		p->trouble[0] = '\0';
	if (changed || actions & CHILD_DO_SPAWN)
		p->options.ops->on_state(p->options.arg, before);
	schedule(p);
	do_actions(p, actions);
}

/* Pings of many go out together: so many that the turn would be long. */
static bool
is_one_too_many(struct ev_loop *loop)
{
	static unsigned turn, served;

	if (turn != ev_iteration(loop))
		served = 0;
	turn = ev_iteration(loop);
	return ++served > PROCESS_DEADLINES_A_TURN;
}

static void
on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct process *p = w->data;

	(void)revents;
	if (is_one_too_many(loop)) {
		ev_timer_set(w, 0., 0.);
		ev_timer_start(loop, w);
		return;
	}
	/* Timers may be a little early; the policy is not asked before its time. */
	if (monotime_cmp(monotime_now(), p->fsm.deadline) < 0)
		schedule(p);
	else
		process_step(p, CHILD_DEADLINE);
}

/* --- its death --- */

static void
describe_signal(const struct process *p, int signum, char *cause, size_t size)
{
	const char *name = sigabbrev_np(signum);

	/* The runtime's handler of SIGSYS says as its last words which call it was. */
	if (signum == SIGSYS && strncmp(p->output.last, "denied system call ", 19) == 0)
		snprintf(cause, size, "%.100s", p->output.last);
	else if (signum == SIGSYS)
		snprintf(cause, size, "SIGSYS: denied system call");
	else if (name)
		snprintf(cause, size, "SIG%s", name);
	else
		snprintf(cause, size, "signal %d", signum);
}

static enum process_cause
classify_death(const struct process *p)
{
	if (p->fsm.kill == CHILD_KILL_VIOLATION)
		return PROCESS_VIOLATION;
	if (p->fsm.kill != CHILD_KILL_NONE)
		return PROCESS_DEADLINE;
	if (p->out_of_memory)
		return PROCESS_MEMORY;
	if (WIFSIGNALED(p->status))
		return PROCESS_SIGNAL;
	return WEXITSTATUS(p->status) == EX_CONFIG ? PROCESS_CONFIGURATION : PROCESS_EXIT;
}

static void
describe_death(const struct process *p, char *cause, size_t size)
{
	if (p->fsm.kill == CHILD_KILL_VIOLATION)
		snprintf(cause, size, "protocol violation: %s", p->violation);
	else if (p->fsm.kill != CHILD_KILL_NONE)
		snprintf(cause, size, "%s", child_kill_name(p->fsm.kill));
	else if (p->out_of_memory)
		snprintf(cause, size, "out of memory: killed by the kernel at its limit");
	else if (WIFSIGNALED(p->status))
		describe_signal(p, WTERMSIG(p->status), cause, size);
	else if (p->last_words[0])
		snprintf(cause, size, "%s", p->last_words);
	else if (WEXITSTATUS(p->status) == EX_CONFIG)
		snprintf(cause, size, "exit code 78 (configuration)");
	else
		snprintf(cause, size, "exit code %d", WEXITSTATUS(p->status));
}

static bool
ended_as_told(const struct process *p)
{
	return WIFEXITED(p->status) && WEXITSTATUS(p->status) == 0 &&
	       p->fsm.kill == CHILD_KILL_NONE &&
	       (p->fsm.state == CHILD_STOPPING || p->options.once);
}

/* An empty one in place of the oldest. Without memory for one it is nobody's. */
static struct process_obituary *
next_obituary(struct process *p)
{
	static struct process_obituary lost;
	struct process_obituary **o = &p->obituaries[p->deaths++ % PROCESS_MAX_OBITUARIES];

	if (!*o)
		*o = malloc(sizeof(**o));
	return *o ? *o : &lost;
}

static struct process_obituary *
make_obituary(struct process *p)
{
	struct process_obituary *o = next_obituary(p);

	*o = (struct process_obituary){ .when = timestamp_now(),
		.uptime_ms = monotime_diff_ms(monotime_now(), p->spawned),
		.pid = p->pid };
	p->deaths_by[classify_death(p)]++;
	describe_death(p, o->cause, sizeof(o->cause));
	/* The last words are mostly the last line, too: they are told once. */
	if (strncmp(o->cause, p->output.last, sizeof(o->cause) - 1) != 0)
		snprintf(o->last_line, sizeof(o->last_line), "%s", p->output.last);
	/* A check says itself what is wrong. */
	explain(p, o->cause, o->last_line);
	log_write(p->options.once ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, p->options.device,
	    p->options.device ? "runner_died" : "eventd_died", "%s %d died after %.1f s: %s%s%s",
	    p->options.name, (int)p->pid, (double)o->uptime_ms / 1e3, o->cause,
	    o->last_line[0] ? "; last line: " : "", o->last_line);
	return o;
}

void
process_refuse(struct process *p, const char *cause)
{
	struct process_obituary *o = next_obituary(p);

	p->refused = true;
	*o = (struct process_obituary){ .when = timestamp_now() };
	p->deaths_by[PROCESS_CONFIGURATION]++;
	snprintf(o->cause, sizeof(o->cause), "%s", cause);
	explain(p, cause, "");
	log_write(LOG_LEVEL_ERROR, p->options.device, "not_started", "%snot started: %s",
	    p->subject, o->cause);
}

static void
forget_process(struct process *p)
{
	ev_io_stop(p->options.loop, &p->exited);
	output_close(&p->output);
	fd_close(p->pidfd);
	p->pidfd = -1;
	p->pid = 0;
}

void
process_finish(struct process *p)
{
	bool config = WIFEXITED(p->status) && WEXITSTATUS(p->status) == EX_CONFIG &&
		      p->fsm.kill == CHILD_KILL_NONE;

	output_drain(&p->output);
	p->options.ops->on_ended(p->options.arg, ended_as_told(p) ? NULL : make_obituary(p));
	forget_process(p);
	/* A check is one life. */
	if (p->options.once)
		process_step(p, CHILD_DISABLE);
	process_step(p, config ? CHILD_DIED_CONFIG : CHILD_DIED);
}

/* Returns whether it has ended. */
static bool
reap(struct process *p)
{
	siginfo_t info = { 0 };

	/* It leads a session of its own; while it is a zombie its number is nobody else's. What it
	 * left behind would hold its socket open. */
	kill(-p->pid, SIGKILL);
	if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) < 0) {
		log_write(LOG_LEVEL_ERROR, p->options.device, "wait_failed", "wait for %d: %s",
		    (int)p->pid, strerror(errno));
		info.si_code = CLD_EXITED;
		info.si_status = EX_SOFTWARE;
	} else if (info.si_pid == 0) {
		return false;
	}
	p->out_of_memory = cgroup_remove(p->options.cgroup, p->options.device, p->group);
	p->reaped = true;
	p->status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0)
					       : W_EXITCODE(0, info.si_status);
	return true;
}

static void
on_exited(struct ev_loop *loop, ev_io *w, int revents)
{
	struct process *p = w->data;
	const struct process_ops *ops = p->options.ops;

	(void)revents;
	/* Many may end at once: others are reaped in the next turn. */
	if (ev_time() - ev_now(loop) > PROCESS_TURN_MS / 1e3 || !reap(p))
		return;
	ev_io_stop(loop, w);
	if (!ops->on_reaped || ops->on_reaped(p->options.arg))
		process_finish(p);
}

/* --- its start --- */

/* The state of the child until its program runs: it shares our memory, and we stand still. */
struct start {
	const struct process_exec *exec;
	const struct lock *lock;
	int fd, extra_fd; /* exec's; -1: none */
	int output;
	int group; /* for cgroup_join(); -1: none */
	/* Why it did not come to its program; 0 where it did. Volatile: for the compiler nothing
	 * comes back from the child. */
	volatile int error;
};

/* Handlers are ours; what is ignored would stay so. */
static void
reset_signals(void)
{
	struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &by_default, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* dup2() of a descriptor to itself leaves it close-on-exec. */
static int
move_fd(int from, int to)
{
	return from == to ? fcntl(from, F_SETFD, 0) : dup2(from, to);
}

static int
set_descriptors(const struct start *s)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || move_fd(null, STDIN_FILENO) < 0 || move_fd(s->output, STDOUT_FILENO) < 0 ||
	    move_fd(s->output, STDERR_FILENO) < 0)
		return -1;
	/* Out of the way of the other one. */
	int extra = s->extra_fd;
	if (extra >= 0 && (extra = fcntl(extra, F_DUPFD_CLOEXEC, PROCESS_EXTRA_FD + 1)) < 0)
		return -1;
	if (s->fd >= 0 && move_fd(s->fd, PROCESS_FD) < 0)
		return -1;
	return extra >= 0 ? move_fd(extra, PROCESS_EXTRA_FD) : 0;
}

/* Before all else, so that what it may use is counted from the first page on. */
static int
join_group(const struct start *s)
{
	if (s->group < 0 || cgroup_join(s->group) == 0)
		return 0;
	return lock_is_strict(s->lock) ? -1 : 0;
}

static int
become_program(void *arg)
{
	struct start *s = arg;

	reset_signals();
	if (join_group(s) == 0 && setsid() >= 0 && set_descriptors(s) >= 0 &&
	    lock_self(s->lock) == 0)
		lock_exec(s->lock, s->exec->path, s->exec->argv);
	s->error = errno;
	return EX_OSERR;
}

/* Returns 0, or -1 with errno. */
static int
exec_process(struct process *p, const struct process_exec *exec, int output, int group)
{
	struct lock lock = exec->lock;
	struct start s = { .exec = exec,
		.lock = &lock,
		.fd = exec->fd,
		.extra_fd = exec->extra_fd ? exec->extra_fd : -1,
		.output = output,
		.group = group };
	int *const fds[] = { &s.fd, &s.extra_fd, &s.output, &s.group, &lock.rules, &lock.program };
	sigset_t all, before;

	if (lock_prepare(&lock, exec->path) < 0) {
		lock_clear(&lock);
		return -1;
	}

	/* A handler of ours must not run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = spawn_child(become_program, &s, fds, sizeof(fds) / sizeof(fds[0]));
	int error = pid < 0 ? errno : s.error;
	sigprocmask(SIG_SETMASK, &before, NULL);
	lock_clear(&lock);
	/* It has ended: spawn_child() waited for that. */
	if (pid > 0 && error)
		waitpid(pid, NULL, 0);
	p->pid = error ? 0 : pid;
	errno = error;
	return error ? -1 : 0;
}

/* In a control group of its own where there is one. Returns 0, or -1 with errno. */
static int
exec_in_group(struct process *p, const struct process_exec *exec, int output)
{
	struct cgroup *all = exec->memory ? p->options.cgroup : NULL;
	int group = cgroup_make(all, p->options.device, exec->memory, &p->group);

	if (group < 0 && errno && lock_is_strict(&exec->lock))
		return -1;
	int result = exec_process(p, exec, output, group);
	fd_close(group);
	return result;
}

/* A program that strangers can change is not executed, whoever it belongs to. */
static bool
is_trusted(struct process *p, const char *program)
{
	char why[512], cause[600];

	if (trust_path(program, 0, why, sizeof(why)) != TRUST_WRITABLE)
		return true;
	snprintf(cause, sizeof(cause), "program refused: %s", why);
	process_refuse(p, cause);
	errno = EPERM;
	return false;
}

int
process_exec(struct process *p, const struct process_exec *exec)
{
	int pipes[2];

	p->reaped = p->out_of_memory = false;
	if (!is_trusted(p, exec->path))
		return -1;
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	int result = exec_in_group(p, exec, pipes[1]);
	fd_close(pipes[1]);
	if (result < 0 || (p->pidfd = pidfd_open(p->pid, 0)) < 0) {
		fd_close(pipes[0]);
		/* Without a descriptor for it there is no other way to its end than to wait. */
		if (p->pid) {
			kill(p->pid, SIGKILL);
			waitpid(p->pid, NULL, 0);
		}
		p->pid = 0;
		int saved = errno;
		cgroup_remove(p->options.cgroup, p->options.device, p->group);
		errno = saved;
		return -1;
	}
	fd_set_cloexec(p->pidfd, 1);
	output_open(&p->output, pipes[0]);
	ev_io_set(&p->exited, p->pidfd, EV_READ);
	ev_io_start(p->options.loop, &p->exited);
	p->exec_ns = (uint64_t)(monotime_now().ns - p->spawned.ns);
	return 0;
}

/* --- from one end to the other --- */

struct process *
process_new(const struct process_options *options)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->options = *options;
	p->pidfd = -1;
	if (!options->device)
		snprintf(p->subject, sizeof(p->subject), "%s: ", options->name);
	child_fsm_init(&p->fsm, &options->limits, monotime_now());
	output_init(&p->output, options->loop, p->subject);
	p->output.device = options->device;
	ev_timer_init(&p->deadline, on_deadline, 0., 0.);
	ev_io_init(&p->exited, on_exited, -1, EV_READ);
	ev_set_priority(&p->exited, 1); /* those who talk cannot keep it waiting */
	p->deadline.data = p;
	p->exited.data = p;
	return p;
}

static void
free_memory(struct process *p)
{
	for (size_t i = 0; i < PROCESS_MAX_OBITUARIES; i++)
		free(p->obituaries[i]);
	free(p);
}

static void
end_freed(struct process *p)
{
	struct process **at = &freed;

	while (*at != p)
		at = &(*at)->next_freed;
	*at = p->next_freed;
	forget_process(p);
	free_memory(p);
}

static void
on_freed_exited(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop, (void)revents;
	if (reap(w->data))
		end_freed(w->data);
}

void
process_free(struct process *p, int signum)
{
	if (!p)
		return;
	ev_timer_stop(p->options.loop, &p->deadline);
	output_close(&p->output);
	if (!p->pid || p->reaped) {
		forget_process(p);
		free_memory(p);
		return;
	}
	pidfd_send_signal(p->pidfd, signum, NULL, 0);
	/* The borrowed texts may be freed before the process is. */
	p->options.device = p->output.device = NULL;
	ev_set_cb(&p->exited, on_freed_exited);
	p->next_freed = freed;
	freed = p;
}

void
process_reap_freed(int ms)
{
	struct monotime end = monotime_add_ms(monotime_now(), ms);

	while (freed) {
		struct process *p = freed;
		int64_t left = monotime_diff_ms(end, monotime_now());
		struct pollfd ended = { .fd = p->pidfd, .events = POLLIN };
		if (poll(&ended, 1, left > 0 ? (int)left : 0) <= 0) {
			pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
			poll(&ended, 1, PROCESS_KILL_MS);
		}
		reap(p);
		end_freed(p);
	}
}

void
process_kill(struct process *p)
{
	if (p->pid && !p->reaped && pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0) < 0)
		log_write(LOG_LEVEL_ERROR, p->options.device, "kill_failed", "kill %d: %s",
		    (int)p->pid, strerror(errno));
}

void
process_set_violation(struct process *p, const char *why)
{
	snprintf(p->violation, sizeof(p->violation), "%s", why);
}

void
process_set_last_words(struct process *p, const char *words, bool keep_first)
{
	if (!keep_first || p->last_words[0] == '\0')
		snprintf(p->last_words, sizeof(p->last_words), "%s", words);
}

void
process_set_device(struct process *p, const char *device)
{
	p->options.device = device;
	p->output.device = device;
}

void
process_set_limits(struct process *p, const struct child_deadlines *limits)
{
	p->fsm.limits = *limits;
}

void
process_set_log_level(struct process *p, enum log_level level)
{
	p->output.level = level;
}

/* --- what is known of it --- */

enum child_state
process_state(const struct process *p)
{
	return p->fsm.state;
}

struct monotime
process_since(const struct process *p)
{
	return p->fsm.since;
}

bool
process_is_wanted(const struct process *p)
{
	return p->fsm.wanted;
}

bool
process_awaits_pong(const struct process *p)
{
	return p->fsm.pinged;
}

pid_t
process_pid(const struct process *p)
{
	return p->pid;
}

bool
process_is_reaped(const struct process *p)
{
	return p->reaped;
}

bool
process_is_violating(const struct process *p)
{
	return p->fsm.kill == CHILD_KILL_VIOLATION;
}

uint32_t
process_restarts(const struct process *p)
{
	return p->fsm.restarts;
}

uint32_t
process_deaths(const struct process *p)
{
	return p->deaths;
}

uint32_t
process_deaths_by(const struct process *p, enum process_cause cause)
{
	return p->deaths_by[cause];
}

const char *
process_cause_name(enum process_cause cause)
{
	static const char *const names[PROCESS_CAUSES] = {
		[PROCESS_VIOLATION] = "violation",
		[PROCESS_DEADLINE] = "deadline",
		[PROCESS_MEMORY] = "memory",
		[PROCESS_SIGNAL] = "signal",
		[PROCESS_CONFIGURATION] = "configuration",
		[PROCESS_EXIT] = "exit",
	};

	return names[cause];
}

struct monotime
process_spawned(const struct process *p)
{
	return p->spawned;
}

uint64_t
process_exec_ns(const struct process *p)
{
	return p->exec_ns;
}

enum log_level
process_log_level(const struct process *p)
{
	return p->output.level;
}

const char *
process_last_line(const struct process *p)
{
	return p->output.last;
}

const char *
process_trouble(const struct process *p)
{
	return p->trouble;
}

const struct process_obituary *
process_obituary(const struct process *p, size_t index)
{
	if (index >= p->deaths || index >= PROCESS_MAX_OBITUARIES)
		return NULL;
	return p->obituaries[(p->deaths - 1 - index) % PROCESS_MAX_OBITUARIES];
}
