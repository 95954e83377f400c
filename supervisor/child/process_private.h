/* The parts of a process, for process.c and for tests without a process. */
#ifndef SUPERVISOR_PROCESS_PRIVATE_H
#define SUPERVISOR_PROCESS_PRIVATE_H

#include "supervisor/child/process.h"

struct process {
	struct process_options options;
	char subject[40]; /* of log lines: "gateway-eventd: ", or "" where a device is named */
	struct child_fsm fsm;
	ev_timer deadline;
	pid_t pid; /* 0: none */
	int pidfd;
	ev_io exited;
	bool reaped, out_of_memory; /* out_of_memory: the kernel killed it for its group's limit */
	uint32_t group;		    /* of its control group; 0: none */
	bool refused;		    /* not started: process_refuse() */
	int status;		    /* of waitpid(2), when it is reaped */
	struct monotime spawned;
	uint64_t exec_ns;
	struct output output;
	char violation[PROCESS_MAX_WORDS], last_words[PROCESS_MAX_WORDS];
	char trouble[PROCESS_MAX_TROUBLE];
	struct process_obituary *obituaries[PROCESS_MAX_OBITUARIES]; /* a ring; owned */
	uint32_t deaths;					     /* ever */
	uint32_t deaths_by[PROCESS_CAUSES];
	struct process *next_freed;
};

#endif
