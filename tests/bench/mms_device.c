/*
 * A server of IEC 61850 (MMS) that costs next to nothing, for benchmarks: it accepts an
 * association, makes what data sets it is told to, and says yes to each write. BLOCKS report
 * control blocks of MEMBERS floats each; each interrogation is answered by a report.
 *	reports BLOCKS MEMBERS: once all are interrogated, one of them reports each millisecond
 *	burst BLOCKS MEMBERS: the same number, all of them at once
 *	still BLOCKS MEMBERS: no more reports
 *	setup BLOCKS MEMBERS: it closes the connection once all are interrogated; the ages are those
 *		of the last interrogation since the connection
 * The value of a control, an integer, is taken for a stamp in nanoseconds: its age is kept.
 *
 * "count" is "stat" that leaves the ages alone. stat:
 * {"reports":..,"members":..,"commands":..,"setups":..,"age":{..}}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/tool.h"

enum { MAX_FRAME = 65536, TICK_NS = 1000000, MAX_NAME = 64 };

struct peer {
	int64_t since;
	size_t interrogated, len;
	uint8_t in[MAX_FRAME];
};

struct octets {
	const uint8_t *p;
	size_t len;
};

static struct peer *peers[TOOL_MAX_FDS];
static bool setup, still, burst;
static unsigned long blocks, members;
static uint64_t reports, commands, setups;
static struct samples age;
static int reporting = -1;
static uint8_t out[MAX_FRAME];
static size_t out_len;

/* CPA, AARE and initiate response: 65,000 octets a PDU, 5 calls. */
static const uint8_t accepted[] = { 0x03, 0x00, 0x00, 0x8f, 0x02, 0xf0, 0x80, 0x0e, 0x86, 0x05,
	0x06, 0x13, 0x01, 0x00, 0x16, 0x01, 0x02, 0x14, 0x02, 0x00, 0x02, 0x34, 0x02, 0x00, 0x01,
	0xc1, 0x74, 0x31, 0x72, 0xa0, 0x03, 0x80, 0x01, 0x01, 0xa2, 0x6b, 0x83, 0x04, 0x00, 0x00,
	0x00, 0x01, 0xa5, 0x12, 0x30, 0x07, 0x80, 0x01, 0x00, 0x81, 0x02, 0x51, 0x01, 0x30, 0x07,
	0x80, 0x01, 0x00, 0x81, 0x02, 0x51, 0x01, 0x61, 0x4f, 0x30, 0x4d, 0x02, 0x01, 0x01, 0xa0,
	0x48, 0x61, 0x46, 0xa1, 0x07, 0x06, 0x05, 0x28, 0xca, 0x22, 0x02, 0x03, 0xa2, 0x03, 0x02,
	0x01, 0x00, 0xa3, 0x05, 0xa1, 0x03, 0x02, 0x01, 0x00, 0xbe, 0x2f, 0x28, 0x2d, 0x02, 0x01,
	0x03, 0xa0, 0x28, 0xa9, 0x26, 0x80, 0x03, 0x00, 0xfd, 0xe8, 0x81, 0x01, 0x05, 0x82, 0x01,
	0x05, 0x83, 0x01, 0x0a, 0xa4, 0x16, 0x80, 0x01, 0x01, 0x81, 0x03, 0x05, 0xf1, 0x00, 0x82,
	0x0c, 0x03, 0xee, 0x1c, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x40, 0xed, 0x18 };

/* --- Octets --- */

/* Returns the content of the element at the begin of *all, which goes behind the element. */
static struct octets
enter(struct octets *all)
{
	size_t head = 2, len;

	if (all->len < 2)
		return (struct octets){ 0 };
	len = all->p[1];
	if (len & 0x80) {
		size_t n = len & 0x7f;
		head += n;
		len = 0;
		for (size_t i = 0; i < n && 2 + i < all->len; i++)
			len = len << 8 | all->p[2 + i];
	}
	if (head > all->len || len > all->len - head)
		return (struct octets){ 0 };
	struct octets content = { all->p + head, len };
	all->p += head + len;
	all->len -= head + len;
	return content;
}

static const uint8_t *
find(struct octets in, const char *text)
{
	return memmem(in.p, in.len, text, strlen(text));
}

static void
put(const void *p, size_t len)
{
	memcpy(out + out_len, p, len);
	out_len += len;
}

/* An element around what was put from a place on; the length always takes three octets. */
static void
wrap(size_t from, uint8_t tag)
{
	size_t len = out_len - from;

	memmove(out + from + 4, out + from, len);
	memcpy(out + from, (uint8_t[]){ tag, 0x82, (uint8_t)(len >> 8), (uint8_t)len }, 4);
	out_len += 4;
}

/* What was put is a PDU: sends it. */
static void
send_pdu(int fd)
{
	static const uint8_t context[] = { 2, 1, 3 };
	static uint8_t frame[MAX_FRAME];

	wrap(0, 0xa0);
	memmove(out + sizeof(context), out, out_len);
	memcpy(out, context, sizeof(context));
	out_len += sizeof(context);
	wrap(0, 0x30);
	wrap(0, 0x61);
	size_t len = out_len + 11;
	memcpy(frame,
	    (uint8_t[]){ 3, 0, (uint8_t)(len >> 8), (uint8_t)len, 2, 0xf0, 0x80, 1, 0, 1, 0 }, 11);
	memcpy(frame + 11, out, out_len);
	tool_write(fd, frame, len);
	out_len = 0;
}

/* --- Reports --- */

static void
report(int fd, const char *id, size_t id_len)
{
	static const uint8_t list[] = { 0xa1, 5, 0x80, 3, 'R', 'P', 'T' };
	static const uint8_t options[] = { 0x84, 3, 6, 0, 0 };
	size_t bits = (members + 7) / 8;

	out_len = 0;
	put(list, sizeof(list));
	put((uint8_t[]){ 0x8a, (uint8_t)id_len }, 2);
	put(id, id_len);
	put(options, sizeof(options));
	put((uint8_t[]){ 0x84, (uint8_t)(bits + 1), (uint8_t)(8 * bits - members) }, 3);
	memset(out + out_len, 0xff, bits);
	out[out_len + bits - 1] = (uint8_t)(0xff << (8 * bits - members));
	out_len += bits;
	for (size_t i = 0; i < members; i++)
		put((uint8_t[]){ 0x87, 5, 8, 0x42, (uint8_t)(reports >> 8), (uint8_t)reports,
			(uint8_t)i },
		    7);
	wrap(sizeof(list), 0xa0);
	wrap(0, 0xa0);
	wrap(0, 0xa3);
	send_pdu(fd);
	reports++;
}

static void
on_tick(void)
{
	static size_t ticks;
	char id[MAX_NAME];
	size_t due = !burst ? 1 : ++ticks % blocks == 0 ? blocks : 0;

	while (reporting >= 0 && due--)
		report(reporting, id,
		    (size_t)snprintf(id, sizeof(id), "u%lu", (unsigned long)(reports % blocks)));
}

/* --- Services --- */

static size_t
count_variables(struct octets service)
{
	struct octets list = enter(&service);
	size_t n = 0;

	for (; list.len; n++)
		if (!enter(&list).p)
			break;
	return n;
}

/* The name of a block in "LLN0$RP$u7$GI". */
static size_t
name_of(struct octets service, const char *attribute, const char **name)
{
	const uint8_t *begin = find(service, "$RP$"), *end = find(service, attribute);

	*name = begin ? (const char *)begin + 4 : "";
	return begin && end ? (size_t)((const char *)end - *name) : 0;
}

/* The stamp is the first member of the structure: short lengths, an integer. */
static void
take_command(const uint8_t *oper)
{
	const uint8_t *value = oper + 5;
	int64_t sent = 0;

	if (value[0] != 0xa0 || value[2] != 0xa2 || value[4] != 0x85)
		return;
	for (size_t i = 0; i < value[5]; i++)
		sent = sent << 8 | value[6 + i];
	samples_add(&age, tool_now_ns() - sent);
	commands++;
}

/* True where that was the last block, and the connection is to end. */
static bool
interrogated(int fd, struct octets service)
{
	struct peer *p = peers[fd];
	const char *name;
	size_t len = name_of(service, "$GI", &name);

	report(fd, name, len);
	if (++p->interrogated < blocks)
		return false;
	if (setup) {
		samples_add(&age, tool_now_ns() - p->since);
		setups++;
		return true;
	}
	reporting = fd;
	if (!still)
		tool_tick(TICK_NS);
	return false;
}

/* The response's service, what is in it. */
static void
put_response(uint8_t tag, struct octets service)
{
	static const uint8_t status[] = { 0xa0, 6, 0x80, 1, 0, 0x81, 1, 0 };
	size_t from = out_len;
	const char *name;

	if (tag == 0xa4) {
		size_t len = name_of(service, "$RptID", &name);
		put((uint8_t[]){ 0x8a, (uint8_t)len }, 2);
		put(name, len);
		wrap(from, 0xa1);
		wrap(from, 0xa4);
	} else if (tag == 0xa5) {
		for (size_t n = count_variables(service); n; n--)
			put((uint8_t[]){ 0x81, 0 }, 2);
		wrap(from, 0xa5);
	} else if (tag == 0xab) {
		put((uint8_t[]){ 0x8b, 0 }, 2);
	} else {
		put(status, sizeof(status));
	}
}

/* False: the connection is to end. */
static bool
on_request(int fd, struct octets pdu)
{
	struct octets request = enter(&pdu), whole = request;

	enter(&request);
	size_t id_len = (size_t)(request.p - whole.p);
	if (request.len < 2)
		return false;
	uint8_t tag = request.p[0];
	struct octets service = enter(&request);
	const uint8_t *oper = tag == 0xa5 ? find(service, "$Oper") : NULL;

	out_len = 0;
	if (oper)
		take_command(oper);
	put(whole.p, id_len);
	put_response(tag, service);
	wrap(0, 0xa1);
	send_pdu(fd);
	return tag != 0xa5 || !find(service, "$GI") || !interrogated(fd, service);
}

/* False: the connection is to end. */
static bool
on_frame(int fd, const uint8_t *f, size_t len)
{
	if (len > 9 && f[5] == 0xe0) {
		tool_write(fd, (uint8_t[]){ 3, 0, 0, 11, 6, 0xd0, f[8], f[9], 0, 1, 0 }, 11);
		return true;
	}
	if (len > 11 && f[7] == 0x0d)
		return tool_write(fd, accepted, sizeof(accepted));
	if (len < 12 || f[7] != 1)
		return false;
	struct octets data = { f + 11, len - 11 };
	struct octets list = enter(&data), context = enter(&list);
	enter(&context);
	struct octets pdu = enter(&context);
	return pdu.len && pdu.p[0] == 0xa0 && on_request(fd, pdu);
}

/* --- Connections --- */

static void
on_accept(int fd)
{
	if (!peers[fd])
		peers[fd] = malloc(sizeof(struct peer));
	peers[fd]->since = tool_now_ns();
	peers[fd]->interrogated = peers[fd]->len = 0;
}

static void
on_input(int fd)
{
	struct peer *p = peers[fd];
	size_t done = 0;

	if (!tool_read(fd, p->in, &p->len, sizeof(p->in)))
		return;
	while (p->len - done >= 4) {
		const uint8_t *f = p->in + done;
		size_t len = (size_t)f[2] << 8 | f[3];
		if (p->len - done < len)
			break;
		if (len < 4 || !on_frame(fd, f, len)) {
			reporting = reporting == fd ? -1 : reporting;
			tool_drop(fd);
			return;
		}
		done += len;
	}
	p->len -= done;
	memmove(p->in, p->in + done, p->len);
}

static void
on_order(char *line)
{
	printf("{\"reports\":%llu,\"members\":%llu,\"commands\":%llu,\"setups\":%llu,\"age\":",
	    (unsigned long long)reports, (unsigned long long)(reports * members),
	    (unsigned long long)commands, (unsigned long long)setups);
	samples_end_line(&age, line);
}

int
main(int argc, char **argv)
{
	static const struct tool tool = { on_accept, on_input, on_order, on_tick };

	if (argc != 4)
		return EXIT_FAILURE;
	setup = strcmp(argv[1], "setup") == 0;
	still = strcmp(argv[1], "still") == 0;
	burst = strcmp(argv[1], "burst") == 0;
	blocks = strtoul(argv[2], NULL, 10);
	members = strtoul(argv[3], NULL, 10);
	if (blocks == 0 || members == 0 || members > 1000)
		return EXIT_FAILURE;
	return tool_serve(&tool);
}
