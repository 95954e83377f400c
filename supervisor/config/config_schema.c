#include "supervisor/config/config_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/schema/schema_json.h"
#include "supervisor/config/config_private.h"
#include "supervisor/config/device_type.h"

enum {
	MAX_SCHEMA = 1 << 20, /* bytes of what a runner prints */
	MAX_NODES = 100 * 1000,
	MAX_PATH = 4096,
};

/* --- what a runner says --- */

static pid_t
spawn(const char *program, const char *name, int out)
{
	char *const argv[] = { (char *)name, "--schema", NULL }, *const none[] = { NULL };
	posix_spawn_file_actions_t files;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
	int error = posix_spawn(&pid, program, &files, NULL, argv, none);
	posix_spawn_file_actions_destroy(&files);
	errno = error;
	return error ? -1 : pid;
}

static void
read_all(struct buffer *b, int fd)
{
	uint8_t *room;
	ssize_t n;

	while ((room = buffer_reserve(b, 4096)) && (n = read(fd, room, 4096)) > 0)
		buffer_commit(b, (size_t)n);
}

/* Its document, or NULL. */
static struct json_doc *
ask_runner(const char *libexec, const char *family)
{
	char program[MAX_PATH], err[256] = "";
	struct json_doc *doc = NULL;
	struct buffer b;
	int ends[2], status = -1;

	snprintf(program, sizeof(program), "%s/%s", libexec, family);
	buffer_init(&b, MAX_SCHEMA);
	if (pipe2(ends, O_CLOEXEC) < 0) {
		fprintf(stderr, "gatewayd: pipe: %s\n", strerror(errno));
		return NULL;
	}
	pid_t pid = spawn(program, family, ends[1]);
	if (pid < 0)
		snprintf(err, sizeof(err), "%s", strerror(errno));
	close(ends[1]);
	read_all(&b, ends[0]);
	close(ends[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
		doc = json_parse((const char *)buffer_data(&b), b.len, MAX_NODES, err, sizeof(err));
	if (!doc)
		fprintf(stderr, "gatewayd: %s: %s\n", program, *err ? err : "it has no schema");
	buffer_clear(&b);
	return doc;
}

/* --- one type --- */

static bool
is_supervisors(const char *key)
{
	const struct schema_field *f = config_device_schema.fields;

	while (f->key && strcmp(f->key, key) != 0)
		f++;
	return f->key != NULL;
}

/* The schema of a type as its runner says it, with the supervisor's keys. */
static void
put_type(struct json_writer *w, const struct json *type)
{
	json_begin_object(w, type->key);
	json_foreach (m, type) {
		if (strcmp(m->key, "properties") != 0) {
			json_put_tree(w, m->key, m);
			continue;
		}
		json_begin_object(w, m->key);
		schema_json_put_properties(w, config_device_schema.fields);
		json_foreach (p, m)
			if (!is_supervisors(p->key))
				json_put_tree(w, p->key, p);
		json_end_object(w);
	}
	json_end_object(w);
}

/* Puts those types of one runner that the configuration may name. */
static int
put_family(struct json_writer *w, const char *libexec, const char *family)
{
	struct json_doc *doc = ask_runner(libexec, family);

	if (!doc)
		return -1;
	for (size_t i = 0; device_type_at(i); i++) {
		const struct device_type *t = device_type_at(i);
		const struct json *type = json_get(json_root(doc), t->type);
		if (strcmp(t->family, family) == 0 && type)
			put_type(w, type);
	}
	json_free(doc);
	return 0;
}

static bool
is_first_of_family(size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(device_type_at(i)->family, device_type_at(index)->family) == 0)
			return false;
	return true;
}

/* --- a device, and the whole --- */

static void
put_modules(struct json_writer *w, const struct device_type *t)
{
	json_put_str(w, NULL, t->module);
	json_put_str(w, NULL, t->type);
}

/* { "required": ["KEY"] } */
static void
put_needs(struct json_writer *w, const char *outer, const char *key)
{
	json_begin_object(w, outer);
	json_begin_array(w, "required");
	json_put_str(w, NULL, key);
	json_end_array(w);
	json_end_object(w);
}

/* A device of this module without a runner of its own is what the type's runner says. */
static void
put_choice(struct json_writer *w, const struct device_type *t)
{
	char ref[CONFIG_MAX_NAME + 32];

	snprintf(ref, sizeof(ref), "#/definitions/%s", t->type);
	json_begin_object(w, NULL);
	json_begin_object(w, "if");
	json_begin_object(w, "properties");
	json_begin_object(w, "module");
	json_begin_array(w, "enum");
	put_modules(w, t);
	json_end_array(w);
	json_end_object(w);
	json_end_object(w);
	json_begin_array(w, "required");
	json_put_str(w, NULL, "module");
	json_end_array(w);
	put_needs(w, "not", "runner");
	json_end_object(w);
	json_begin_object(w, "then");
	json_put_str(w, "$ref", ref);
	json_end_object(w);
	json_end_object(w);
}

/* Without a runner of its own a device has a module that is known. */
static void
put_module_rule(struct json_writer *w)
{
	json_begin_object(w, NULL);
	put_needs(w, "if", "runner");
	json_begin_object(w, "else");
	json_begin_array(w, "required");
	json_put_str(w, NULL, "module");
	json_end_array(w);
	json_begin_object(w, "properties");
	json_begin_object(w, "module");
	json_begin_array(w, "enum");
	for (size_t i = 0; device_type_at(i); i++)
		put_modules(w, device_type_at(i));
	json_end_array(w);
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
}

/* Names of the root or of a device: segments of event types. */
static void
put_names(struct json_writer *w, const char *const keys[])
{
	json_begin_object(w, NULL);
	json_begin_object(w, "properties");
	for (size_t i = 0; keys[i]; i++) {
		json_begin_object(w, keys[i]);
		json_put_str(w, "pattern", CONFIG_NAME_PATTERN);
		json_put_int(w, "maxLength", CONFIG_MAX_NAME);
		json_end_object(w);
	}
	json_end_object(w);
	json_end_object(w);
}

static void
put_device(struct json_writer *w)
{
	static const char *const names[] = { "name", "type", NULL };

	json_begin_object(w, "device");
	schema_json_put_members(w, &config_device_schema);
	json_begin_array(w, "allOf");
	put_names(w, names);
	put_module_rule(w);
	for (size_t i = 0; device_type_at(i); i++)
		put_choice(w, device_type_at(i));
	json_end_array(w);
	json_end_object(w);
}

/* Exactly one of the servers, or none said at all. */
static void
put_one_server(struct json_writer *w)
{
	json_begin_object(w, "event_server");
	json_begin_array(w, "oneOf");
	json_begin_object(w, NULL);
	json_put_str(w, "type", "null");
	json_end_object(w);
	for (size_t i = 0; config_server_keys[i]; i++)
		put_needs(w, NULL, config_server_keys[i]);
	json_end_array(w);
	json_end_object(w);
}

/* Rules that the table of the root cannot express. */
static void
put_root_rules(struct json_writer *w)
{
	static const char *const names[] = { "name", "gateway_name", NULL };

	json_begin_array(w, "anyOf");
	for (size_t i = 0; names[i]; i++)
		put_needs(w, NULL, names[i]);
	json_end_array(w);
	json_begin_array(w, "allOf");
	put_names(w, names);
	json_begin_object(w, NULL);
	json_begin_object(w, "properties");
	put_one_server(w);
	json_begin_object(w, "devices");
	json_begin_object(w, "items");
	json_put_str(w, "$ref", "#/definitions/device");
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
	json_end_array(w);
}

int
config_schema_put(struct buffer *b, const char *libexec)
{
	struct json_writer w = { .b = b };
	int rc = 0;

	json_begin_object(&w, NULL);
	json_put_str(&w, "$schema", "http://json-schema.org/draft-07/schema#");
	json_put_str(&w, "title", "Configuration of gatewayd");
	schema_json_put_members(&w, &config_root_schema);
	put_root_rules(&w);
	json_begin_object(&w, "definitions");
	put_device(&w);
	for (size_t i = 0; rc == 0 && device_type_at(i); i++)
		if (is_first_of_family(i))
			rc = put_family(&w, libexec, device_type_at(i)->family);
	json_end_object(&w);
	json_end_object(&w);
	buffer_append_str(b, "\n");
	return b->failed ? -1 : rc;
}
