/*
 * What stays of a configuration in force. The trees of its devices are most of
 * it, and are needed again only when a device starts or the next configuration
 * is compared: their text is kept in a file of the kernel's memory instead, which
 * is written once and mapped by nobody.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "supervisor/config/config_private.h"

enum { CHUNK = 32 * 1024, DEVICE_TEXTS = 4, GATEWAY_TEXTS = 12 };

/* --- the texts of devices --- */

static int
write_text(int fd, const struct buffer *b, off_t at)
{
	const uint8_t *p = buffer_data(b);

	for (size_t done = 0; done < b->len;) {
		ssize_t n = pwrite(fd, p + done, b->len - done, at + (off_t)done);
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

static int
keep_text(struct config_device *d, int fd, struct buffer *b, off_t *at)
{
	buffer_reset(b);
	config_device_json(d, b);
	if (buffer_failed(b) || write_text(fd, b, *at) < 0)
		return -1;
	d->text = (struct config_text){ .fd = fd, .at = *at, .len = b->len };
	*at += (off_t)b->len;
	return 0;
}

int
config_keep_texts(struct config *c)
{
	int fd = memfd_create("devices", MFD_CLOEXEC);
	struct buffer b;
	off_t at = 0;
	int result = fd < 0 ? -1 : 0;

	buffer_init(&b, CONFIG_MAX_FILE);
	for (size_t i = 0; result == 0 && i < c->device_count; i++)
		result = keep_text(&c->devices[i], fd, &b, &at);
	buffer_clear(&b);
	for (size_t i = 0; result < 0 && i < c->device_count; i++)
		c->devices[i].text = (struct config_text){ .fd = -1 };
	if (result < 0)
		fd_close(fd);
	else
		c->texts_fd = fd;
	return result;
}

static void
read_text(const struct config_text *t, struct buffer *b)
{
	for (size_t done = 0; done < t->len;) {
		size_t some = t->len - done < CHUNK ? t->len - done : CHUNK;
		uint8_t *p = buffer_reserve(b, some);
		ssize_t n = p ? pread(t->fd, p, some, t->at + (off_t)done) : -1;
		if (n <= 0) {
			b->failed = true;
			return;
		}
		buffer_commit(b, (size_t)n);
		done += (size_t)n;
	}
}

void
config_device_json(const struct config_device *d, struct buffer *b)
{
	struct json_writer w = { .b = b };

	if (!d->conf) {
		read_text(&d->text, b);
		return;
	}
	json_begin_object(&w, NULL);
	json_foreach (m, d->conf)
		if (!config_is_supervisors_key(m->key))
			json_put_tree(&w, m->key, m);
	json_end_object(&w);
}

const struct json *
config_device_tree(const struct config_device *d, struct json_doc **doc)
{
	struct buffer b;
	char err[128];

	*doc = NULL;
	if (d->conf)
		return d->conf;
	buffer_init(&b, CONFIG_MAX_FILE);
	read_text(&d->text, &b);
	if (!buffer_failed(&b))
		*doc = json_parse(
		    (const char *)buffer_data(&b), b.len, CONFIG_MAX_NODES, err, sizeof(err));
	buffer_clear(&b);
	return *doc ? json_root(*doc) : NULL;
}

/* Trees are no deeper than the reader allows. */
static bool
tree_names(const struct json *j, const char *text)
{
	if (j->type == JSON_STRING)
		return strcmp(j->text, text) == 0;
	if (j->type == JSON_OBJECT || j->type == JSON_ARRAY)
		json_foreach (m, j)
			if (tree_names(m, text))
				return true;
	return false;
}

/* What config_device_json() wrote: a quote in a text has a backslash before it. text does not begin
 * as what follows a text. */
static bool
json_names(const char *json, size_t len, const char *text, size_t size)
{
	const char *at = json, *end = json + len;

	while ((at = memmem(at, (size_t)(end - at), text, size))) {
		if (at > json && at[-1] != '\\' && at + size < end && at[size] != ':')
			return true;
		at++;
	}
	return false;
}

static bool
text_names(const struct config_text *t, const char *text)
{
	struct buffer json, quoted;
	struct json_writer w = { .b = &quoted };

	buffer_init(&json, CONFIG_MAX_FILE);
	buffer_init(&quoted, CONFIG_MAX_FILE);
	read_text(t, &json);
	json_put_str(&w, NULL, text);
	bool found = !buffer_failed(&json) && !buffer_failed(&quoted) &&
		     json_names((const char *)buffer_data(&json), json.len,
			 (const char *)buffer_data(&quoted), quoted.len);
	buffer_clear(&json);
	buffer_clear(&quoted);
	return found;
}

bool
config_device_names(const struct config_device *d, const char *text)
{
	struct json_doc *doc;

	/* Hardly a path begins so. */
	if (!d->conf && !strchr(",:]}", *text))
		return text_names(&d->text, text);
	const struct json *tree = config_device_tree(d, &doc);
	bool found = tree && tree_names(tree, text);
	json_free(doc);
	return found;
}

bool
config_text_equal(const struct config_text *a, const struct config_text *b)
{
	char x[CHUNK], y[CHUNK];

	if (a->fd < 0 || b->fd < 0 || a->len == 0 || a->len != b->len)
		return false;
	for (size_t done = 0; done < a->len;) {
		size_t some = a->len - done < CHUNK ? a->len - done : CHUNK;
		if (pread(a->fd, x, some, a->at + (off_t)done) != (ssize_t)some ||
		    pread(b->fd, y, some, b->at + (off_t)done) != (ssize_t)some ||
		    memcmp(x, y, some) != 0)
			return false;
		done += some;
	}
	return true;
}

/* --- everything else --- */

/* The tree, below parent of another document; without the member skip of its root. NULL when out of
 * memory. */
static const struct json *
copy_tree(struct json_doc *doc, struct json *parent, const struct json *j, const char *skip)
{
	struct json *copy = json_add(doc, parent, j->type, j->key, j->text, j->len);

	if (!copy)
		return NULL;
	copy->boolean = j->boolean;
	copy->line = j->line;
	copy->column = j->column;
	copy->key_column = j->key_column;
	json_foreach (m, j)
		if (!(skip && m->key && strcmp(m->key, skip) == 0) &&
		    !copy_tree(doc, copy, m, NULL))
			return NULL;
	return copy;
}

/* What config.h says that doc owns. */
static size_t
list_texts(struct config *c, const char ***texts)
{
	const char **const own[GATEWAY_TEXTS] = { &c->name, &c->component_name, &c->server_host,
		&c->server_token, &c->gateway_group, &c->event_server_group, &c->built_in.data,
		&c->built_in.listen_host, &c->built_in.token_file, &c->control_group,
		&c->observe_group, &c->log.syslog_host };
	size_t n = GATEWAY_TEXTS;

	memcpy(texts, own, sizeof(own));
	for (size_t i = 0; i < c->device_count; i++) {
		struct config_device *d = &c->devices[i];
		texts[n++] = &d->name;
		/* Else these are the table's. */
		if (!d->family) {
			texts[n++] = &d->type;
			texts[n++] = &d->module;
			texts[n++] = &d->runner;
		}
	}
	return n;
}

/* The lists of paths and rules that doc owns. */
static size_t
list_trees(struct config *c, const struct json ***trees)
{
	size_t n = 0;

	trees[n++] = &c->built_in.retention;
	for (size_t i = 0; i < c->device_count; i++)
		trees[n++] = &c->devices[i].runner_reads;
	return n;
}

struct settling {
	struct json_doc *root, *rest; /* the file without "devices"; what was copied beside it */
	struct json *list;	      /* of rest */
	const char ***texts;	      /* where they are */
	const char **text_copies;
	size_t text_count;
	const struct json ***trees;
	const struct json **tree_copies;
	size_t tree_count;
};

static int
copy_all(struct settling *s, const struct config *c)
{
	if (!copy_tree(s->root, NULL, json_root(c->doc), "devices") ||
	    !(s->list = json_add(s->rest, NULL, JSON_ARRAY, NULL, NULL, 0)))
		return -1;
	for (size_t i = 0; i < s->text_count; i++) {
		const char *text = *s->texts[i];
		const struct json *copy =
		    text ? json_add(s->rest, s->list, JSON_STRING, NULL, text, strlen(text)) : NULL;
		if (text && !copy)
			return -1;
		s->text_copies[i] = copy ? copy->text : NULL;
	}
	for (size_t i = 0; i < s->tree_count; i++) {
		const struct json *tree = *s->trees[i];
		s->tree_copies[i] = tree ? copy_tree(s->rest, s->list, tree, NULL) : NULL;
		if (tree && !s->tree_copies[i])
			return -1;
	}
	return 0;
}

static void
take_copies(struct settling *s, struct config *c)
{
	for (size_t i = 0; i < s->text_count; i++)
		*s->texts[i] = s->text_copies[i];
	for (size_t i = 0; i < s->tree_count; i++)
		*s->trees[i] = s->tree_copies[i];
	for (size_t i = 0; i < c->device_count; i++) {
		struct config_device *d = &c->devices[i];
		d->label = d->own_label ? d->own_label : d->name;
		d->conf = NULL;
	}
	json_free(c->doc);
	c->doc = s->root;
	c->rest = s->rest;
	s->root = s->rest = NULL;
}

static void
clear(struct settling *s)
{
	json_free(s->root);
	json_free(s->rest);
	free(s->texts);
	free(s->text_copies);
	free(s->trees);
	free(s->tree_copies);
}

void
config_settle(struct config *c)
{
	size_t texts = GATEWAY_TEXTS + DEVICE_TEXTS * c->device_count, trees = 1 + c->device_count;
	struct settling s = { 0 };

	if (c->rest || (c->texts_fd < 0 && config_keep_texts(c) < 0))
		return;
	s.root = json_doc_new(CONFIG_MAX_NODES);
	s.rest = json_doc_new(CONFIG_MAX_NODES);
	s.texts = malloc(texts * sizeof(*s.texts));
	s.text_copies = malloc(texts * sizeof(*s.text_copies));
	s.trees = malloc(trees * sizeof(*s.trees));
	s.tree_copies = malloc(trees * sizeof(*s.tree_copies));
	if (s.root && s.rest && s.texts && s.text_copies && s.trees && s.tree_copies) {
		s.text_count = list_texts(c, s.texts);
		s.tree_count = list_trees(c, s.trees);
		if (copy_all(&s, c) == 0)
			take_copies(&s, c);
	}
	clear(&s);
	malloc_trim(0);
}
