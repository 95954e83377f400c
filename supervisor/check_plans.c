#include "supervisor/check_plans.h"

#include <arpa/inet.h>
#include <string.h>

enum { MAX_NAME = 253, MAX_LABEL = 63 };

static bool
is_any(const char *host)
{
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

bool
check_plans_conflict(const struct planned *a, const struct planned *b)
{
	if (a->device == b->device || a->kind != b->kind)
		return false;
	switch (a->kind) {
	case IPC_RESOURCE_TTY:
		return strcmp(a->target, b->target) == 0;
	case IPC_RESOURCE_LISTEN:
	case IPC_RESOURCE_UDP_LISTEN:
		return a->port == b->port && (strcmp(a->target, b->target) == 0 ||
						 is_any(a->target) || is_any(b->target));
	default:
		return false;
	}
}

static bool
is_name_char(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
	       c == '_' || (c & 0x80);
}

/* Labels with dots between them; at the end one may stand, and the last label is no number: that
 * would be an address. */
static bool
is_name(const char *text)
{
	size_t len = strlen(text), label = 0;
	bool digits = true;

	if (len == 0 || len > MAX_NAME)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			digits = digits || i + 1 < len;
			continue;
		}
		if (label == 0)
			digits = true;
		if (!is_name_char(text[i]) || ++label > MAX_LABEL)
			return false;
		digits &= text[i] >= '0' && text[i] <= '9';
	}
	return !digits;
}

bool
check_plans_is_host(const char *text)
{
	char address[INET6_ADDRSTRLEN + 1];
	struct in6_addr v6;
	struct in_addr v4;
	size_t len = strcspn(text, "%");

	if (is_name(text) || inet_pton(AF_INET, text, &v4) == 1)
		return true;
	if (len >= sizeof(address) || (text[len] && !text[len + 1]))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return inet_pton(AF_INET6, address, &v6) == 1;
}
