/*
 * Frames of `gatewayctl trace` as a capture file (pcapng, draft-ietf-opsawg-pcapng) that Wireshark
 * and tshark dissect. A device is an interface with its name. A frame is an exported PDU
 * (LINKTYPE_WIRESHARK_UPPER_PDU) that names its dissector and has the
 * addresses of the connection; IEC 60870-5-101 and 103, whose dissectors have
 * no name, are RTAC serial captures (LINKTYPE_RTAC_SERIAL).
 */
#ifndef GATEWAYCTL_PCAPNG_H
#define GATEWAYCTL_PCAPNG_H

#include <stdio.h>

#include "common/json.h"

enum { PCAPNG_MAX_INTERFACES = 8192 };

struct pcapng {
	FILE *file; /* NULL: not open */
	struct pcapng_interface {
		char *device; /* owned */
		uint16_t link;
	} * interfaces; /* owned */
	size_t count;
};

/* Creates the file, readable for its owner alone; "-" is standard output. Returns 0, or -1 with
 * errno. */
int pcapng_open(struct pcapng *p, const char *path);
/* A row of the stream. Returns whether it was a frame. */
bool pcapng_add(struct pcapng *p, const struct json *row);
/* Writes everything that was added to the file. Returns 0, or -1 with errno. */
int pcapng_flush(struct pcapng *p);
/* Returns 0, or -1 with errno where it could not be written. */
int pcapng_close(struct pcapng *p);

/* The frame as Wireshark wants to have it, appended to out; *link: its LINKTYPE. For tests. False:
 * the row is no frame. */
bool pcapng_packet(struct buffer *out, uint16_t *link, const struct json *row);

#endif
