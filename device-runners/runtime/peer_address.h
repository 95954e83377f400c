/*
 * Addresses of masters as events and `remote_hosts` write them, in runner
 * processes of slaves: an IPv4 address that came in over an IPv6 socket is an
 * IPv4 address, and each address has one spelling.
 */
#ifndef DEVICE_RUNNERS_PEER_ADDRESS_H
#define DEVICE_RUNNERS_PEER_ADDRESS_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/json.h"

struct peer_address {
	char host[INET6_ADDRSTRLEN]; /* "" for a family that is neither */
	uint16_t port;
};

void peer_address_read(struct peer_address *a, const struct sockaddr_storage *ss);
/* As {"host": .., "port": ..}. */
void peer_address_put(struct json_writer *w, const char *key, const struct peer_address *a);
/* The spelling that peer_address_read() has for this address, allocated; a text that is no address
 * stays as it is. NULL with ENOMEM. */
char *peer_host_normal(const char *text);

#endif
