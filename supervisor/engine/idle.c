#include "supervisor/engine/idle.h"

#include <stdio.h>

/* Each writes to text what it knows of, and nothing where it is in nobody's way. */

static void
explain_monitor(const struct idle *i, char *text)
{
	if (i->monitor)
		monitor_explain(i->monitor, text, IDLE_MAX_TEXT);
}

static void
explain_eventd(const struct idle *i, char *text)
{
	const struct process *p = i->eventd ? eventd_process(i->eventd) : NULL;

	if (!p || process_state(p) == CHILD_RUNNING)
		return;
	const char *trouble = process_trouble(p);
	if (*trouble)
		snprintf(
		    text, IDLE_MAX_TEXT, "the built-in Event Server is not running: %s", trouble);
	else
		snprintf(text, IDLE_MAX_TEXT, "the built-in Event Server is %s",
		    child_state_name(process_state(p)));
}

static void
explain_link(const struct idle *i, char *text)
{
	const struct eventlink *l = engine_link(i->engine);
	const struct eventlink_stats stats = eventlink_stats(l);

	if (eventlink_state(l) == LINK_UP)
		return;
	snprintf(text, IDLE_MAX_TEXT, "the Event Server is not connected: %s",
	    stats.last_error[0] ? stats.last_error : eventlink_state_name(eventlink_state(l)));
}

static void
explain_engine(const struct idle *i, char *text)
{
	if (!i->engine->active)
		snprintf(text, IDLE_MAX_TEXT, "the Event Server is %s, require_operational is set",
		    eventer_status_name(eventlink_status(engine_link(i->engine))));
	else if (i->engine->starts.unknown[0])
		snprintf(text, IDLE_MAX_TEXT,
		    "cannot learn from the Event Server which devices are enabled: %s",
		    i->engine->starts.unknown);
}

const char *
idle_explain(const struct idle *i, char text[IDLE_MAX_TEXT])
{
	static void (*const layers[])(
	    const struct idle *, char *) = { explain_eventd, explain_link, explain_engine };

	text[0] = '\0';
	explain_monitor(i, text);
	/* An Event Server of our own that has died leaves devices running while the link stands. */
	if (!text[0] && i->engine->active)
		explain_engine(i, text);
	for (size_t n = 0; !i->engine->active && !text[0] && n < sizeof(layers) / sizeof(layers[0]);
	     n++)
		layers[n](i, text);
	return text;
}
