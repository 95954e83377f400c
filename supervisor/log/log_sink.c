#include "supervisor/log/log_sink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "supervisor/log/log_limit.h"
#include "supervisor/log/syslog_out.h"

enum {
	MAX_LINE = 1280, /* of standard error: a log line and its head */
};

/* A device whose level is not the gateway's. */
struct device_level {
	char *device; /* owned */
	enum log_level level;
};

static struct {
	struct config_log conf; /* its syslog_host is not used after log_sink_open() */
	bool on_journal;	/* standard error is the journal's stream */
	int journal;		/* a socket for its datagrams; 0: none yet */
	bool syslog_open;
	struct syslog_out syslog;
	struct log_limit limit;
	struct device_level *levels; /* sorted by device */
	size_t level_count;
} sink;

bool
log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static enum log_target
stderr_form(void)
{
	return sink.on_journal ? LOG_TARGET_PREFIX : LOG_TARGET_STDERR;
}

/* Writes the fields too, so that "journalctl DEVICE=plc1" works. A datagram does not wait for a
 * journald that hangs. Returns false when journald does not accept the line. */
static bool
write_journal(enum log_level level, const char *device, const char *event, const char *text)
{
	static const struct sockaddr_un address = { AF_UNIX, "/run/systemd/journal/socket" };
	char fields[2 * MAX_LINE];
	int n = snprintf(fields, sizeof(fields),
	    "PRIORITY=%d\nSYSLOG_IDENTIFIER=gatewayd\nMESSAGE=%s%s%s\n%s%s%s%s%s%s", (int)level,
	    device ? device : "", device ? ": " : "", text, device ? "DEVICE=" : "",
	    device ? device : "", device ? "\n" : "", event ? "EVENT=" : "", event ? event : "",
	    event ? "\n" : "");

	if (sink.journal <= 0)
		sink.journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return n < (int)sizeof(fields) &&
	       sendto(sink.journal, fields, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (const struct sockaddr *)&address, sizeof(address)) == n;
}

static bool
wants(const struct config_log_target *t, enum log_level level)
{
	return t->on && level <= t->level;
}

/* Writes to every target; to standard error when no other target accepts the line. */
static void
write_targets(enum log_level level, const char *device, const char *event, const char *text)
{
	bool console = wants(&sink.conf.console, level);
	bool syslog = sink.syslog_open && wants(&sink.conf.syslog, level);
	console |= syslog && sink.syslog.address_len == 0;
	bool journal = wants(&sink.conf.journal, level) || (console && sink.on_journal);

	if (journal && write_journal(level, device, event, text))
		console = console && !sink.on_journal;
	else if (journal)
		console = true;
	if (console)
		log_write_stderr(stderr_form(), level, device, text);
	if (syslog && sink.syslog.address_len)
		syslog_out_write(&sink.syslog, level, device, event, text);
}

static void
write_left_out(const char *device, const char *event, uint64_t left_out)
{
	char text[128];

	snprintf(text, sizeof(text), "%llu lines of '%s' were left out: they came too fast",
	    (unsigned long long)left_out, event);
	write_targets(LOG_LEVEL_WARNING, device && *device ? device : NULL, "log_suppressed", text);
}

static int
compare_device(const void *key, const void *element)
{
	return strcmp(key, ((const struct device_level *)element)->device);
}

static struct device_level *
find_level(const char *device)
{
	return sink.level_count ? bsearch(device, sink.levels, sink.level_count,
				      sizeof(*sink.levels), compare_device)
				: NULL;
}

enum log_level
log_sink_device_level(const char *device)
{
	const struct device_level *l = device ? find_level(device) : NULL;

	return l ? l->level : sink.conf.level;
}

static void
on_line(enum log_level level, const char *device, const char *event, const char *text)
{
	uint64_t left_out;

	if (level > log_sink_device_level(device))
		return;
	/* Lines without an event are the supervisor's own, and few. Debug lines are on only while
	 * somebody reads them. */
	if (event && level < LOG_LEVEL_DEBUG) {
		if (!log_limit_take(&sink.limit, device, event, monotime_now(), &left_out))
			return;
		if (left_out)
			write_left_out(device, event, left_out);
	}
	write_targets(level, device, event, text);
}

/* common/log.h lets through what any device wants; on_line() knows which. */
static void
apply_levels(void)
{
	enum log_level most = sink.conf.level;

	for (size_t i = 0; i < sink.level_count; i++)
		if (sink.levels[i].level > most)
			most = sink.levels[i].level;
	log_set_level(most);
}

static void
remove_level(struct device_level *l)
{
	free(l->device);
	sink.level_count--;
	memmove(l, l + 1, (size_t)(sink.levels + sink.level_count - l) * sizeof(*l));
}

static int
add_level(const char *device, enum log_level level)
{
	size_t at = 0;
	char *copy = strdup(device);
	struct device_level *levels =
	    copy ? reallocarray(sink.levels, sink.level_count + 1, sizeof(*levels)) : NULL;

	if (!levels) {
		free(copy);
		errno = ENOMEM;
		return -1;
	}
	sink.levels = levels;
	while (at < sink.level_count && strcmp(levels[at].device, device) < 0)
		at++;
	memmove(&levels[at + 1], &levels[at], (sink.level_count - at) * sizeof(*levels));
	levels[at] = (struct device_level){ copy, level };
	sink.level_count++;
	return 0;
}

int
log_sink_set_device_level(const char *device, int level)
{
	struct device_level *l = find_level(device);
	int r = 0;

	if (l && level < 0)
		remove_level(l);
	else if (l)
		l->level = (enum log_level)level;
	else if (level >= 0)
		r = add_level(device, (enum log_level)level);
	apply_levels();
	return r;
}

void
log_sink_set_level(enum log_level level)
{
	sink.conf.level = level;
	apply_levels();
}

static int
open_syslog(const struct config_log *conf)
{
	/* The same daemon: its pending lines stay, and it may connect at once. */
	if (sink.syslog_open && conf->syslog.on && syslog_out_is(&sink.syslog, conf)) {
		sink.syslog.retry = (struct monotime){ 0 };
		return 0;
	}
	if (sink.syslog_open)
		syslog_out_close(&sink.syslog);
	sink.syslog_open = false;
	if (!conf->syslog.on)
		return 0;
	if (syslog_out_open(&sink.syslog, conf) < 0) {
		int error = errno;
		syslog_out_close(&sink.syslog);
		errno = error;
		return -1;
	}
	sink.syslog_open = true;
	return 0;
}

int
log_sink_open(const struct config_log *conf)
{
	int r = open_syslog(conf);

	sink.conf = *conf;
	sink.on_journal = log_stderr_is_journal();
	if (r < 0 && !conf->journal.on)
		sink.conf.console = (struct config_log_target){ true, LOG_LEVEL_DEBUG };
	sink.conf.syslog_host = NULL;
	apply_levels();
	log_set_sink(on_line);
	return r;
}

bool
log_sink_wants_address(void)
{
	return sink.syslog_open && sink.syslog.address_len == 0;
}

void
log_sink_found(const struct sockaddr *address, socklen_t len)
{
	if (log_sink_wants_address())
		syslog_out_found(&sink.syslog, address, len);
}

static void
tell_left_out(struct monotime now, bool all)
{
	const struct log_limit_kind *k;
	uint64_t left_out;

	while ((k = log_limit_reopened(&sink.limit, now, all, &left_out)))
		write_left_out(k->device, k->event, left_out);
}

static void
report_lost(void)
{
	uint64_t lost = syslog_out_lost(&sink.syslog);
	char text[128];

	if (!lost)
		return;
	snprintf(text, sizeof(text), "%llu lines did not reach the syslog daemon",
	    (unsigned long long)lost);
	write_targets(LOG_LEVEL_WARNING, NULL, "log_suppressed", text);
}

void
log_sink_tick(struct monotime now)
{
	tell_left_out(now, false);
	log_report_lost(stderr_form());
	if (sink.syslog_open) {
		syslog_out_flush(&sink.syslog, now);
		report_lost();
	}
}

void
log_sink_close(void)
{
	tell_left_out(monotime_now(), true);
	if (sink.syslog_open)
		syslog_out_close(&sink.syslog);
	while (sink.level_count)
		remove_level(&sink.levels[sink.level_count - 1]);
	free(sink.levels);
	sink.levels = NULL;
	if (sink.journal > 0)
		fd_close(sink.journal);
	sink.journal = 0;
	sink.syslog_open = false;
	log_set_sink(NULL);
	log_set_level(sink.conf.level);
	log_limit_init(&sink.limit);
}
