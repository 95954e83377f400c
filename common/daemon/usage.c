#include "common/daemon/usage.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/fdutil.h"

/* Less than any limit of open files that a gateway can live with: poll() takes no more than that.
 */
enum { POLLED_AT_ONCE = 256 };

enum { CPU_CLOCK_SCHED = 2 }; /* of the kernel: the time that the scheduler counted */

/* Reads the file into text, with a NUL. Returns whether it could. */
static bool
read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	fd_close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

int64_t
usage_cpu_us(pid_t pid)
{
	/* As clock_getcpuclockid() has it, which asks the kernel once more whether the process is
	 * there. */
	clockid_t clock = (clockid_t)(~(unsigned)pid << 3 | CPU_CLOCK_SCHED);
	struct timespec ts;

	if (pid <= 0 || clock_gettime(clock, &ts) < 0)
		return -1;
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

/* proc(5): "size resident ...", in pages. */
int64_t
usage_memory(pid_t pid)
{
	char path[32], text[128], *resident;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (pid <= 0 || !read_file(path, text, sizeof(text)) || !(resident = strchr(text, ' ')))
		return -1;
	return strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE);
}

/* How many of [first, end) are open: poll() marks the others. It takes a tenth of the time of a
 * call for each. */
static int64_t
count_open(int first, int end)
{
	struct pollfd all[POLLED_AT_ONCE];
	int64_t count = 0;
	int n = end - first;

	for (int i = 0; i < n; i++)
		all[i] = (struct pollfd){ .fd = first + i };
	if (poll(all, (nfds_t)n, 0) < 0)
		return -1;
	for (int i = 0; i < n; i++)
		count += !(all[i].revents & POLLNVAL);
	return count;
}

/* proc(5): no descriptor has a number of FDSize or more. */
int64_t
usage_count_open_files(void)
{
	static const char key[] = "\nFDSize:";
	char text[4096];
	const char *size =
	    read_file("/proc/self/status", text, sizeof(text)) ? strstr(text, key) : NULL;
	int64_t count = 0;

	if (!size)
		return -1;
	int end = (int)strtol(size + sizeof(key) - 1, NULL, 10);
	for (int fd = 0; fd < end; fd += POLLED_AT_ONCE) {
		int64_t some =
		    count_open(fd, end - fd < POLLED_AT_ONCE ? end : fd + POLLED_AT_ONCE);
		if (some < 0)
			return -1;
		count += some;
	}
	return count;
}

/* Since Linux 6.2 the folder says how many are in it. */
int64_t
usage_open_files(void)
{
	struct stat folder;

	if (stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0)
		return folder.st_size;
	return usage_count_open_files();
}
