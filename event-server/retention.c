#include "event-server/retention.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool
split(struct retention_rule *rule)
{
	char *p = rule->text;

	for (;;) {
		size_t len = strcspn(p, "/");
		if (len == 0 || rule->segment_count == EVENTER_MAX_SEGMENTS)
			return false;
		rule->segments[rule->segment_count++] = (struct sbs_str){ p, len };
		if (!p[len])
			return true;
		p += len + 1;
	}
}

static bool
take_bound(struct retention_rule *rule, const char *key, size_t len, uint64_t v)
{
	if (len == 5 && memcmp(key, "count", 5) == 0)
		rule->max_count = v;
	else if (len == 5 && memcmp(key, "bytes", 5) == 0)
		rule->max_bytes = v;
	else if (len == 3 && memcmp(key, "age", 3) == 0)
		rule->max_age_s = (int64_t)v;
	else
		return false;
	return true;
}

static bool
parse_bounds(struct retention_rule *rule, const char *text)
{
	for (;; text++) {
		size_t len = strcspn(text, "=");
		char *end;
		if (text[len] != '=' || text[len + 1] < '0' || text[len + 1] > '9')
			return false;
		errno = 0;
		uint64_t v = strtoull(text + len + 1, &end, 10);
		if (errno || v > INT64_MAX || !take_bound(rule, text, len, v))
			return false;
		text = end;
		if (!*text)
			return true;
		if (*text != ',')
			return false;
	}
}

const char *
retention_add(struct retention *r, const char *text)
{
	const char *colon = strrchr(text, ':');

	if (r->count == RETENTION_MAX_RULES)
		return "more than 16 patterns";
	if (!colon || (size_t)(colon - text) >= RETENTION_MAX_TEXT)
		return "expected TYPE:count=N,age=S,bytes=N";
	struct retention_rule *rule = &r->rules[r->count];
	*rule = (struct retention_rule){
		.max_count = UINT64_MAX, .max_bytes = UINT64_MAX, .max_age_s = INT64_MAX
	};
	memcpy(rule->text, text, (size_t)(colon - text));
	if (!split(rule))
		return "an empty segment in the type, or too many";
	if (!parse_bounds(rule, colon + 1))
		return "expected count=N, age=S or bytes=N behind the type";
	r->count++;
	return NULL;
}

struct retention_rule *
retention_find(struct retention *r, const struct eventer_type *type)
{
	for (size_t i = 0; i < r->count; i++)
		if (eventer_type_match(type->segments, type->count, r->rules[i].segments,
			r->rules[i].segment_count))
			return &r->rules[i];
	return NULL;
}
