/* The report of gatewayd --check: faults as lines or as JSON, counted. */
#ifndef SUPERVISOR_CHECK_REPORT_H
#define SUPERVISOR_CHECK_REPORT_H

#include <stdbool.h>

#include "common/buffer.h"
#include "supervisor/config/config.h"

struct check_report {
	bool json; /* faults become rows, for check_report_print() */
	unsigned errors, warnings;
	struct buffer rows;
};

void check_report_init(struct check_report *r, bool json);
/* A config_report; arg is the struct check_report. */
void check_report_fault(void *arg, enum schema_severity severity, const char *file, uint32_t line,
    uint32_t column, const char *path, const char *message);
/* Writes the array of faults to stdout where it is asked for; frees. */
void check_report_end(struct check_report *r);

#endif
