#include "common/daemon/numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fdutil.h"

enum { PAGE = 4096, SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

_Static_assert(NUMBER_COUNT * sizeof(uint64_t) <= PAGE, "one page");

static const char *const keys[NUMBER_COUNT] = {
	[NUMBER_TYPES] = "store_types",
	[NUMBER_TYPES_MAX] = "store_types_max",
	[NUMBER_BYTES] = "store_bytes",
	[NUMBER_BYTES_MAX] = "store_bytes_max",
	[NUMBER_SERIES] = "store_series",
	[NUMBER_SERIES_MAX] = "store_series_max",
	[NUMBER_CLIENTS] = "store_clients",
	[NUMBER_EVENTS] = "store_events",
	[NUMBER_COMMITS] = "store_commits",
	[NUMBER_QUERIES] = "store_queries",
	[NUMBER_REFUSED_QUOTA] = "store_refused_quota",
	[NUMBER_REFUSED_FULL] = "store_refused_full",
	[NUMBER_UNSAVED] = "store_unsaved",
};

const char *
number_key(enum number n)
{
	return keys[n];
}

int
numbers_create(void)
{
	int fd = memfd_create("numbers", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, PAGE) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	fd_close(fd);
	return -1;
}

uint64_t *
numbers_map(int fd, bool write)
{
	int access = write ? PROT_READ | PROT_WRITE : PROT_READ;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size != PAGE) {
		errno = EINVAL;
		return NULL;
	}
	void *page = mmap(NULL, PAGE, access, MAP_SHARED, fd, 0);
	return page == MAP_FAILED ? NULL : page;
}

void
numbers_unmap(const uint64_t *page)
{
	if (page)
		munmap((void *)page, PAGE);
}
