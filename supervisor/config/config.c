#include "common/trust.h"
#include "supervisor/config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/nearest.h"
#include "supervisor/config/config_private.h"
#include "supervisor/config/toml_tree.h"
#include "supervisor/config/yaml_tree.h"

void
config_report_print(void *arg, enum schema_severity severity, const char *file, uint32_t line,
    uint32_t column, const char *path, const char *message)
{
	FILE *f = arg;

	fprintf(f, "%s:", file);
	if (line)
		fprintf(f, "%u:%u:", line, column);
	fprintf(f, " %s%s%s%s\n", severity == SCHEMA_WARNING ? "warning: " : "", path,
	    *path ? ": " : "", message);
}

static void
fault_at(struct config_check *k, enum schema_severity severity, uint32_t line, uint32_t column,
    const char *path, const char *message)
{
	/* Each kind has its own limit: no number of warnings hides the error. */
	unsigned *count = severity == SCHEMA_ERROR ? &k->errors : &k->warnings;

	if (++*count <= CONFIG_MAX_FAULTS)
		k->report(k->arg, severity, k->file, line, column, path, message);
}

uint32_t
config_fault_column(const struct json *where, const char *message)
{
	bool about_key = strncmp(message, SCHEMA_UNKNOWN_KEY, strlen(SCHEMA_UNKNOWN_KEY)) == 0;

	return about_key && where->key_column ? where->key_column : where->column;
}

/* By the path below "devices[3].": the device is the same wherever it stands. NULL where out of
 * memory. */
static char *
device_fault(const char *path, const char *message)
{
	const char *below = strchr(path, '.');
	char *text;

	return asprintf(&text, "%s%s%s", below ? below + 1 : "", below ? ": " : "", message) < 0
		   ? NULL
		   : text;
}

void
config_fault(void *check, enum schema_severity severity, const struct json *where, const char *path,
    const char *message)
{
	struct config_check *k = check;
	struct config_device *d = severity == SCHEMA_ERROR ? k->device : NULL;

	if (d && !d->fault)
		d->fault = device_fault(path, message);
	fault_at(k, severity, where ? where->line : 0,
	    where ? config_fault_column(where, message) : 0, path, message);
}

static void __attribute__((format(printf, 5, 0)))
fault_text(struct config_check *k, enum schema_severity severity, const struct json *where,
    const char *path, const char *fmt, va_list ap)
{
	char message[1024];

	vsnprintf(message, sizeof(message), fmt, ap);
	config_fault(k, severity, where, path, message);
}

void
config_error(
    struct config_check *k, const struct json *where, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fault_text(k, SCHEMA_ERROR, where, path, fmt, ap);
	va_end(ap);
}

void
config_warning(
    struct config_check *k, const struct json *where, const char *path, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fault_text(k, SCHEMA_WARNING, where, path, fmt, ap);
	va_end(ap);
}

static void
on_tree_fault(void *arg, enum schema_severity severity, uint32_t line, uint32_t column,
    const char *path, const char *message)
{
	fault_at(arg, severity, line, column, path, message);
}

static bool
is_toml(const char *path)
{
	size_t len = strlen(path);

	return len > 5 && strcmp(path + len - 5, ".toml") == 0;
}

static void
check_text(struct config_check *k, const char *text, size_t len)
{
	int faults = 0;

	if (len > CONFIG_MAX_FILE) {
		config_error(k, NULL, "", "longer than %d bytes", CONFIG_MAX_FILE);
		return;
	}
	k->c->doc = is_toml(k->file)
			? toml_tree_parse(text, len, CONFIG_MAX_NODES, on_tree_fault, k)
			: yaml_tree_parse(text, len, CONFIG_MAX_NODES, on_tree_fault, k, &faults);
	if (k->c->doc)
		config_check_root(k, json_root(k->c->doc));
}

static unsigned
beyond_limit(unsigned count)
{
	return count > CONFIG_MAX_FAULTS ? count - CONFIG_MAX_FAULTS : 0;
}

static struct config *
load_text(
    const char *text, size_t len, const char *file, config_report *report, void *arg, bool part)
{
	struct config_check k = { .report = report, .arg = arg, .file = file };

	k.c = calloc(1, sizeof(*k.c));
	if (k.c) {
		k.c->texts_fd = -1;
		k.c->path = strdup(file);
	}
	if (!k.c || !k.c->path)
		config_error(&k, NULL, "", "out of memory");
	else
		check_text(&k, text, len);
	unsigned more = beyond_limit(k.errors) + beyond_limit(k.warnings);
	if (more) {
		char message[64];
		snprintf(message, sizeof(message), "and %u more", more);
		report(arg, SCHEMA_WARNING, file, 0, 0, "", message);
	}
	if (k.errors == 0 || (k.errors == k.device_errors && !part))
		return k.c;
	if (part && k.c && k.c->doc) {
		k.c->at_fault = true;
		return k.c;
	}
	config_free(k.c);
	return NULL;
}

struct config *
config_load_text(const char *text, size_t len, const char *file, config_report *report, void *arg)
{
	return load_text(text, len, file, report, arg, false);
}

/* The whole file in memory of the caller's, or NULL after a report. */
static char *
read_file(struct config_check *k, size_t *len)
{
	struct stat st;
	char *text = NULL, why[512];
	/* Non-blocking, so that a FIFO in place of the file does not stop the loop on reload. */
	int fd = open(k->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st) < 0) {
		config_error(k, NULL, "", "%s", strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode)) {
		config_error(k, NULL, "", "expected a regular file");
		goto fail;
	}
	if (trust_path(k->file, 0, why, sizeof(why)) == TRUST_WRITABLE) {
		config_error(k, NULL, "", "refused: %s", why);
		goto fail;
	}
	if (st.st_size > CONFIG_MAX_FILE) {
		config_error(k, NULL, "", "longer than %d bytes", CONFIG_MAX_FILE);
		goto fail;
	}
	text = malloc((size_t)st.st_size + 1);
	if (!text) {
		config_error(k, NULL, "", "out of memory");
		goto fail;
	}
	ssize_t n;
	for (*len = 0; *len < (size_t)st.st_size; *len += (size_t)n) {
		n = read(fd, text + *len, (size_t)st.st_size - *len);
		if (n < 0) {
			config_error(k, NULL, "", "%s", strerror(errno));
			goto fail;
		}
		if (n == 0)
			break;
	}
	close(fd);
	return text;
fail:
	free(text);
	fd_close(fd);
	return NULL;
}

/* Readers of the file know what is secret in it. */
static void
warn_readable(struct config_check *k)
{
	const struct json *secret =
	    k->c && k->c->doc ? config_find_secret(json_root(k->c->doc)) : NULL;
	char why[512];

	if (secret && trust_path(k->file, TRUST_SECRET, why, sizeof(why)) == TRUST_READABLE)
		config_warning(k, secret, secret->key, "is a secret, and %s", why);
}

static struct config *
load(const char *path, config_report *report, void *arg, bool part)
{
	struct config_check k = { .report = report, .arg = arg, .file = path };
	size_t len;
	char *text = read_file(&k, &len);

	if (!text)
		return NULL;
	k.c = load_text(text, len, path, report, arg, part);
	free(text);
	warn_readable(&k);
	return k.c;
}

struct config *
config_load(const char *path, config_report *report, void *arg)
{
	return load(path, report, arg, false);
}

struct config *
config_load_part(const char *path, config_report *report, void *arg)
{
	return load(path, report, arg, true);
}

void
config_free(struct config *c)
{
	if (!c)
		return;
	int saved = errno;
	json_free(c->doc);
	json_free(c->rest);
	fd_close(c->texts_fd);
	free(c->path);
	free(c->address_host);
	for (size_t i = 0; i < c->device_count; i++) {
		free(c->devices[i].own_label);
		free(c->devices[i].fault);
	}
	free(c->devices);
	free(c);
	errno = saved;
}

/* The element of "[3]..."; *path moves behind it. */
static const struct json *
step_element(const struct json *j, const char **path)
{
	char *end;
	unsigned long index = strtoul(*path + 1, &end, 10);

	if (j->type != JSON_ARRAY || *end != ']')
		return NULL;
	*path = end + 1;
	const struct json *item = j->child;
	while (item && index-- > 0)
		item = item->next;
	return item;
}

/* The member of "key..." with the longest key that fits, as keys may hold dots. */
static const struct json *
step_member(const struct json *j, const char **path)
{
	const struct json *found = NULL;
	size_t longest = 0;

	if (j->type != JSON_OBJECT)
		return NULL;
	json_foreach (m, j) {
		size_t n = strlen(m->key);
		if (n < longest || strncmp(*path, m->key, n) != 0 || !strchr(".[", (*path)[n]))
			continue;
		found = m;
		longest = n;
	}
	*path += longest;
	return found;
}

static const struct json *
find(const struct json *j, const char *path)
{
	while (*path) {
		if (*path == '.')
			path++;
		const struct json *next =
		    *path == '[' ? step_element(j, &path) : step_member(j, &path);
		if (!next)
			break;
		j = next;
	}
	return j;
}

const struct json *
config_find(const struct config *c, const char *path)
{
	return find(json_root(c->doc), path);
}

const struct json *
config_device_find(const struct config_device *d, const char *path)
{
	return find(d->conf, path);
}

static const char *const supervisors_keys[] = { "runner", "runner_reads", "limits", "sandbox",
	"enabled", NULL };

bool
config_is_supervisors_key(const char *key)
{
	for (size_t i = 0; supervisors_keys[i]; i++)
		if (strcmp(supervisors_keys[i], key) == 0)
			return true;
	return false;
}

const char *
config_supervisors_nearest(const char *key)
{
	struct nearest n = nearest_begin(key);

	for (size_t i = 0; supervisors_keys[i]; i++)
		nearest_offer(&n, supervisors_keys[i]);
	return n.best;
}
