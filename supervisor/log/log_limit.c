#include "supervisor/log/log_limit.h"

#include <stdio.h>
#include <string.h>

enum {
	WAYS = 4, /* places that a kind may take */
};

void
log_limit_init(struct log_limit *l)
{
	memset(l, 0, sizeof(*l));
}

/* FNV-1a. Names come from the configuration and from our own code, so that nobody can choose them
 * to collide. */
static uint32_t
hash(uint32_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return (h ^ '/') * 16777619u;
}

static void
refill(struct log_limit_kind *k, struct monotime now)
{
	int64_t passed = monotime_diff_ms(now, k->last) / LOG_LIMIT_REFILL_MS;

	if (passed <= 0)
		return;
	k->last = monotime_add_ms(k->last, passed * LOG_LIMIT_REFILL_MS);
	k->tokens =
	    passed >= LOG_LIMIT_BURST - k->tokens ? LOG_LIMIT_BURST : k->tokens + (uint32_t)passed;
}

/* The kind's own place, else the one that was quiet the longest, which it takes over. */
static struct log_limit_kind *
place(struct log_limit *l, const char *device, const char *event, struct monotime now)
{
	size_t set = hash(hash(2166136261u, device), event) % (LOG_LIMIT_KINDS / WAYS);
	struct log_limit_kind *first = &l->kinds[set * WAYS], *oldest = first;

	for (struct log_limit_kind *k = first; k < first + WAYS; k++) {
		if (k->last.ns && strcmp(k->device, device) == 0 && strcmp(k->event, event) == 0)
			return k;
		if (monotime_cmp(k->last, oldest->last) < 0)
			oldest = k;
	}
	l->forgotten += oldest->left_out;
	*oldest = (struct log_limit_kind){ .last = now, .tokens = LOG_LIMIT_BURST };
	snprintf(oldest->device, sizeof(oldest->device), "%s", device);
	snprintf(oldest->event, sizeof(oldest->event), "%s", event);
	return oldest;
}

bool
log_limit_take(struct log_limit *l, const char *device, const char *event, struct monotime now,
    uint64_t *left_out)
{
	char d[LOG_LIMIT_NAME], e[LOG_LIMIT_NAME];

	snprintf(d, sizeof(d), "%s", device ? device : "");
	snprintf(e, sizeof(e), "%s", event ? event : "");
	struct log_limit_kind *k = place(l, d, e, now);
	refill(k, now);
	*left_out = 0;
	if (k->tokens == 0) {
		k->left_out++;
		return false;
	}
	k->tokens--;
	*left_out = k->left_out;
	k->left_out = 0;
	return true;
}

const struct log_limit_kind *
log_limit_reopened(struct log_limit *l, struct monotime now, bool all, uint64_t *left_out)
{
	static const struct log_limit_kind others = { .event = "other kinds" };

	if (l->forgotten) {
		*left_out = l->forgotten;
		l->forgotten = 0;
		return &others;
	}
	for (size_t i = 0; i < LOG_LIMIT_KINDS; i++) {
		struct log_limit_kind *k = &l->kinds[i];
		if (k->left_out == 0)
			continue;
		refill(k, now);
		if (k->tokens == 0 && !all)
			continue;
		*left_out = k->left_out;
		k->left_out = 0;
		return k;
	}
	return NULL;
}
