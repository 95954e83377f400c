/* Files of SCL. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gatewayctl/scl/scl.h"
#include "gatewayctl/scl/tree.h"
#include "ipc/control.h"

enum { CHUNK = 1 << 16, MAX_NOTES = 1 << 20 };

/* One octet more than there may be shows that there are too many. */
static int
read_all(struct buffer *b, int fd)
{
	for (;;) {
		size_t room = SCL_MAX_FILE + 1 - b->len;
		uint8_t *to = buffer_reserve(b, room < CHUNK ? room : CHUNK);
		if (!to)
			return room ? -1 : 0;
		ssize_t n = read(fd, to, room < CHUNK ? room : CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		buffer_commit(b, (size_t)n);
		if (b->len > SCL_MAX_FILE)
			return 0;
	}
}

static void
tell_notes(const char *path, struct buffer *notes)
{
	const char *text = (const char *)buffer_data(notes);
	size_t from = 0;

	while (from < notes->len) {
		size_t n = (size_t)((const char *)memchr(text + from, '\n', notes->len - from) -
				    (text + from));
		fprintf(stderr, "gatewayctl: %s: %.*s\n", path, (int)n, text + from);
		from += n + 1;
	}
	if (buffer_failed(notes))
		fprintf(stderr, "gatewayctl: %s: more is left out\n", path);
}

int
scl_read(struct buffer *keys, const char *path, const char *ied)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct buffer file, notes;
	char why[SCL_WHY];
	int result = -1;

	buffer_init(keys, SCL_MAX_OUTPUT);
	buffer_init(&file, SCL_MAX_FILE + 1);
	buffer_init(&notes, MAX_NOTES);
	if (fd < 0 || read_all(&file, fd) < 0)
		snprintf(why, sizeof(why), "%s", strerror(errno));
	else
		result =
		    scl_convert((const char *)buffer_data(&file), file.len, ied, keys, &notes, why);
	if (fd >= 0)
		close(fd);
	if (result < 0)
		fprintf(stderr, "gatewayctl: %s: %s\n", path, why);
	else
		tell_notes(path, &notes);
	buffer_clear(&file);
	buffer_clear(&notes);
	return result < 0 ? CONTROL_REFUSED : CONTROL_DONE;
}

void
scl_each_ied(const char *path, void (*each)(void *arg, const char *name), void *arg)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct buffer file;

	buffer_init(&file, SCL_MAX_FILE + 1);
	if (fd >= 0 && read_all(&file, fd) == 0)
		scl_list_ieds((const char *)buffer_data(&file), file.len, each, arg);
	if (fd >= 0)
		close(fd);
	buffer_clear(&file);
}
