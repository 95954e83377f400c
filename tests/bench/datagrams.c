/*
 * The other side of datagrams, for benchmarks, and their floor. By its first argument:
 *   echo              gives back what comes
 *   ask PORT          asks such an echo without a pause: the floor of a request
 *   v2c, v3           an SNMP agent; v3: user "bench" by MD5 and DES, "password1", "password2"
 *   traps             on the order "send PORT COUNT GAP_US": traps of version 2c, each with the
 * time in its object 1.3.6.1.4.1.9.1.0 Prints its port (0 where it has none), then a line for each
 * "stat" on stdin, {"requests":..}; ends with stdin.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "protocols/snmp/message.h"

enum { FRAME = 44 };

static const uint8_t engine[] = { 0x80, 0, 0, 0, 4, 'b', 'e', 'n', 'c', 'h' };
static unsigned long long requests;
static struct usm_keys keys;
static int fd;
static int64_t start_ns;

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static struct sockaddr_in
loopback(unsigned long port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void
make_keys(void)
{
	struct usm_user u = { .name = "bench", .auth = USM_MD5, .priv = USM_DES };

	usm_password_to_key(USM_MD5, "password1", 9, u.auth_key);
	usm_password_to_key(USM_MD5, "password2", 9, u.priv_key);
	usm_keys_make(&keys, &u, engine, sizeof(engine));
}

/* The content of a VarBindList with the names that were asked for, each 7. */
static size_t
put_sevens(uint8_t *out, size_t size, const struct snmp_pdu *pdu)
{
	struct ber_writer w;

	ber_writer_init(&w, out, size);
	for (size_t i = 0; i < pdu->count; i++) {
		ber_begin(&w, BER_SEQUENCE);
		ber_put_bytes(
		    &w, BER_OBJECT_ID, pdu->bindings[i].name.data, pdu->bindings[i].name.len);
		ber_put_int(&w, BER_INTEGER, 7);
		ber_end(&w);
	}
	return ber_writer_done(&w);
}

static size_t
answer_v3(uint8_t *out, size_t size, struct snmp_message *m, struct snmp_pdu *pdu)
{
	static uint8_t scratch[SNMP_MAX_DATAGRAM], bindings[4096];
	static const uint8_t salt[USM_SALT] = { 1 };
	struct snmp_content content = { SNMP_RESPONSE, 0, bindings, 0 };
	struct ber_writer w;

	if (m->encrypted.data)
		snmp_message_decrypt(m, pdu, USM_DES, &keys, scratch);
	m->boots = 1;
	m->time = (int32_t)((now_ns() - start_ns) / 1000000000) + 1;
	m->salt = (struct snmp_text){ salt, sizeof(salt) };
	m->flags &= SNMP_LEVEL;
	content.request_id = pdu->request_id;
	content.len = put_sevens(bindings, sizeof(bindings), pdu);
	if (m->engine.len == 0) {
		m->engine = (struct snmp_text){ engine, sizeof(engine) };
		ber_writer_init(&w, bindings, sizeof(bindings));
		usm_report_put(&w, USM_REPORT_ENGINE, 1);
		content.type = SNMP_REPORT;
		content.len = ber_writer_done(&w);
	}
	return snmp_v3_encode(out, size, m, &content, USM_MD5, USM_DES, &keys);
}

/* The answer to one datagram, in its place. */
static size_t
answer(const char *role, uint8_t *data, size_t len, size_t size)
{
	static struct snmp_pdu pdu;
	static uint8_t in[SNMP_MAX_DATAGRAM], bindings[4096];
	struct snmp_message m;

	if (strcmp(role, "echo") == 0)
		return len;
	memcpy(in, data, len);
	if (snmp_message_decode(&m, &pdu, in, len) != DEC_OK)
		return 0;
	if (m.version == SNMP_V3)
		return answer_v3(data, size, &m, &pdu);
	struct snmp_content content = { SNMP_RESPONSE, pdu.request_id, bindings,
		put_sevens(bindings, sizeof(bindings), &pdu) };
	return snmp_community_encode(data, size, m.version, m.community, &content);
}

static void
serve_datagram(const char *role)
{
	static uint8_t data[SNMP_MAX_DATAGRAM];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &from_len);

	if (n <= 0)
		return;
	requests++;
	if (strcmp(role, "ask") == 0) {
		send(fd, data, FRAME, 0);
		return;
	}
	size_t len = answer(role, data, (size_t)n, sizeof(data));
	if (len)
		sendto(fd, data, len, 0, (struct sockaddr *)&from, from_len);
}

static void
send_trap(const struct sockaddr_in *to)
{
	uint8_t list[200], out[300], value[12];
	struct ber_writer w, v;
	struct ber_oid name;

	ber_writer_init(&w, list, sizeof(list));
	ber_oid_parse(&name, "1.3.6.1.2.1.1.3.0");
	snmp_binding_put(&w, &name, (const uint8_t *)"\x43\x01\x05", 3);
	ber_oid_parse(&name, "1.3.6.1.6.3.1.1.4.1.0");
	snmp_binding_put(&w, &name, (const uint8_t *)"\x06\x01\x2b", 3);
	ber_oid_parse(&name, "1.3.6.1.4.1.9.1.0");
	ber_writer_init(&v, value, sizeof(value));
	ber_put_uint(&v, SNMP_COUNTER64, (uint64_t)now_ns());
	snmp_binding_put(&w, &name, value, ber_writer_done(&v));
	struct snmp_content content = { SNMP_TRAP, 1, list, ber_writer_done(&w) };
	size_t len = snmp_community_encode(out, sizeof(out), SNMP_V2C,
	    (struct snmp_text){ (const uint8_t *)"public", 6 }, &content);
	sendto(fd, out, len, 0, (const struct sockaddr *)to, sizeof(*to));
	requests++;
}

static void
send_traps(const char *order)
{
	char *end;
	struct sockaddr_in to = loopback(strtoul(order, &end, 10));
	unsigned long count = strtoul(end, &end, 10);
	int64_t gap = (int64_t)strtoul(end, NULL, 10) * 1000, at = now_ns();

	for (unsigned long i = 0; i < count; i++, at += gap) {
		/* Others need this core as well. */
		struct timespec due = { at / 1000000000, at % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		send_trap(&to);
	}
}

/* Returns false when it is over. */
static bool
serve_order(void)
{
	static char line[200];

	if (!fgets(line, sizeof(line), stdin))
		return false;
	if (strncmp(line, "send ", 5) == 0)
		send_traps(line + 5);
	printf("{\"requests\":%llu}\n", requests);
	fflush(stdout);
	return true;
}

int
main(int argc, char **argv)
{
	struct epoll_event e[2] = { { .events = EPOLLIN, .data.fd = STDIN_FILENO } };
	struct sockaddr_in a = loopback(0);
	socklen_t len = sizeof(a);
	uint8_t frame[FRAME] = { 0 };
	int epoll_fd = epoll_create1(0);

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (argc < 2 || epoll_fd < 0 || fd < 0 || bind(fd, (struct sockaddr *)&a, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) < 0)
		return EXIT_FAILURE;
	start_ns = now_ns();
	make_keys();
	setvbuf(stdin, NULL, _IONBF, 0);
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &e[0]);
	e[0].data.fd = fd;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e[0]);
	printf("%u\n", ntohs(a.sin_port));
	fflush(stdout);
	if (argc > 2) {
		a = loopback(strtoul(argv[2], NULL, 10));
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
		    send(fd, frame, FRAME, 0) < 0)
			return EXIT_FAILURE;
	}
	for (;;) {
		int n = epoll_wait(epoll_fd, e, 2, -1);
		for (int i = 0; i < n; i++) {
			if (e[i].data.fd == fd)
				serve_datagram(argv[1]);
			else if (!serve_order())
				return EXIT_SUCCESS;
		}
	}
}
