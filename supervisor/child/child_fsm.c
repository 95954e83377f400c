#include "supervisor/child/child_fsm.h"

static const struct monotime never = { 0 };

const char *
child_state_name(enum child_state state)
{
	static const char *const names[CHILD_STATE_COUNT] = { "disabled", "starting", "running",
		"stopping", "backoff", "failed" };

	return names[state];
}

const char *
child_kill_name(enum child_kill kill)
{
	static const char *const names[] = { "none", "never ready", "missed ping", "never stopped",
		"protocol violation", "does not answer" };

	return names[kill];
}

static void
enter(struct child_fsm *f, enum child_state state, struct monotime now, struct monotime deadline)
{
	if (f->state != state)
		f->since = now;
	f->state = state;
	f->deadline = deadline;
	f->excused = false;
}

/* Whether the deadline is put off: a supervisor that was held up (a file of many megabytes was
 * loaded, the machine slept) has not read yet what the runner may have said in time. */
static bool
excuse(struct child_fsm *f, struct monotime now)
{
	if (f->excused || monotime_diff_ms(now, f->deadline) < CHILD_LATE_MS)
		return false;
	f->excused = true;
	f->deadline = monotime_add_ms(now, CHILD_EXCUSE_MS);
	return true;
}

static struct monotime
after_ms(struct monotime now, uint32_t ms)
{
	return ms ? monotime_add_ms(now, ms) : never;
}

static unsigned
start(struct child_fsm *f, struct monotime now)
{
	f->kill = CHILD_KILL_NONE;
	f->pinged = false;
	enter(f, CHILD_STARTING, now, after_ms(now, f->limits.start_ms));
	return CHILD_DO_SPAWN;
}

static unsigned
restart(struct child_fsm *f, struct monotime now)
{
	f->restarts++;
	return start(f, now);
}

static unsigned
stop(struct child_fsm *f, struct monotime now)
{
	enter(f, CHILD_STOPPING, now, after_ms(now, f->limits.stop_ms));
	return CHILD_DO_STOP;
}

/* SIGKILL was sent: only the process' end follows. */
static unsigned
kill_it(struct child_fsm *f, enum child_kill why)
{
	if (f->kill == CHILD_KILL_NONE)
		f->kill = why;
	f->deadline = never;
	return CHILD_DO_KILL;
}

/* The time before restart number `failures` (from 1): 0, then 0.5 s doubling, a quarter of jitter
 * either way. */
static int64_t
backoff_ms(uint32_t failures, uint32_t random)
{
	int64_t ms = CHILD_BACKOFF_FIRST_MS;

	if (failures <= 1)
		return 0;
	for (uint32_t i = 2; i < failures && ms < CHILD_BACKOFF_MAX_MS; i++)
		ms *= 2;
	if (ms > CHILD_BACKOFF_MAX_MS)
		ms = CHILD_BACKOFF_MAX_MS;
	return ms * 3 / 4 + random % (uint32_t)(ms / 2 + 1);
}

static unsigned
unannounce(struct child_fsm *f)
{
	if (!f->announced)
		return 0;
	f->announced = false;
	return CHILD_DO_RUNNING_FALSE;
}

static unsigned
on_died(struct child_fsm *f, struct monotime now, uint32_t random)
{
	unsigned actions = unannounce(f);

	if (f->state == CHILD_RUNNING && monotime_diff_ms(now, f->since) >= CHILD_SETTLED_MS)
		f->failures = 0;
	f->failures++;
	int64_t ms = backoff_ms(f->failures, random);
	if (ms == 0)
		return actions | restart(f, now);
	enter(f, CHILD_BACKOFF, now, monotime_add_ms(now, ms));
	return actions;
}

static unsigned
on_died_config(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	enter(f, CHILD_FAILED, now, never);
	return unannounce(f);
}

/* A stop that ended, however: on again where it is wanted. */
static unsigned
on_stopped(struct child_fsm *f, struct monotime now, uint32_t random)
{
	unsigned actions = unannounce(f);

	(void)random;
	f->failures = 0;
	if (f->wanted)
		return actions | restart(f, now);
	enter(f, CHILD_DISABLED, now, never);
	return actions;
}

static unsigned
on_enable(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	f->failures = 0;
	return start(f, now);
}

static unsigned
on_disable_live(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	if (f->kill != CHILD_KILL_NONE) {
		enter(f, CHILD_STOPPING, now, never);
		return 0;
	}
	return stop(f, now);
}

static unsigned
on_disable_dead(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	enter(f, CHILD_DISABLED, now, never);
	return 0;
}

static unsigned
on_ready(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	if (f->kill != CHILD_KILL_NONE)
		return 0;
	f->announced = true;
	f->pinged = f->limits.ping_ms != 0;
	enter(f, CHILD_RUNNING, now, after_ms(now, f->limits.ping_ms));
	return (f->pinged ? CHILD_DO_PING : 0) | CHILD_DO_RUNNING_TRUE;
}

/* A pause of a second or more ends at the slot before, so that many devices are pinged in one turn
 * of the loop, which so often has nothing else to wake up for. */
static struct monotime
next_ping(struct monotime now, uint32_t pause_ms)
{
	struct monotime at = monotime_add_ms(now, pause_ms);

	if (pause_ms >= 4 * CHILD_PING_SLOT_MS)
		at.ns -= at.ns % (CHILD_PING_SLOT_MS * INT64_C(1000000));
	return at;
}

static unsigned
on_pong(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	f->pinged = false;
	uint32_t pause = f->limits.ping_ms < CHILD_PING_MS ? f->limits.ping_ms : CHILD_PING_MS;

	if (f->kill == CHILD_KILL_NONE)
		f->deadline = next_ping(now, pause);
	return 0;
}

static unsigned
on_violation(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)now, (void)random;
	return kill_it(f, CHILD_KILL_VIOLATION);
}

static unsigned
on_hung(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)now, (void)random;
	return kill_it(f, CHILD_KILL_HUNG);
}

static unsigned
on_spawn_error(struct child_fsm *f, struct monotime now, uint32_t random)
{
	/* Never at once: whatever was missing needs time. */
	if (f->failures == 0)
		f->failures = 1;
	return on_died(f, now, random);
}

/* The time that the Event Server takes is not the runner's. */
static unsigned
on_asked(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	if (f->deadline.ns && f->limits.start_ms < CHILD_ASKED_MS)
		f->deadline = monotime_add_ms(now, CHILD_ASKED_MS);
	return 0;
}

static unsigned
on_answered(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	if (f->deadline.ns)
		f->deadline = after_ms(now, f->limits.start_ms);
	return 0;
}

static unsigned
on_deadline_starting(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	return excuse(f, now) ? 0 : kill_it(f, CHILD_KILL_NEVER_READY);
}

static unsigned
on_deadline_running(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	if (f->pinged)
		return excuse(f, now) ? 0 : kill_it(f, CHILD_KILL_MISSED_PING);
	f->pinged = true;
	f->excused = false;
	f->deadline = monotime_add_ms(now, f->limits.ping_ms);
	return CHILD_DO_PING;
}

static unsigned
on_deadline_stopping(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	return excuse(f, now) ? 0 : kill_it(f, CHILD_KILL_NEVER_STOPPED);
}

static unsigned
on_restart_live(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	if (f->kill != CHILD_KILL_NONE)
		return 0;
	return stop(f, now);
}

static unsigned
on_restart_dead(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	if (!f->wanted)
		return 0;
	f->failures = 0;
	return restart(f, now);
}

static unsigned
on_deadline_backoff(struct child_fsm *f, struct monotime now, uint32_t random)
{
	(void)random;
	return restart(f, now);
}

typedef unsigned step(struct child_fsm *f, struct monotime now, uint32_t random);

/* An event without an entry changes nothing. */
static step *const table[CHILD_STATE_COUNT][CHILD_EVENT_COUNT] = {
	[CHILD_DISABLED] = { [CHILD_ENABLE] = on_enable },
	[CHILD_STARTING] = {
		[CHILD_DISABLE] = on_disable_live,
		[CHILD_READY] = on_ready,
		[CHILD_DIED] = on_died,
		[CHILD_DIED_CONFIG] = on_died_config,
		[CHILD_SPAWN_ERROR] = on_spawn_error,
		[CHILD_VIOLATION] = on_violation,
		[CHILD_HUNG] = on_hung,
		[CHILD_RESTART] = on_restart_live,
		[CHILD_ASKED] = on_asked,
		[CHILD_ANSWERED] = on_answered,
		[CHILD_DEADLINE] = on_deadline_starting,
	},
	[CHILD_RUNNING] = {
		[CHILD_DISABLE] = on_disable_live,
		[CHILD_PONG] = on_pong,
		[CHILD_DIED] = on_died,
		[CHILD_DIED_CONFIG] = on_died_config,
		[CHILD_VIOLATION] = on_violation,
		[CHILD_HUNG] = on_hung,
		[CHILD_RESTART] = on_restart_live,
		[CHILD_DEADLINE] = on_deadline_running,
	},
	[CHILD_STOPPING] = {
		[CHILD_DIED] = on_stopped,
		[CHILD_DIED_CONFIG] = on_stopped,
		[CHILD_VIOLATION] = on_violation,
		[CHILD_DEADLINE] = on_deadline_stopping,
	},
	[CHILD_BACKOFF] = {
		[CHILD_DISABLE] = on_disable_dead,
		[CHILD_RESTART] = on_restart_dead,
		[CHILD_DEADLINE] = on_deadline_backoff,
	},
	[CHILD_FAILED] = {
		[CHILD_DISABLE] = on_disable_dead,
		[CHILD_RESTART] = on_restart_dead,
	},
};

void
child_fsm_init(struct child_fsm *f, const struct child_deadlines *limits, struct monotime now)
{
	*f = (struct child_fsm){ .state = CHILD_DISABLED, .since = now, .limits = *limits };
}

unsigned
child_fsm_step(struct child_fsm *f, enum child_event event, struct monotime now, uint32_t random)
{
	step *s = table[f->state][event];

	if (event == CHILD_ENABLE)
		f->wanted = true;
	if (event == CHILD_DISABLE)
		f->wanted = false;
	return s ? s(f, now, random) : 0;
}
