/*
 * Why no device runs: one sentence for people, in the words and with the errno
 * of whatever is in the way. What `info`, `status`, refusals and the log say of
 * it comes from here.
 */
#ifndef SUPERVISOR_IDLE_H
#define SUPERVISOR_IDLE_H

#include "supervisor/engine/engine.h"
#include "supervisor/engine/eventd.h"
#include "supervisor/engine/monitor.h"

enum { IDLE_MAX_TEXT = 768 };

/* What stands between a gateway and its devices; monitor and eventd are NULL where the
 * configuration has none. */
struct idle {
	const struct engine *engine;
	const struct monitor *monitor;
	const struct eventd *eventd;
};

/* "" where nothing is in the way. Returns text. */
const char *idle_explain(const struct idle *i, char text[IDLE_MAX_TEXT]);

#endif
