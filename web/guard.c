#include "web/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool
guard_spend(struct guard_budget *b, unsigned a_second, struct monotime now)
{
	double most = (double)a_second * GUARD_BURST_S;

	if (b->when.ns == 0)
		b->left = most;
	else
		b->left += (double)monotime_diff_ms(now, b->when) * a_second / 1000.;
	b->when = now;
	if (b->left > most)
		b->left = most;
	if (b->left < 1.)
		return false;
	b->left -= 1.;
	return true;
}

bool
guard_is_over(enum guard_phase phase, struct monotime since, struct monotime now)
{
	int64_t ms = monotime_diff_ms(now, since);

	return phase != GUARD_STREAMS &&
	       ms > (phase == GUARD_WAITS ? GUARD_REQUEST_MS : GUARD_ANSWER_MS);
}

/* Without a port, and without the brackets of an IPv6 address. False: it is too long. */
static bool
cut_host(const char *host, char *out, size_t size)
{
	bool six = host[0] == '[';
	size_t len = six ? strcspn(host + 1, "]") : strcspn(host, ":");

	return snprintf(out, size, "%.*s", (int)len, host + six) < (int)size;
}

bool
guard_allows_host(const char *host, const char *const names[], size_t count)
{
	char name[256];
	uint8_t address[16];

	if (!host)
		return true;
	if (strlen(host) >= sizeof(name) || !cut_host(host, name, sizeof(name)))
		return false;
	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1 ||
	    strcasecmp(name, "localhost") == 0)
		return true;
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}
