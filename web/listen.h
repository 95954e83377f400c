/* The socket that gateway-web listens on: systemd's, TCP, or a Unix socket. */
#ifndef WEB_LISTEN_H
#define WEB_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

/* The socket that systemd handed over; else one at address, HOST:PORT with a numeric host; else one
 * at path, which replaces the socket of a dead process. insecure: the address may be one that other
 * machines reach. Returns a descriptor, or -1 with a sentence in err. */
int listen_open(const char *address, const char *path, bool insecure, char *err, size_t err_size);
/* Logs where that is. */
void listen_log(int fd);

#endif
