/*
 * The floor: what it costs to send a Modbus TCP request and to get its answer
 * with epoll_wait, read and write and nothing else. PORT REGISTERS [MASTERS],
 * the last on so many connections at once; prints a line, then runs until stdin
 * ends; "stat" prints {"requests":..}.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned long long requests;

static int
connect_to(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* Returns false when it is over. */
static bool
serve(int fd, const uint8_t request[12])
{
	char bytes[512];

	if (fd == STDIN_FILENO) {
		if (read(fd, bytes, sizeof(bytes)) <= 0)
			return false;
		printf("{\"requests\":%llu}\n", requests);
		fflush(stdout);
		return true;
	}
	if (read(fd, bytes, sizeof(bytes)) <= 0)
		return false;
	requests++;
	return write(fd, request, 12) == 12;
}

static bool
start(int epoll_fd, uint16_t port, const uint8_t request[12])
{
	int fd = connect_to(port);
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0 &&
	       write(fd, request, 12) == 12;
}

int
main(int argc, char **argv)
{
	uint8_t request[12] = { 0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10 };
	struct epoll_event e[64] = { { .events = EPOLLIN, .data.fd = STDIN_FILENO } };
	int epoll_fd = epoll_create1(0);

	if (argc < 3 || epoll_fd < 0)
		return EXIT_FAILURE;
	request[11] = (uint8_t)strtoul(argv[2], NULL, 10);
	unsigned long masters = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &e[0]);
	for (unsigned long i = 0; i < masters; i++)
		if (!start(epoll_fd, (uint16_t)strtoul(argv[1], NULL, 10), request))
			return EXIT_FAILURE;
	printf("0\n");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll_fd, e, 64, -1);
		for (int i = 0; i < n; i++)
			if (!serve(e[i].data.fd, request))
				return EXIT_SUCCESS;
	}
}
