/*
 * What a damaged disk makes of data.mdb: the folder is opened as gateway-eventd opens it, its store
 * is filled from it, and a commit follows. The input is changes of a file that was whole: place (2
 * octets), length (1), bytes; bit 15 of the place cuts the file there.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* A file in which LMDB goes round for ever is damaged after a second here, not after a minute. */
static int limit_cpu(int resource, const struct rlimit *limit);
#define setrlimit limit_cpu
#include "event-server/db.c"
#undef setrlimit

#include "event-server/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SESSIONS = 4, EVENTS = 60, SERIES = 100, MAX_IMAGE = 1 << 20, PLACE = 2 /* octets */ };

static char dir[64], path[96];
static uint8_t image[MAX_IMAGE];
static size_t image_size;

static int
limit_cpu(int resource, const struct rlimit *limit)
{
	const struct rlimit second = { 1, limit->rlim_max };

	return setrlimit(resource, &second);
}

static void
quiet(enum log_level level, const char *device, const char *event, const char *text)
{
	(void)level, (void)device, (void)event, (void)text;
}

static void
stage(struct store *s, int i)
{
	const struct eventer_prefix none = { 0 };
	char name[16], value[80];
	struct eventer_events_iter it;
	struct eventer_event e;
	struct buffer b;

	snprintf(name, sizeof(name), "%d", i % 37);
	snprintf(value, sizeof(value), "{\"value\":%d,\"text\":\"%048d\"}", i, i);
	const struct sbs_str type[] = { { "data", 4 }, { name, strlen(name) } };
	const struct eventer_payload payload = { .kind = EVENTER_PAYLOAD_JSON,
		.data = { value, strlen(value) } };
	buffer_init(&b, 10000);
	sbs_put_int(&b, 1);
	eventer_put_register_event(&b, &none, type, 2, NULL, &payload);
	eventer_register_req_decode((struct sbs_str){ (const char *)buffer_data(&b), b.len }, &it);
	if (!eventer_events_next(&it, &e) || store_stage(s, &e) < 0)
		abort();
	buffer_clear(&b);
}

/* false: the folder cannot be used, and err says why. */
static bool
open_store(struct store *s)
{
	char err[200] = "";
	struct db *db = db_open(dir, false, err, sizeof(err));

	if (db && store_init(s, db, 1, SERIES, err, sizeof(err)) == 0)
		return true;
	if (!err[0])
		abort();
	return false;
}

static void
commit(struct store *s, int events)
{
	struct timestamp before;

	store_begin_session(s, (struct timestamp){ 1700000000, 0 }, &before);
	for (int i = 0; i < events; i++)
		stage(s, i);
	store_commit(s);
}

static void
remove_folder(void)
{
	DIR *d = opendir(dir);
	char name[400];

	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(name, sizeof(name), "%s/%s", dir, e->d_name);
		if (e->d_name[0] != '.')
			unlink(name);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static void
make_image(void)
{
	static struct store s;

	log_set_sink(quiet);
	snprintf(dir, sizeof(dir), "/dev/shm/fuzz-db-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	if (!open_store(&s))
		abort();
	for (int i = 0; i < SESSIONS; i++) {
		commit(&s, EVENTS);
		store_release(&s);
	}
	store_clear(&s);
	FILE *f = fopen(path, "rb");
	image_size = f ? fread(image, 1, sizeof(image), f) : 0;
	if (!image_size)
		abort();
	fclose(f);
	remove_folder();
}

/* The file as the input has it. */
static void
write_file(const uint8_t *data, size_t size)
{
	static uint8_t changed[MAX_IMAGE];
	struct cursor c = cursor_make(data, size);
	size_t len = image_size;

	memcpy(changed, image, image_size);
	while (cursor_left(&c) >= 3) {
		unsigned at = cursor_u16be(&c), n = cursor_u8(&c);
		size_t place = (at & 0x7fff) * PLACE % image_size;
		if (at & 0x8000)
			len = place;
		for (; n && cursor_left(&c) && place < image_size; n--)
			changed[place++] = cursor_u8(&c);
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, changed, len) != (ssize_t)len)
		abort();
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct store s;

	if (!image_size)
		make_image();
	mkdir(dir, 0700);
	write_file(data, size);
	if (open_store(&s)) {
		commit(&s, EVENTS);
		store_clear(&s);
	}
	remove_folder();
	return 0;
}
