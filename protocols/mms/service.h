/*
 * Services of MMS (ISO 9506-2) as a client of IEC 61850 uses them, in runner processes: requests to
 * octets, answers to structs. An answer borrows from the octets; its lists are checked when it is
 * decoded, so that a walk over them cannot fail.
 */
#ifndef PROTOCOLS_MMS_SERVICE_H
#define PROTOCOLS_MMS_SERVICE_H

#include "protocols/mms/value.h"

/* The number of the context tag in ConfirmedServiceRequest and ConfirmedServiceResponse. */
enum mms_service {
	MMS_STATUS = 0,
	MMS_GET_NAME_LIST = 1,
	MMS_IDENTIFY = 2,
	MMS_READ = 4,
	MMS_WRITE = 5,
	MMS_GET_VARIABLE_ATTRIBUTES = 6, /* GetVariableAccessAttributes */
	MMS_DEFINE_LIST = 11,		 /* DefineNamedVariableList */
	MMS_GET_LIST = 12,		 /* GetNamedVariableListAttributes */
	MMS_DELETE_LIST = 13,		 /* DeleteNamedVariableList */
};

/* "read", "defineNamedVariableList"; "unknown" for what is none. */
const char *mms_service_name(enum mms_service service);

/* ObjectName. */
enum mms_scope { MMS_VMD, MMS_DOMAIN, MMS_ASSOCIATION };

struct mms_name {
	enum mms_scope scope;
	struct mms_str domain; /* of MMS_DOMAIN */
	struct mms_str item;
};

/* A variable, or one element of an array: AlternateAccess with an index and, behind it, a
 * component. */
struct mms_variable {
	struct mms_name name;
	bool has_index;
	uint32_t index;
	struct mms_str component; /* "mag$f"; p NULL: the whole element */
};

enum mms_object_class {
	MMS_CLASS_VARIABLE = 0,
	MMS_CLASS_VARIABLE_LIST = 2,
	MMS_CLASS_DOMAIN = 9,
};

/* DataAccessError (14.4.3). */
enum mms_access_error {
	MMS_ACCESS_INVALIDATED = 0,
	MMS_ACCESS_HARDWARE_FAULT = 1,
	MMS_ACCESS_TEMPORARILY_UNAVAILABLE = 2,
	MMS_ACCESS_DENIED = 3,
	MMS_ACCESS_UNDEFINED = 4,
	MMS_ACCESS_INVALID_ADDRESS = 5,
	MMS_ACCESS_TYPE_UNSUPPORTED = 6,
	MMS_ACCESS_TYPE_INCONSISTENT = 7,
	MMS_ACCESS_ATTRIBUTE_INCONSISTENT = 8,
	MMS_ACCESS_UNSUPPORTED = 9,
	MMS_ACCESS_NON_EXISTENT = 10,
	MMS_ACCESS_VALUE_INVALID = 11,
};
/* "object-access-denied"; "unknown". */
const char *mms_access_error_name(int64_t error);

/* Octets of a list that was checked; walked by the function of its kind. A copy is a second
 * position. */
struct mms_list {
	const uint8_t *p, *end;
};

/* AccessResult of a read or a report. */
struct mms_access {
	bool success;
	int64_t error;		/* enum mms_access_error, where it failed */
	struct mms_value value; /* where it did not */
};
bool mms_access_next(struct mms_list *list, struct mms_access *a);
/* Results of a write, one a variable; *error: enum mms_access_error where it failed. */
bool mms_written_next(struct mms_list *list, bool *success, int64_t *error);
/* Names of a name list. */
bool mms_identifier_next(struct mms_list *list, struct mms_str *name);
/* Members of a variable list. What is neither a name nor an element of a named array fails the
 * answer. */
bool mms_variable_next(struct mms_list *list, struct mms_variable *v);
size_t mms_list_count(struct mms_list list);

/* TypeDescription. */
struct mms_type {
	enum mms_kind kind;
	/* Elements of an array; bits, octets or characters of the others, negative: at most so
	 * many. */
	int64_t size;
	struct mms_list members; /* of a structure; of an array: its element type, without a name */
};
/* Members of a structure, the element of an array. name.p NULL: it has none. */
bool mms_type_next(struct mms_list *list, struct mms_str *name, struct mms_type *type);

struct mms_response {
	enum mms_service service;
	union {
		struct {
			int64_t logical, physical; /* 0: allows state changes; operational */
		} status;
		struct {
			struct mms_list names; /* mms_identifier_next() */
			bool more_follows;
		} name_list;
		struct {
			struct mms_str vendor, model, revision;
		} identify;
		struct mms_list read;	 /* mms_access_next() */
		struct mms_list written; /* mms_written_next() */
		struct {
			bool deletable;
			struct mms_type type;
		} attributes;
		struct {
			bool deletable;
			struct mms_list variables; /* mms_variable_next() */
		} list;
		struct {
			uint32_t matched, deleted;
		} deleted;
	} u;
};

/* InformationReport. */
struct mms_report {
	bool is_list;
	struct mms_name list;	   /* where it is a named list: a report of IEC 61850 has "RPT" */
	struct mms_list variables; /* where it is not; mms_variable_next() */
	struct mms_list results;   /* mms_access_next() */
};

/* The service of a confirmed response, an element. DEC_UNSUP: another service. */
enum dec mms_response_decode(struct mms_response *r, const struct ber_element *service);
/* The service of an unconfirmed PDU, which follows in the reader. */
enum dec mms_report_decode(struct mms_report *r, struct ber_reader *reader);
/* Decodes a report, or a request to write: which variables, and values where there are
 * some. */
enum dec mms_access_decode(struct mms_report *r, struct ber_reader *reader);

/* ServiceError: class and code of clause 7.4.3 of ISO 9506-1; -1: the answer has none. */
struct mms_error {
	int error_class, code;
};
/* "definition: object-undefined"; "class 20, code 3" for what has no name. Uses text. */
const char *mms_error_text(struct mms_error error, char text[64]);

#endif
