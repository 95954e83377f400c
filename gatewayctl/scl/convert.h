/* Shared by the files that turn SCL into a configuration. In gatewayctl. */
#ifndef GATEWAYCTL_SCL_CONVERT_H
#define GATEWAYCTL_SCL_CONVERT_H

#include "gatewayctl/scl/types.h"

enum { SCL_NAME = 512 };

enum scl_section {
	SECTION_TYPES,
	SECTION_DATASETS,
	SECTION_RCBS,
	SECTION_DATA,
	SECTION_COMMANDS,
	SECTION_CHANGES,
	SECTIONS
};

/* A logical node of the server. */
struct scl_node {
	const struct scl_element *element;
	char device[SCL_NAME], name[SCL_NAME]; /* as MMS has them */
};

struct scl_convert {
	struct scl_types types;
	const struct scl_element *ied, *server;
	struct buffer sections[SECTIONS];
	struct buffer *notes;
	void *seen; /* tsearch(3): texts that may be there once */
};

/* Says what is left out. */
void scl_note(struct scl_convert *c, const struct scl_element *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Remembers a text of a kind; false: it was there already. */
bool scl_once(struct scl_convert *c, const char *kind, const char *text);

/* Names of a logical device and of a logical node in it; false where they are no names. */
bool scl_node_set(struct scl_node *n, const struct scl_convert *c, const struct scl_element *device,
    const struct scl_element *node);
/* Puts the value type of a data object once; false: there is none, types.why says why. */
bool scl_need_type(
    struct scl_convert *c, const struct scl_node *n, const char *fc, const struct scl_step *object);

/* {logical_device: ..., logical_node: ..., fc: ..., names: [...]} */
void scl_put_value(
    struct buffer *b, const struct scl_node *n, const char *fc, const struct scl_way *way);
void scl_put_pair(struct buffer *b, const char *key, const char *value);
/* The name of a data or command, which is there once in the section's list: the logical device,
 * node and the steps with dots between; more: what else to add where that is taken, or NULL. */
void scl_put_name(struct scl_convert *c, enum scl_section section, const struct scl_node *n,
    const struct scl_way *way, size_t steps, const char *more);

/* The report control blocks of a logical node, with their data sets and data. */
void scl_reports(struct scl_convert *c, const struct scl_node *n);
/* Its controls, and the settings that can be written. */
void scl_controls(struct scl_convert *c, const struct scl_node *n);
/* Appends host, port and selectors of the server's access point. */
void scl_put_connection(
    struct buffer *b, struct scl_convert *c, const struct scl_element *access_point);

#endif
