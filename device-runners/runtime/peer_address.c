#include "device-runners/runtime/peer_address.h"

#include <arpa/inet.h>
#include <string.h>

static void
read_v6(struct peer_address *a, const struct in6_addr *v6)
{
	if (IN6_IS_ADDR_V4MAPPED(v6))
		inet_ntop(AF_INET, v6->s6_addr + 12, a->host, sizeof(a->host));
	else
		inet_ntop(AF_INET6, v6, a->host, sizeof(a->host));
}

void
peer_address_read(struct peer_address *a, const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;

	*a = (struct peer_address){ .port = 0 };
	if (ss->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, a->host, sizeof(a->host));
		a->port = ntohs(v4->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		read_v6(a, &v6->sin6_addr);
		a->port = ntohs(v6->sin6_port);
	}
}

void
peer_address_put(struct json_writer *w, const char *key, const struct peer_address *a)
{
	json_begin_object(w, key);
	json_put_str(w, "host", a->host);
	json_put_int(w, "port", a->port);
	json_end_object(w);
}

char *
peer_host_normal(const char *text)
{
	struct peer_address a = { .port = 0 };
	struct in6_addr v6;

	if (inet_pton(AF_INET6, text, &v6) == 1)
		read_v6(&a, &v6);
	return strdup(a.host[0] ? a.host : text);
}
