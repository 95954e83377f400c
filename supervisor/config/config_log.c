#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/config/config_private.h"

/* "log": Python's logging.config.dictConfig, as far as levels and the handlers that this program
 * has go. Whatever else is named in a warning, and ignored. */

enum {
	SYSLOG_PORT = 514,	/* RFC 5426 */
	PYTHON_WARNING = 30,	/* the root logger's level where nothing is said */
	MAX_HANDLER_NAMES = 16, /* handlers of one logger */
	MAX_ENTRIES = 5000,	/* loggers (one a device, and more), handlers, names of them */
	MAX_PATH = 512,
};

const struct schema_field config_log_fields[] = {
	{ .key = "version", .is = { .kind = SCHEMA_INT, .min = 1, .max = 1 } },
	{ .key = "handlers", .is = { .kind = SCHEMA_OBJECT, .open = true } },
	{ .key = "loggers", .is = { .kind = SCHEMA_OBJECT, .open = true } },
	{ .key = "root", .is = { .kind = SCHEMA_OBJECT, .open = true } },
	{ .key = NULL },
};

enum handler_kind { HANDLER_CONSOLE, HANDLER_JOURNAL, HANDLER_SYSLOG, HANDLER_NULL };

static const struct {
	const char *class;
	enum handler_kind kind;
} handler_classes[] = {
	{ .class = "logging.StreamHandler", .kind = HANDLER_CONSOLE },
	{ .class = "colorlog.StreamHandler", .kind = HANDLER_CONSOLE },
	{ .class = "rich.logging.RichHandler", .kind = HANDLER_CONSOLE },
	{ .class = "logging.handlers.SysLogHandler", .kind = HANDLER_SYSLOG },
	{ .class = "hat.syslog.handler.SyslogHandler", .kind = HANDLER_SYSLOG },
	{ .class = "hat.syslog.handler.SysLogHandler", .kind = HANDLER_SYSLOG },
	{ .class = "systemd.journal.JournalHandler", .kind = HANDLER_JOURNAL },
	{ .class = "systemd.journal.JournaldLogHandler", .kind = HANDLER_JOURNAL },
	{ .class = "cysystemd.journal.JournaldLogHandler", .kind = HANDLER_JOURNAL },
	{ .class = "logging.NullHandler", .kind = HANDLER_NULL },
};

/* The keys of a handler that are read. Its formatter is named with log.formatters. */
static const char *const handler_keys[][9] = {
	[HANDLER_CONSOLE] = { "class", "level", "formatter", "stream" },
	[HANDLER_JOURNAL] = { "class", "level", "formatter" },
	[HANDLER_SYSLOG] = { "class", "level", "formatter", "address", "socktype", "host", "port",
	    "comm_type" },
	[HANDLER_NULL] = { "class", "level", "formatter" },
};

static const struct {
	const char *name;
	int64_t value; /* Python's */
} level_names[] = {
	{ .name = "CRITICAL", .value = 50 },
	{ .name = "FATAL", .value = 50 },
	{ .name = "ERROR", .value = 40 },
	{ .name = "WARNING", .value = 30 },
	{ .name = "WARN", .value = 30 },
	{ .name = "NOTICE", .value = 25 },
	{ .name = "INFO", .value = 20 },
	{ .name = "DEBUG", .value = 10 },
	{ .name = "NOTSET", .value = 0 },
};

/* Python's number of a level, or -1. */
static int64_t
python_level(const struct json *j)
{
	const char *name = json_str(j);
	int64_t v;

	if (json_int(j, 0, INT32_MAX, &v))
		return v;
	for (size_t i = 0; name && i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (strcasecmp(level_names[i].name, name) == 0)
			return level_names[i].value;
	return -1;
}

/* Lines of at least Python's level pass. There are none above errors here. */
static enum log_level
our_level(int64_t python)
{
	static const struct {
		int64_t above;
		enum log_level level;
	} rows[] = {
		{ .above = 30, .level = LOG_LEVEL_ERROR },
		{ .above = 25, .level = LOG_LEVEL_WARNING },
		{ .above = 20, .level = LOG_LEVEL_NOTICE },
		{ .above = 10, .level = LOG_LEVEL_INFO },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (python > rows[i].above)
			return rows[i].level;
	return LOG_LEVEL_DEBUG;
}

/* The level of an object (logger, handler) by Python's numbers; 0 where it has none of its own. */
static int64_t
own_level(const struct json *o)
{
	int64_t v = python_level(json_get(o, "level"));

	return v > 0 ? v : 0;
}

/* Python's root logger is also the one of loggers that is called '' or root. */
static const struct json *
find_root(const struct json *log)
{
	const struct json *loggers = json_get(log, "loggers"), *root = json_get(log, "root");

	if (!root)
		root = json_get(loggers, "");
	return root ? root : json_get(loggers, "root");
}

enum log_level
config_log_level(const struct json *log, const char *logger)
{
	const struct json *loggers = json_get(log, "loggers"), *root = find_root(log);
	const struct json *level = json_get(root, "level");
	char name[256];

	if (loggers && loggers->count > MAX_ENTRIES)
		return LOG_LEVEL_INFO;
	snprintf(name, sizeof(name), "%s", logger);
	for (char *end = name + strlen(name); end; end = strrchr(name, '.')) {
		*end = '\0';
		int64_t v = own_level(json_get(loggers, name));
		if (v)
			return our_level(v);
	}
	return our_level(level ? own_level(root) : PYTHON_WARNING);
}

static void
check_level(struct config_check *k, const struct json *o, const char *base)
{
	const struct json *j = json_get(o, "level");
	char path[MAX_PATH];

	if (!j || python_level(j) >= 0)
		return;
	snprintf(path, sizeof(path), "%.400s.level", base);
	config_error(k, j, path,
	    "expected one of CRITICAL, ERROR, WARNING, INFO, DEBUG, NOTSET or a number, found "
	    "%.40s",
	    j->type == JSON_STRING ? j->text : json_type_name(j->type));
}

/* Ours, or one above: "hat", "hat.gateway", "hat.gateway.devices...". */
static bool
is_our_logger(const char *name)
{
	static const char ours[] = "hat.gateway";
	size_t n = strlen(name);

	return strcmp(name, "hat") == 0 || strcmp(name, ours) == 0 ||
	       (n > sizeof(ours) && strncmp(name, ours, sizeof(ours) - 1) == 0 &&
		   name[sizeof(ours) - 1] == '.');
}

static void
take_host(struct config_check *k, const struct json *j, const char *base, const char *key)
{
	char path[MAX_PATH];

	k->c->log.syslog_host = json_str(j);
	snprintf(path, sizeof(path), "%.400s.%s", base, key);
	if (!json_str(j) || !*json_str(j))
		config_error(k, j, path, "expected the name or the address of a host");
}

/* j: NULL where none is said. */
static void
take_port(struct config_check *k, const struct json *j, const char *base, const char *key)
{
	int64_t port = SYSLOG_PORT;
	char path[MAX_PATH];

	snprintf(path, sizeof(path), "%.400s.%s", base, key);
	if (j && !json_int(j, 1, 65535, &port))
		config_error(k, j, path, "expected an integer from 1 to 65535");
	k->c->log.syslog_port = (uint16_t)port;
}

/* Python's: the path of a socket, or host and port. */
static void
take_address(struct config_check *k, const struct json *address, const char *base)
{
	struct config_log *log = &k->c->log;
	char path[MAX_PATH];

	if (address->type == JSON_ARRAY && address->count == 2) {
		take_host(k, address->child, base, "address[0]");
		take_port(k, address->last, base, "address[1]");
		return;
	}
	log->syslog_transport = CONFIG_SYSLOG_LOCAL;
	log->syslog_host = json_str(address);
	snprintf(path, sizeof(path), "%.400s.address", base);
	if (!log->syslog_host || !*log->syslog_host)
		config_error(k, address, path,
		    "expected the path of a socket, or an array of a host and a port");
}

/* The destination of a syslog handler: hat-syslog's host, port and comm_type, or Python's address.
 */
static void
take_syslog(struct config_check *k, const struct json *h, const char *base)
{
	static const char *const transports[] = { "UDP", "TCP", NULL };
	const struct json *address = json_get(h, "address"), *type = json_get(h, "comm_type");
	const char *socktype = json_str(json_get(h, "socktype"));
	struct config_log *log = &k->c->log;
	int transport = type ? json_enum(type, transports) : 0;
	bool tcp =
	    transport == 1 || (socktype && strcmp(socktype, "ext://socket.SOCK_STREAM") == 0);
	char path[MAX_PATH];

	log->syslog_transport = tcp ? CONFIG_SYSLOG_TCP : CONFIG_SYSLOG_UDP;
	log->syslog_host = "localhost";
	log->syslog_port = SYSLOG_PORT;
	if (address) {
		take_address(k, address, base);
	} else if (json_get(h, "host")) {
		take_host(k, json_get(h, "host"), base, "host");
		take_port(k, json_get(h, "port"), base, "port");
	}
	if (transport < 0) {
		snprintf(path, sizeof(path), "%.400s.comm_type", base);
		config_warning(
		    k, type, path, "only UDP and TCP are served, the handler is ignored");
		log->syslog.on = false;
	}
}

static void
use_handler(struct config_check *k, const struct json *h)
{
	struct config_log *log = &k->c->log;
	struct config_log_target *const targets[] = {
		[HANDLER_CONSOLE] = &log->console,
		[HANDLER_JOURNAL] = &log->journal,
		[HANDLER_SYSLOG] = &log->syslog,
		[HANDLER_NULL] = NULL,
	};
	const char *class = json_str(json_get(h, "class"));
	enum log_level level = our_level(own_level(h));
	char path[MAX_PATH];

	for (size_t i = 0; class && i < sizeof(handler_classes) / sizeof(handler_classes[0]); i++) {
		struct config_log_target *t = targets[handler_classes[i].kind];
		if (strcmp(handler_classes[i].class, class) != 0 || !t)
			continue;
		bool first = !t->on;
		t->level = first || level > t->level ? level : t->level;
		t->on = true;
		snprintf(path, sizeof(path), "log.handlers.%.200s", h->key);
		if (handler_classes[i].kind == HANDLER_SYSLOG && first)
			take_syslog(k, h, path);
		else if (handler_classes[i].kind == HANDLER_SYSLOG)
			config_warning(k, h, path, "a second syslog handler is ignored");
	}
}

static bool
check_count(struct config_check *k, const struct json *j, const char *path)
{
	if (!j || j->count <= MAX_ENTRIES)
		return true;
	config_error(k, j, path, "expected at most %d, found %zu", MAX_ENTRIES, j->count);
	return false;
}

/* The handlers of one logger. Returns false where one is named that is not there. */
static void
use_handlers(struct config_check *k, const struct json *logger, const char *base,
    const struct json *handlers, const struct json **used, size_t *count)
{
	const struct json *names = json_get(logger, "handlers");
	char path[MAX_PATH];

	if (!names)
		return;
	snprintf(path, sizeof(path), "%.400s.handlers", base);
	if (names->type != JSON_ARRAY) {
		config_error(k, names, path, "expected an array of names of handlers, found %s",
		    json_type_name(names->type));
		return;
	}
	if (!check_count(k, names, path))
		return;
	json_foreach (item, names) {
		const char *name = json_str(item);
		const struct json *h = name ? json_get(handlers, name) : NULL;
		size_t i = 0;
		if (!h) {
			config_error(
			    k, item, path, "expected the name of a handler in log.handlers");
			continue;
		}
		while (i < *count && used[i] != h)
			i++;
		if (i < *count || *count == MAX_HANDLER_NAMES)
			continue;
		used[(*count)++] = h;
		use_handler(k, h);
	}
}

static void
warn_handler_keys(
    struct config_check *k, const struct json *h, const char *base, enum handler_kind kind)
{
	const char *const *served = handler_keys[kind];
	const char *stream = json_str(json_get(h, "stream"));
	char path[MAX_PATH];

	json_foreach (m, h) {
		int i = 0;
		while (served[i] && strcmp(served[i], m->key) != 0)
			i++;
		snprintf(path, sizeof(path), "%.280s.%.200s", base, m->key);
		if (!served[i])
			config_warning(k, m, path, "ignored: not served");
	}
	snprintf(path, sizeof(path), "%.280s.stream", base);
	if (kind == HANDLER_CONSOLE && stream && strcmp(stream, "ext://sys.stderr") != 0)
		config_warning(k, json_get(h, "stream"), path,
		    "ignored: lines go to standard error, not to %.100s", stream);
}

static void
warn_handlers(struct config_check *k, const struct json *handlers)
{
	const size_t count = sizeof(handler_classes) / sizeof(handler_classes[0]);
	char path[MAX_PATH];

	if (!handlers || handlers->type != JSON_OBJECT)
		return;
	json_foreach (h, handlers) {
		const char *class = json_str(json_get(h, "class"));
		size_t i = class ? 0 : count;
		while (i < count && strcmp(handler_classes[i].class, class) != 0)
			i++;
		snprintf(path, sizeof(path), "log.handlers.%.200s", h->key);
		if (i == count)
			config_warning(k, h, path,
			    "ignored: of handlers, streams, syslog and the journal are served, not "
			    "%.100s",
			    class ? class : "one without a class");
		else
			warn_handler_keys(k, h, path, handler_classes[i].kind);
		check_level(k, h, path);
	}
}

/* Loggers below hat.gateway have their level honoured, nothing else; filters of loggers never are.
 */
static void
warn_logger_keys(struct config_check *k, const struct json *l, const char *base)
{
	static const char *const keys[] = { "filters", "handlers", "propagate" };
	size_t ignored = strncmp(l->key, "hat.gateway.", 12) == 0 ? 3 : 1;
	char path[MAX_PATH];

	for (size_t i = 0; i < ignored; i++) {
		const struct json *m = json_get(l, keys[i]);
		bool harmless = m && (m->type == JSON_ARRAY ? m->count == 0 : json_is_true(m));
		if (!m || harmless)
			continue;
		snprintf(path, sizeof(path), "%.280s.%s", base, keys[i]);
		config_warning(k, m, path,
		    i == 0 ? "ignored: not served"
			   : "ignored: lines of devices go where those of hat.gateway go");
	}
}

static void
check_loggers(struct config_check *k, const struct json *log)
{
	const struct json *loggers = json_get(log, "loggers"), *root = find_root(log);
	char path[MAX_PATH];

	if (root)
		warn_logger_keys(k, root, "log.root");
	if (!loggers || loggers->type != JSON_OBJECT || !check_count(k, loggers, "log.loggers"))
		return;
	json_foreach (l, loggers) {
		snprintf(path, sizeof(path), "log.loggers.%.200s", l->key);
		check_level(k, l, path);
		if (is_our_logger(l->key))
			warn_logger_keys(k, l, path);
		else if (l != root)
			config_warning(k, l, path, "ignored: no logger of this program");
	}
}

static void
warn_other_keys(struct config_check *k, const struct json *log)
{
	static const char *const served[] = { "version", "disable_existing_loggers", "incremental",
		"handlers", "loggers", "root", NULL };
	char path[MAX_PATH];

	json_foreach (m, log) {
		int i = 0;
		while (served[i] && strcmp(served[i], m->key) != 0)
			i++;
		if (served[i])
			continue;
		snprintf(path, sizeof(path), "log.%.200s", m->key);
		config_warning(k, m, path, "ignored: lines have the form of their target");
	}
}

/* Handlers of our loggers and, unless one of them does not propagate, of the root. */
static void
use_all_handlers(struct config_check *k, const struct json *log)
{
	static const char *const names[] = { "hat.gateway", "hat" };
	const struct json *handlers = json_get(log, "handlers"),
			  *loggers = json_get(log, "loggers");
	const struct json *used[MAX_HANDLER_NAMES];
	size_t count = 0;
	char path[MAX_PATH];

	if (!check_count(k, handlers, "log.handlers"))
		return;
	for (size_t i = 0; i < 2; i++) {
		const struct json *logger = json_get(loggers, names[i]);
		bool propagate = true;
		snprintf(path, sizeof(path), "log.loggers.%s", names[i]);
		use_handlers(k, logger, path, handlers, used, &count);
		if (json_bool(json_get(logger, "propagate"), &propagate) && !propagate)
			return;
	}
	use_handlers(k, find_root(log), "log.root", handlers, used, &count);
}

void
config_check_log(struct config_check *k, const struct json *log)
{
	struct config_log *c = &k->c->log;

	*c = (struct config_log){ .level = LOG_LEVEL_INFO };
	if (log && log->type == JSON_OBJECT && log->count > 0) {
		warn_other_keys(k, log);
		warn_handlers(k, json_get(log, "handlers"));
		check_loggers(k, log);
		check_level(k, json_get(log, "root"), "log.root");
		c->level = config_log_level(log, "hat.gateway");
		use_all_handlers(k, log);
	}
	/* Like Python's handler of last resort: a log that goes nowhere helps nobody. */
	if (!c->console.on && !c->journal.on && !c->syslog.on)
		c->console = (struct config_log_target){ true, LOG_LEVEL_DEBUG };
}
