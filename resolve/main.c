/*
 * gateway-resolve NAME: writes the addresses of a name, as getaddrinfo(3) finds
 * them, to standard output as struct lookup_addresses; nothing where there are
 * none. gatewayd starts it for a name that neither /etc/hosts nor DNS knows,
 * where /etc/nsswitch.conf names more: its modules block, and may be anybody's.
 */
#include <netdb.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/kernel.h"
#include "supervisor/net/lookup.h"

enum { MEMORY = 256 * 1024 * 1024, CPU_S = 5, FILES = 64 };

/* It may look, and talk to whoever its modules ask, but change no file. If the kernel has no
 * Landlock it goes on: the name is worth more than the lock. */
static void
contain(void)
{
	static const struct {
		int resource;
		rlim_t most;
	} limits[] = {
#ifndef __SANITIZE_ADDRESS__ /* which maps terabytes */
		{ .resource = RLIMIT_AS, .most = MEMORY },
#endif
		{ .resource = RLIMIT_CPU, .most = CPU_S },
		{ .resource = RLIMIT_NOFILE, .most = FILES },
		{ .resource = RLIMIT_CORE, .most = 0 }, { .resource = RLIMIT_FSIZE, .most = 0 }
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		setrlimit(limits[i].resource, &(struct rlimit){ limits[i].most, limits[i].most });
	int rules = kernel_landlock_open_writes_and_execute();
	if (rules >= 0)
		kernel_landlock_restrict(rules);
	close(rules);
}

int
main(int argc, char **argv)
{
	static struct lookup_addresses found;
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;

	if (argc != 2)
		return 2;
	contain();
	if (getaddrinfo(argv[1], NULL, &hints, &list) != 0)
		return EXIT_FAILURE;
	for (struct addrinfo *a = list; a && found.count < LOOKUP_MAX_ADDRESSES; a = a->ai_next) {
		if (a->ai_addrlen > sizeof(found.address[0]))
			continue;
		memcpy(&found.address[found.count], a->ai_addr, a->ai_addrlen);
		found.length[found.count++] = a->ai_addrlen;
	}
	freeaddrinfo(list);
	return write(STDOUT_FILENO, &found, sizeof(found)) == sizeof(found) ? 0 : EXIT_FAILURE;
}
