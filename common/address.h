/* The address of a socket as an option says it. */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Cuts "HOST:PORT" or "[HOST]:PORT" in place; what follows the last colon is the port, a number up
 * to 65535, as getaddrinfo() takes any. host may be "". Both point into address. Returns 0, or -1
 * where it has no such form; address is as it was then. */
static inline int
address_split(char *address, char **host, char **port)
{
	char *colon = strrchr(address, ':');

	if (!colon || !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strlen(colon + 1) > 5 || strtoul(colon + 1, NULL, 10) > UINT16_MAX)
		return -1;
	*colon = '\0';
	*port = colon + 1;
	*host = address;
	size_t len = strlen(address);
	if (address[0] == '[' && len > 2 && address[len - 1] == ']') {
		address[len - 1] = '\0';
		*host = address + 1;
	}
	return 0;
}

#endif
