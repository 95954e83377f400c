#include "gatewayctl/pcapng.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/hex.h"

enum {
	LINK_EXPORTED = 252,
	LINK_RTAC = 250,
	MAX_BLOCK = 256 * 1024,
	MAX_FRAME = 64 * 1024,
};

/* Blocks and options of pcapng. */
enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	BYTE_ORDER_MAGIC = 0x1a2b3c4d,
	OPTION_END = 0,
	OPTION_NAME = 2,	/* of an interface */
	OPTION_FLAGS = 2,	/* of a packet */
	OPTION_APPLICATION = 4, /* of a section */
	OPTION_RESOLUTION = 9,	/* of times, 10^-n s */
	FLAG_INBOUND = 1,
	FLAG_OUTBOUND = 2,
};

/* Tags of an exported PDU (Wireshark's exported_pdu_tlvs.h). */
enum {
	TAG_DISSECTOR = 12,
	TAG_TABLE = 14,
	TAG_IPV4_FROM = 20,
	TAG_IPV4_TO = 21,
	TAG_IPV6_FROM = 22,
	TAG_IPV6_TO = 23,
	TAG_PORT_TYPE = 24,
	TAG_PORT_FROM = 25,
	TAG_PORT_TO = 26,
	TAG_TABLE_VALUE = 32,
	PORT_TCP = 2,
	PORT_UDP = 3,
};

/* Events of an RTAC serial capture. */
enum { RTAC_SENT = 1, RTAC_RECEIVED = 2 };

enum change { CHANGE_NONE, CHANGE_ASCII, CHANGE_CHECKSUM };

struct protocol {
	const char *word; /* of the frame */
	uint16_t link;
	const char *dissector, *table; /* one of the two */
	uint32_t value;		       /* in the table */
	uint8_t ports;		       /* PORT_; 0: none */
	/* By this port Wireshark knows the server: it tells requests from answers by it. */
	uint16_t server_port;
	enum change change;
};

static const struct protocol protocols[] = {
	{ .word = "modbus-tcp",
	    .link = LINK_EXPORTED,
	    .dissector = "mbtcp",
	    .ports = PORT_TCP,
	    .server_port = 502 },
	{ .word = "modbus-rtu",
	    .link = LINK_EXPORTED,
	    .dissector = "mbrtu",
	    .ports = PORT_TCP,
	    .server_port = 502 },
	{ .word = "modbus-ascii",
	    .link = LINK_EXPORTED,
	    .dissector = "mbrtu",
	    .ports = PORT_TCP,
	    .server_port = 502,
	    .change = CHANGE_ASCII },
	{ .word = "iec104",
	    .link = LINK_EXPORTED,
	    .table = "tcp.port",
	    .value = 2404,
	    .ports = PORT_TCP,
	    .server_port = 2404 },
	{ .word = "iec101", .link = LINK_RTAC },
	{ .word = "iec103", .link = LINK_RTAC },
	{ .word = "snmp", .link = LINK_EXPORTED, .dissector = "snmp", .ports = PORT_UDP },
	{ .word = "smpp", .link = LINK_EXPORTED, .dissector = "smpp", .ports = PORT_TCP },
	{ .word = "mms", .link = LINK_EXPORTED, .dissector = "tpkt", .ports = PORT_TCP },
	{ .word = "icmp", .link = LINK_EXPORTED, .dissector = "icmp" },
	{ .word = "icmpv6",
	    .link = LINK_EXPORTED,
	    .dissector = "icmpv6",
	    .change = CHANGE_CHECKSUM },
	/* Bytes that are no frame, and protocols of others. */
	{ .word = "", .link = LINK_EXPORTED, .dissector = "data", .ports = PORT_TCP },
};

enum { PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]) };

static const struct protocol *
protocol_of(const struct json *row)
{
	const char *word = json_str(json_get(row, "protocol"));
	int i = 0;

	while (i < PROTOCOLS - 1 && (!word || strcmp(protocols[i].word, word) != 0))
		i++;
	return &protocols[i];
}

/* --- addresses --- */

struct address {
	bool v6;
	uint8_t bytes[16]; /* zeros where it is not known */
	uint16_t port;
};

/* "192.0.2.1:502", "[2001:db8::1]:502", a name, or nothing. */
static struct address
address_read(const char *text)
{
	struct address a = { .v6 = false };
	char host[INET6_ADDRSTRLEN] = "";
	bool bracket = text && text[0] == '[';
	const char *end = !text ? NULL : bracket ? strchr(text, ']') : strrchr(text, ':');

	if (!text)
		return a;
	/* Without a port: of ICMP. */
	if (!bracket && (!end || strchr(text, ':') != end))
		end = text + strlen(text);
	if (end && (size_t)(end - text - bracket) < sizeof(host))
		memcpy(host, text + bracket, (size_t)(end - text - bracket));
	a.v6 = inet_pton(AF_INET6, host, a.bytes) == 1;
	if (!a.v6 && inet_pton(AF_INET, host, a.bytes) != 1)
		return a;
	const char *port = end ? strrchr(end, ':') : NULL;
	if (port)
		a.port = (uint16_t)strtoul(port + 1, NULL, 10);
	return a;
}

struct ends {
	struct address from, to;
};

static struct ends
ends_of(const struct protocol *p, const struct json *row)
{
	const char *direction = json_str(json_get(row, "direction"));
	bool sent = direction && strcmp(direction, "tx") == 0, serves = false;
	struct address local = address_read(json_str(json_get(row, "local")));
	struct address remote = address_read(json_str(json_get(row, "remote")));

	json_bool(json_get(row, "serves"), &serves);
	if (p->server_port)
		*(serves ? &local.port : &remote.port) = p->server_port;
	local.v6 |= remote.v6 || strcmp(p->word, "icmpv6") == 0;
	remote.v6 |= local.v6;
	return sent ? (struct ends){ local, remote } : (struct ends){ remote, local };
}

/* --- the frame --- */

/* ":1103...LRC\r\n" as the RTU frame of the same content, which Wireshark knows. */
static size_t
ascii_to_rtu(uint8_t *frame, size_t len)
{
	uint16_t crc = 0xffff;

	if (len < 2)
		return len;
	size_t n = hex_read((const char *)frame + 1, len - 1, frame, len);
	n = n ? n - 1 : 0;
	for (size_t i = 0; i < n; i++) {
		crc ^= frame[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1);
	}
	frame[n] = (uint8_t)crc;
	frame[n + 1] = (uint8_t)(crc >> 8);
	return n + 2;
}

static uint32_t
sum_words(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)p[i] << (i % 2 ? 0 : 8);
	return sum;
}

/* RFC 4443, 2.3: the kernel sets it, with addresses that need not be those of the file. */
static void
set_checksum(const struct ends *e, uint8_t *frame, size_t len)
{
	enum { AT = 2, ICMPV6 = 58 };

	if (len < AT + 2)
		return;
	frame[AT] = frame[AT + 1] = 0;
	uint32_t sum = sum_words((uint32_t)len + ICMPV6, frame, len);
	sum = sum_words(sum_words(sum, e->from.bytes, 16), e->to.bytes, 16);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	frame[AT] = (uint8_t)(~sum >> 8);
	frame[AT + 1] = (uint8_t)~sum;
}

/* --- what is around it --- */

static void
put_padding(struct buffer *b, size_t len)
{
	buffer_append(b, "\0\0\0", -len & 3);
}

static void
put_tag(struct buffer *b, uint16_t tag, const void *value, size_t len)
{
	buffer_be(b, tag, 2);
	buffer_be(b, len + (-len & 3), 2);
	buffer_append(b, value, len);
	put_padding(b, len);
}

static void
put_number(struct buffer *b, uint16_t tag, uint32_t value)
{
	const uint8_t v[4] = { (uint8_t)(value >> 24), (uint8_t)(value >> 16),
		(uint8_t)(value >> 8), (uint8_t)value };

	put_tag(b, tag, v, sizeof(v));
}

static void
put_exported(struct buffer *b, const struct protocol *p, const struct ends *e)
{
	const char *name = p->dissector ? p->dissector : p->table;
	bool v6 = e->from.v6;

	put_tag(b, p->dissector ? TAG_DISSECTOR : TAG_TABLE, name, strlen(name));
	if (p->table)
		put_number(b, TAG_TABLE_VALUE, p->value);
	put_tag(b, v6 ? TAG_IPV6_FROM : TAG_IPV4_FROM, e->from.bytes, v6 ? 16 : 4);
	put_tag(b, v6 ? TAG_IPV6_TO : TAG_IPV4_TO, e->to.bytes, v6 ? 16 : 4);
	if (p->ports) {
		put_number(b, TAG_PORT_TYPE, p->ports);
		put_number(b, TAG_PORT_FROM, e->from.port);
		put_number(b, TAG_PORT_TO, e->to.port);
	}
	put_tag(b, 0, "", 0);
}

/* Seconds and nanoseconds of a row. */
static void
time_of(const struct json *row, int64_t *s, int64_t *ns)
{
	const struct json *time = json_get(row, "time");

	*s = *ns = 0;
	if (time && time->type == JSON_ARRAY)
		json_int(time->child, 0, UINT32_MAX, s);
	json_int(json_get(row, "nanosecond"), 0, 999999999, ns);
}

static bool
is_sent(const struct json *row)
{
	const char *direction = json_str(json_get(row, "direction"));

	return direction && strcmp(direction, "tx") == 0;
}

static void
put_rtac(struct buffer *b, const struct json *row)
{
	int64_t s, ns;

	time_of(row, &s, &ns);
	buffer_be(b, (uint64_t)s, 4);
	buffer_be(b, (uint64_t)ns / 1000, 4);
	buffer_u8(b, is_sent(row) ? RTAC_SENT : RTAC_RECEIVED);
	buffer_append(b, "\0\0\0", 3); /* control lines, not known; footer */
}

bool
pcapng_packet(struct buffer *out, uint16_t *link, const struct json *row)
{
	static uint8_t frame[MAX_FRAME];
	const char *kind = json_str(json_get(row, "kind"));
	const struct json *hex = json_get(row, "hex");

	if (!kind || strcmp(kind, "frame") != 0 || !json_str(hex))
		return false;
	const struct protocol *p = protocol_of(row);
	struct ends ends = ends_of(p, row);
	size_t len = hex_read(hex->text, hex->len, frame, sizeof(frame));
	if (p->change == CHANGE_ASCII)
		len = ascii_to_rtu(frame, len);
	if (p->change == CHANGE_CHECKSUM)
		set_checksum(&ends, frame, len);
	if (p->link == LINK_RTAC)
		put_rtac(out, row);
	else
		put_exported(out, p, &ends);
	buffer_append(out, frame, len);
	*link = p->link;
	return true;
}

/* --- the file --- */

static void
put_option(struct buffer *b, uint16_t code, const void *value, size_t len)
{
	buffer_le(b, code, 2);
	buffer_le(b, len, 2);
	buffer_append(b, value, len);
	put_padding(b, len);
}

/* Writes one block of that body. */
static void
write_block(struct pcapng *p, uint32_t type, struct buffer *body)
{
	struct buffer b;

	buffer_init(&b, MAX_BLOCK);
	buffer_le(&b, type, 4);
	buffer_le(&b, body->len + 12, 4);
	buffer_append(&b, buffer_data(body), body->len);
	buffer_le(&b, body->len + 12, 4);
	if (buffer_failed(&b) || buffer_failed(body))
		errno = ENOMEM;
	else
		fwrite(buffer_data(&b), 1, b.len, p->file);
	buffer_clear(&b);
	buffer_clear(body);
}

static void
write_section(struct pcapng *p)
{
	static const char application[] = "gatewayctl " GATEWAYD_VERSION;
	struct buffer b;

	buffer_init(&b, MAX_BLOCK);
	buffer_le(&b, BYTE_ORDER_MAGIC, 4);
	buffer_le(&b, 1, 2); /* version 1.0 */
	buffer_le(&b, 0, 2);
	buffer_le(&b, UINT64_MAX, 8); /* the length is not known */
	put_option(&b, OPTION_APPLICATION, application, sizeof(application) - 1);
	put_option(&b, OPTION_END, "", 0);
	write_block(p, BLOCK_SECTION, &b);
}

static void
write_interface(struct pcapng *p, const char *device, uint16_t link)
{
	struct buffer b;

	buffer_init(&b, MAX_BLOCK);
	buffer_le(&b, link, 2);
	buffer_le(&b, 0, 2);
	buffer_le(&b, 0, 4); /* frames are whole */
	put_option(&b, OPTION_NAME, device, strlen(device));
	put_option(&b, OPTION_RESOLUTION, "\x09", 1);
	put_option(&b, OPTION_END, "", 0);
	write_block(p, BLOCK_INTERFACE, &b);
}

/* The number of the interface, which is written where it is new. */
static size_t
interface_of(struct pcapng *p, const char *device, uint16_t link)
{
	size_t i = 0;

	while (i < p->count &&
	       (p->interfaces[i].link != link || strcmp(p->interfaces[i].device, device) != 0))
		i++;
	if (i < p->count || i == PCAPNG_MAX_INTERFACES)
		return i < p->count ? i : 0;
	void *more = realloc(p->interfaces, (i + 1) * sizeof(*p->interfaces));
	char *name = strdup(device);
	if (!more || !name) {
		fprintf(stderr, "gatewayctl: out of memory\n");
		exit(EXIT_FAILURE);
	}
	p->interfaces = more;
	p->interfaces[p->count++] = (struct pcapng_interface){ name, link };
	write_interface(p, device, link);
	return i;
}

int
pcapng_open(struct pcapng *p, const char *path)
{
	int fd = strcmp(path, "-") == 0
		     ? dup(STDOUT_FILENO)
		     : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	*p = (struct pcapng){ .file = fd < 0 ? NULL : fdopen(fd, "wb") };
	if (!p->file)
		return -1;
	write_section(p);
	return pcapng_flush(p);
}

bool
pcapng_add(struct pcapng *p, const struct json *row)
{
	const char *device = json_str(json_get(row, "device"));
	struct buffer packet, b;
	uint16_t link;
	int64_t s, ns;

	buffer_init(&packet, MAX_BLOCK);
	buffer_init(&b, MAX_BLOCK);
	bool frame = pcapng_packet(&packet, &link, row);
	if (!frame || buffer_failed(&packet)) {
		buffer_clear(&packet);
		return frame;
	}
	time_of(row, &s, &ns);
	uint64_t time = (uint64_t)s * 1000000000 + (uint64_t)ns;
	buffer_le(&b, interface_of(p, device ? device : "", link), 4);
	buffer_le(&b, time >> 32, 4);
	buffer_le(&b, time & UINT32_MAX, 4);
	buffer_le(&b, packet.len, 4);
	buffer_le(&b, packet.len, 4);
	buffer_append(&b, buffer_data(&packet), packet.len);
	put_padding(&b, packet.len);
	const uint8_t flags[4] = { is_sent(row) ? FLAG_OUTBOUND : FLAG_INBOUND };
	put_option(&b, OPTION_FLAGS, flags, sizeof(flags));
	put_option(&b, OPTION_END, "", 0);
	write_block(p, BLOCK_PACKET, &b);
	buffer_clear(&packet);
	return true;
}

int
pcapng_flush(struct pcapng *p)
{
	return fflush(p->file) == 0 && !ferror(p->file) ? 0 : -1;
}

int
pcapng_close(struct pcapng *p)
{
	int rc = p->file && pcapng_flush(p) < 0 ? -1 : 0;

	if (p->file && fclose(p->file) != 0)
		rc = -1;
	for (size_t i = 0; i < p->count; i++)
		free(p->interfaces[i].device);
	free(p->interfaces);
	*p = (struct pcapng){ .file = NULL };
	return rc;
}
