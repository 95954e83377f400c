/* A device of the engine. */
#ifndef SUPERVISOR_ENGINE_DEVICE_H
#define SUPERVISOR_ENGINE_DEVICE_H

#include <stdbool.h>

#include "supervisor/child/child.h"
#include "supervisor/engine/gate.h"

struct engine;

/* A device: its child, and what the Event Server has sent about it. */
struct engine_device {
	struct engine *engine;
	struct child *child;
	struct gate_party party;
	struct engine_device *next_touched; /* list of the devices with events in this message */
	bool touched;
	bool begun;	      /* this engine has registered 'running' false and queried 'enable' */
	bool enable_known;    /* since it was begun */
	bool enable_answered; /* what was before is known, too: the query's answer has come */
	bool
	    added; /* by a reload, and not among the subscriptions of the link: the second link's */
	struct engine_device *next_removed;
	struct engine_device *next_start; /* in the queue of those that are to start */
	bool waits_to_start;
};

#endif
