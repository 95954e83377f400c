/*
 * The floor: what it costs to send a Modbus TCP request and to get its answer
 * with epoll_wait, read and write and nothing else. PORT REGISTERS; prints a
 * line, then runs until stdin ends; "stat" prints {"requests":..}.
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
serve(int fd, int ready, const uint8_t request[12])
{
	char bytes[512];

	if (ready != fd) {
		if (read(ready, bytes, sizeof(bytes)) <= 0)
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

int
main(int argc, char **argv)
{
	uint8_t request[12] = { 0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10 };
	struct epoll_event e = { .events = EPOLLIN };
	int epoll_fd = epoll_create1(0);
	int fd = argc == 3 ? connect_to((uint16_t)strtoul(argv[1], NULL, 10)) : -1;

	if (fd < 0 || epoll_fd < 0)
		return EXIT_FAILURE;
	request[11] = (uint8_t)strtoul(argv[2], NULL, 10);
	e.data.fd = fd;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
	e.data.fd = STDIN_FILENO;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &e);
	printf("0\n");
	fflush(stdout);
	if (write(fd, request, 12) != 12)
		return EXIT_FAILURE;
	while (epoll_wait(epoll_fd, &e, 1, -1) == 1)
		if (!serve(fd, e.data.fd, request))
			return EXIT_SUCCESS;
	return EXIT_FAILURE;
}
