#include "event-server/sandbox.h"

#include <sys/prctl.h>

#include "common/daemon/call_filter.h"
#include "common/sanitized.h"

static const int allowed[] = {
	/* data, by the descriptors that LMDB has; the socket's path goes at the end */
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(lseek),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fsync),
	SCMP_SYS(msync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	/* the loop, memory, time */
	SCMP_SYS(epoll_create1),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(geteuid),
};

int
sandbox_enter(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	if (SANITIZED)
		return 0;
	scmp_filter_ctx filter = call_filter_new(allowed, sizeof(allowed) / sizeof(allowed[0]));
	return filter ? call_filter_load(filter, 0) : -1;
}
