/* The configuration of iec61850_client, checked and copied out of its tree. In the iec61850 runner.
 */
#ifndef DEVICE_RUNNERS_IEC61850_CONF_H
#define DEVICE_RUNNERS_IEC61850_CONF_H

#include "device-runners/iec61850/reference.h"
#include "device-runners/runtime/runner.h"
#include "protocols/mms/client.h"

enum conf_part { CONF_VALUE, CONF_QUALITY, CONF_TIMESTAMP, CONF_SELECTED, CONF_PARTS };
extern const char *const conf_part_names[];

/* A member of a data set brings a part of a data, whole or (the part is around it) a piece. */
struct conf_link {
	uint32_t data;
	enum conf_part part;
	bool whole;
};

/* The part that is the same in each data set that has it. */
struct conf_point {
	const struct reference *ref;
	struct conf_link *links; /* in the order of data */
	size_t count;
};

struct conf_member {
	struct reference ref;
	struct conf_point *point;
};

struct conf_dataset {
	char *domain, *item; /* domain NULL: of the association */
	char *text;	     /* as DatSet has it: "LD0/LLN0$events", "@events" */
	bool dynamic, replace;
	struct conf_member *members;
	size_t count;
};

struct conf_rcb {
	char *domain, *item; /* "LD0", "LLN0$BR$brcb01" */
	bool buffered;
	char *report_id, *id; /* as configured, and what stands for it where that is empty */
	const struct conf_dataset *dataset;
	bool has_triggers, has_optional, has_revision, has_buffer_time, has_integrity,
	    has_reservation, purge;
	uint32_t triggers, optional; /* bits of TrgOps and OptFlds */
	int64_t revision, buffer_time, integrity, reservation;
};

struct conf_data {
	const char *name; /* of the types */
	const struct conf_rcb *rcb;
	struct reference parts[CONF_PARTS]; /* item NULL: there is none */
};

enum conf_model { MODEL_DIRECT, MODEL_SBO, MODEL_DIRECT_ENHANCED, MODEL_SBO_ENHANCED };

struct conf_command {
	char *name, *domain, *item; /* "LD0", "GGIO1$CO$SPCSO1" */
	enum conf_model model;
	bool operate_time;
	const struct iec61850_type *type; /* of ctlVal */
};

struct conf_change {
	char *name;
	struct reference ref;
};

struct conf {
	char *host; /* owned */
	uint16_t port;
	int address; /* in the plan */
	int64_t connect_ms, reconnect_ms;
	struct mms_params params;
	struct types *types;
	struct conf_dataset *datasets;
	size_t dataset_count;
	struct conf_point *points;
	size_t point_count;
	struct conf_rcb *rcbs;
	size_t rcb_count;
	struct conf_data *data;
	size_t data_count;
	struct conf_command *commands;
	size_t command_count;
	struct conf_change *changes;
	size_t change_count;
};

extern const struct schema conf_schema;
/* Reports every fault to the runner and plans the connection. Returns 0, or -1 when there was an
 * error; clear in both cases. */
int conf_load(struct conf *c, struct runner *r, const struct json *conf);
void conf_clear(struct conf *c);

/* The part of conf_load() that reads data sets, report control blocks, data, commands and changes.
 * Returns the number of errors. */
int conf_load_model(struct conf *c, struct runner *r, const struct json *conf);
void conf_clear_model(struct conf *c);

#endif
