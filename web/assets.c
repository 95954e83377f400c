#include "web/assets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdutil.h"

static const struct {
	const char *ending, *type;
} types[] = {
	{ .ending = ".html", .type = "text/html; charset=utf-8" },
	{ .ending = ".js", .type = "text/javascript; charset=utf-8" },
	{ .ending = ".css", .type = "text/css; charset=utf-8" },
	{ .ending = ".svg", .type = "image/svg+xml" },
	{ .ending = ".png", .type = "image/png" },
	{ .ending = ".ico", .type = "image/x-icon" },
	{ .ending = ".yaml", .type = "application/yaml" },
	{ .ending = ".webmanifest", .type = "application/manifest+json" },
};

static const char *
type_of(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t n = strlen(types[i].ending);
		if (len > n && strcmp(name + len - n, types[i].ending) == 0)
			return types[i].type;
	}
	return NULL;
}

/* FNV-1a: another content has another tag, that is all that is asked of it. */
static void
make_tag(struct asset *a)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < a->len; i++)
		hash = (hash ^ (uint8_t)a->data[i]) * UINT64_C(0x100000001b3);
	snprintf(a->etag, sizeof(a->etag), "\"%016" PRIx64 "\"", hash);
}

/* The whole file; -1 with errno. */
static int
read_file(struct asset *a, int fd, size_t most)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > most)
		return errno = EFBIG, -1;
	a->len = (size_t)st.st_size;
	a->data = malloc(a->len + 1);
	size_t have = 0;
	while (a->data && have < a->len) {
		ssize_t n = read(fd, a->data + have, a->len - have);
		if (n <= 0 && errno != EINTR)
			return errno = n == 0 ? EIO : errno, -1;
		have += n > 0 ? (size_t)n : 0;
	}
	return a->data ? 0 : -1;
}

static int
load(struct assets *all, int folder, const char *name, const char *type, size_t *total)
{
	struct asset *a = &all->all[all->count];
	size_t len = strlen(name);

	if (all->count == ASSETS_MAX || len >= sizeof(a->name))
		return errno = E2BIG, -1;
	*a = (struct asset){ .type = type };
	memcpy(a->name, name, len);
	all->count++;
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int result = fd < 0 ? -1 : read_file(a, fd, ASSETS_MAX_BYTES - *total);
	fd_close(fd);
	if (result < 0)
		return -1;
	*total += a->len;
	make_tag(a);
	return 0;
}

int
assets_load(struct assets *a, const char *folder, char *err, size_t err_size)
{
	size_t total = 0;
	DIR *dir = opendir(folder);

	*a = (struct assets){ 0 };
	if (!dir) {
		snprintf(err, err_size, "%s: %s", folder, strerror(errno));
		return -1;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		const char *type = e->d_name[0] == '.' ? NULL : type_of(e->d_name);
		if (!type || load(a, dirfd(dir), e->d_name, type, &total) == 0)
			continue;
		snprintf(err, err_size, "%s/%s: %s", folder, e->d_name, strerror(errno));
		closedir(dir);
		assets_clear(a);
		return -1;
	}
	closedir(dir);
	return 0;
}

void
assets_clear(struct assets *a)
{
	for (size_t i = 0; i < a->count; i++)
		free(a->all[i].data);
	a->count = 0;
}

const struct asset *
assets_find(const struct assets *a, const char *name)
{
	if (*name == '\0')
		name = "index.html";
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->all[i].name, name) == 0)
			return &a->all[i];
	return NULL;
}
