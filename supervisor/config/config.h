/*
 * The configuration file (gatewayd.yaml(5)), in the supervisor: YAML into a
 * tree with line numbers, checked whole, every fault reported. What a device
 * type's own keys mean is checked by its runner; config_device_find() gives its
 * faults their lines.
 */
#ifndef SUPERVISOR_CONFIG_H
#define SUPERVISOR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/json.h"
#include "common/log.h"
#include "common/schema/schema.h"
#include "ipc/message.h"

enum {
	CONFIG_MAX_FILE = 64 * 1024 * 1024, /* bytes: 100 servers of IEC 61850, 2,000 points each */
	CONFIG_MAX_READS = 16,		    /* paths that a runner may read */
	CONFIG_MAX_NODES = 4 * 1000 * 1000, /* values in it: 96 bytes of memory each */
	CONFIG_MAX_DEVICES = 4096,
	CONFIG_MAX_NAME = 255,	 /* bytes of a gateway's, device's or type's name */
	CONFIG_MAX_FAULTS = 200, /* reported one by one; the rest is counted in a last line */
};

/* Defaults and ranges of config_limits. */
#define CONFIG_MEMORY_DEFAULT                                                                      \
	(UINT64_C(256) << 20) /* TLS takes 9 MiB, a data point about 1 KiB while it starts */
#define CONFIG_MEMORY_MIN (UINT64_C(32) << 20)
#define CONFIG_MEMORY_MAX (UINT64_C(1) << 40)
enum {
	CONFIG_FILES_DEFAULT = 256, /* a slave's connections, and a few of its own */
	CONFIG_FILES_MIN = 16,
	CONFIG_FILES_MAX = 65536,
	CONFIG_START_MS_DEFAULT = 10000,
	CONFIG_PING_MS_DEFAULT = 2000,
	CONFIG_STOP_MS_DEFAULT = 5000,
	CONFIG_MS_MIN = 100,
	CONFIG_MS_MAX = 600000,
	CONFIG_TYPES_DEFAULT = 256 * 1024, /* a quarter of what gateway-eventd keeps */
	CONFIG_TYPES_MIN = 1,
	CONFIG_TYPES_MAX = 16 * 1024 * 1024,
	CONFIG_CREDIT_DEFAULT = 256 * 1024, /* a few thousand events */
	CONFIG_CREDIT_MIN = 64 * 1024,	    /* one message must fit */
	CONFIG_CREDIT_MAX = 64 * 1024 * 1024,
	CONFIG_TIMESERIES_DEFAULT = 65536, /* as gateway-eventd's own */
	CONFIG_TIMESERIES_MAX = 10 * 1000 * 1000,
	CONFIG_RETENTION_MAX = 16,    /* rules */
	CONFIG_RETENTION_TYPE = 1000, /* bytes of a rule's type */
};

enum config_server {
	CONFIG_SERVER_BUILT_IN, /* gateway-eventd as our child, over a Unix socket */
	CONFIG_SERVER_EVENTER,	/* one Event Server at host:port */
	CONFIG_SERVER_MONITOR,	/* found, and we made active, by a Monitor Server */
};

/* As in the file: "strict", ... */
const char *config_sandbox_name(enum ipc_sandbox sandbox);

/* Limits of one runner process; each has a default. */
struct config_limits {
	uint64_t memory;		     /* bytes of address space (RLIMIT_AS) */
	uint32_t files;			     /* open file descriptors */
	uint32_t start_ms, ping_ms, stop_ms; /* deadlines: ready, pong, end after stop */
	uint32_t credit;		     /* bytes of events under way to the Event Server */
	uint32_t types;			     /* event types that the device may register */
};

/* A part of a file. */
struct config_text {
	int fd; /* -1: none */
	off_t at;
	size_t len;
};

struct config_device {
	const char *name;   /* unique per type; no '/' */
	const char *label;  /* what people call it: the name, or "type/name" where types share it */
	char *own_label;    /* the second form, owned; or NULL */
	const char *type;   /* "modbus_master" */
	const char *module; /* "hat.gateway.devices.modbus.master", or NULL when runner is set */
	const char *family; /* runner executable below libexec, "modbus"; NULL when runner is set */
	const char *runner; /* absolute path of a third party's runner, or NULL */
	const struct json *runner_reads; /* array of absolute paths that it may read, or NULL */
	const struct json *conf;	 /* the device's own tree; NULL once settled */
	struct config_text text;	 /* what config_device_json() gives, once it is kept */
	enum ipc_sandbox sandbox;
	bool enabled; /* where no 'enable' event has said so or otherwise */
	struct config_limits limits;
	enum log_level log_level; /* of its logger, by its module's name */
	char *fault; /* owned: "KEY: MESSAGE", why it cannot run: its part of the file is at fault;
			or NULL */
};

/* gateway-eventd as our child. */
struct config_built_in {
	const char *data;	      /* its folder, or NULL: below the state directory */
	uint32_t timeseries;	      /* events that it keeps beside the latest ones; 0: none */
	const struct json *retention; /* array of checked rules for them, or NULL */
	const char *listen_host;      /* where others reach it over TCP too, or NULL */
	uint16_t listen_port;
	enum ipc_sandbox sandbox; /* the gateway's */
	const char *token_file;	  /* what clients over TCP present is in it, or NULL */
	bool insecure;		  /* clients over TCP on loopback need no token */
};

struct config_log_target {
	bool on;
	enum log_level level; /* of this target, beside that of the line's logger */
};

enum config_syslog { CONFIG_SYSLOG_LOCAL, CONFIG_SYSLOG_UDP, CONFIG_SYSLOG_TCP };

/* The settings of "log" that are served. Without "log": console, at LOG_LEVEL_INFO. */
struct config_log {
	enum log_level level; /* of the gateway's own lines */
	struct config_log_target console, journal, syslog;
	enum config_syslog syslog_transport;
	const char *syslog_host; /* when local: the path of its socket, "/dev/log" */
	uint16_t syslog_port;
};

struct config {
	struct json_doc *doc; /* owns all texts below, unless said otherwise, until it is settled */
	struct json_doc *rest; /* owns them then, and doc is without "devices"; else NULL */
	int texts_fd;	       /* of the devices' texts; owned; -1: none */
	char *path;	       /* of the file; owned */
	const char *name;      /* the gateway's */
	bool name_in_types;    /* seed naming: gateway/<name>/<type>/<device>/... */
	const char
	    *component_name; /* at the Monitor Server; the gateway's where nothing else is said */
	enum config_server server;
	bool require_operational;
	const char *server_host; /* of the Event Server or the Monitor Server; NULL when built in */
	uint16_t server_port;
	const char *server_token; /* client token, which the Event Server's must equal; or NULL */
	const char *gateway_group, *event_server_group; /* at the Monitor Server, else NULL */
	struct config_built_in built_in;
	const char *control_group; /* group that may use the control socket, or NULL */
	const char *observe_group; /* group that may look through the observers' socket, or NULL */
	struct config_log log;
	struct config_device *devices; /* owned, in the file's order */
	size_t device_count;
	bool device_faults; /* a device that is at fault fails alone ("on_error") */
	bool at_fault;	    /* only what config_load_part() returns may be */
	char *address_host; /* owned: the host of an address in the first generation's form */
};

/* The column of a fault: a key's own where the message is about the key. */
uint32_t config_fault_column(const struct json *where, const char *message);

/* One fault: "FILE:LINE:COLUMN: PATH: MESSAGE". line is 0 where it is about the whole file; path
 * may be "". All borrowed. */
typedef void config_report(void *arg, enum schema_severity severity, const char *file,
    uint32_t line, uint32_t column, const char *path, const char *message);

/* The report of a fault as one line for people, to the FILE * in arg. */
void config_report_print(void *arg, enum schema_severity severity, const char *file, uint32_t line,
    uint32_t column, const char *path, const char *message);

/* Loads and checks; reports every fault. TOML has a name that ends in .toml. Returns a
 * configuration for config_free(), or NULL when there was an error (warnings alone are none, and
 * with device_faults what is wrong with a device of known type and name costs that device). */
struct config *config_load(const char *path, config_report *report, void *arg);
/* The same, but what there is of a configuration with errors too, so that its devices can be
 * checked all the same: at_fault says so, and any text may be missing. NULL where there is no tree.
 */
struct config *config_load_part(const char *path, config_report *report, void *arg);
/* config_load() from memory; file is what faults call it. */
struct config *config_load_text(
    const char *text, size_t len, const char *file, config_report *report, void *arg);
void config_free(struct config *c);

/* Writes each device's own tree as text into memory of the kernel's, so that config_settle() need
 * not, which takes long where there is much. For a thread, too. Returns 0 or -1. */
int config_keep_texts(struct config *c);
/* What is in force needs the trees of its devices rarely: frees them, and keeps their texts, about
 * 0.1 KiB a data point outside of the process. Before anybody has texts or trees of it; devices
 * stay where they are. Without memory for that nothing changes. */
void config_settle(struct config *c);
/* The device's own tree; where it was settled without what is the supervisor's, parsed again.
 * Returns NULL when out of memory. *doc is for json_free(). */
const struct json *config_device_tree(const struct config_device *d, struct json_doc **doc);
/* Whether that is one of the texts in the device's own tree, keys excepted. Does not parse what was
 * settled. */
bool config_device_names(const struct config_device *d, const char *text);

/* Finds the node of path ("devices[3].connection.port") in the tree, or the closest one above it.
 * Never NULL. */
const struct json *config_find(const struct config *c, const char *path);
/* The same below a device's own tree, which was not settled: how a runner's config_error gets its
 * line and column. */
const struct json *config_device_find(const struct config_device *d, const char *path);
/* The key that only the supervisor reads, as "enabled", which a misspelt key of a device most
 * likely stands for, or NULL. */
const char *config_supervisors_nearest(const char *key);

/* Whether the device would be started the same way in both (same name, type, runner, sandbox,
 * limits, fault and own tree; the order of keys, comments and lines do not count): what reload
 * asks. */
bool config_device_equal(const struct config_device *a, const struct config_device *b);
/* Appends the device's own tree as JSON, as its runner gets it: without the keys that are the
 * supervisor's ("runner", "runner_reads", "limits", "sandbox"). Check the buffer for failure. */
void config_device_json(const struct config_device *d, struct buffer *b);

/* The effect of a reload, one row a device. */
enum config_change {
	CONFIG_REMOVED,
	CONFIG_CHANGED, /* the device restarts */
	CONFIG_ADDED,
	CONFIG_TUNED, /* limits and "enabled", which take effect while it runs */
	CONFIG_SAME,
	CONFIG_CHANGES,
};

struct config_diff_row {
	enum config_change change;
	const struct config_device *before,
	    *after; /* borrowed from the two; NULL where there is none */
};

struct config_diff {
	bool server;	      /* one of the next two: the link starts again */
	bool name, elsewhere; /* the gateway's name; its Event Server or Monitor Server */
	bool log;	      /* where lines go, or the gateway's level */
	size_t levels;	      /* devices in both whose loggers have another level */
	bool control;
	size_t count;
	size_t counts[CONFIG_CHANGES];
	struct config_diff_row rows[];
};

/* Compares by type and name. Rows come in the order in which a reload acts, so that what a removed
 * device held is free for an added one: removed, changed, added, tuned, same; each in its file's
 * order. Returns a diff for free(), or NULL with errno. */
struct config_diff *config_diff(const struct config *before, const struct config *after);
const char *config_change_name(enum config_change change);

/* "data[3].interval: 1 -> 2"; values of secrets are left out. Borrowed. */
typedef void config_key_change(void *arg, const char *text);
/* The same of the file's keys beside its devices, by what they are for. */
enum config_part {
	CONFIG_PART_NAME,
	CONFIG_PART_SERVER,
	CONFIG_PART_LOG,
	CONFIG_PART_CONTROL,
	CONFIG_PARTS
};
void config_gateway_changes(const struct config *before, const struct config *after,
    enum config_part part, config_key_change *say, void *arg);
/* Says for each key of a device what has changed, in the file's order. */
void config_device_changes(const struct config_device *before, const struct config_device *after,
    config_key_change *say, void *arg);

#endif
