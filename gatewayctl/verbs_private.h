/* Shared by the files of gatewayctl's verbs. */
#ifndef GATEWAYCTL_VERBS_PRIVATE_H
#define GATEWAYCTL_VERBS_PRIVATE_H

#include "gatewayctl/description.h"
#include "gatewayctl/verbs.h"

enum { VERBS_MAX_NODES = 100000, VERBS_MAX_PREFIX = 8 };

/* The text of a member, "" where there is none. */
const char *verbs_text(const struct json *o, const char *key);
/* Says why, and returns the exit code. */
int verbs_refuse(const char *name, const char *why);
/* The description of a running device; an exit code where it has none, having said why. */
int verbs_load(struct description *d, struct session *s, const struct options *o, const char *name);

typedef void verbs_row(void *arg, const struct json *row);
/* A request: begin it, put its members, then ask: each row of the answer goes to each. Returns an
 * exit code, having said what is wrong. */
void verbs_begin_request(struct buffer *b, struct json_writer *w, enum control_id id);
int verbs_ask(
    struct session *s, struct buffer *b, struct json_writer *w, verbs_row *each, void *arg);

struct verbs_prefix {
	char segments[VERBS_MAX_PREFIX][512];
	size_t count;
};

/* The segments that the device's event types begin with. */
int verbs_load_prefix(struct verbs_prefix *p, struct session *s, const char *name);
/* The first segment behind the prefix; NULL where the type has another. */
const struct json *verbs_behind(const struct verbs_prefix *p, const struct json *type);

#endif
