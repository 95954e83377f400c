/*
 * The events of gateway-eventd: the latest of each type, and the time series
 * of the last ones, both in memory, and in a db where there is one. Events
 * are staged, then committed together: only then can they be seen.
 */
#ifndef EVENT_SERVER_STORE_H
#define EVENT_SERVER_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event-server/db.h"
#include "event-server/quota.h"
#include "event-server/retention.h"
#include "protocols/hat/eventer.h"

enum {
	STORE_MAX_TYPES = 1 << 20,	/* event types ever kept */
	STORE_MAX_EVENT = 1 << 20,	/* bytes of one event */
	STORE_MAX_BYTES = 256 << 20,	/* of all events together */
	STORE_NEW_BYTES = 192 << 20,	/* beyond it only types are registered that are known */
	STORE_OWN_BYTES = 8 << 20,	/* more for new types that say whether a device runs */
	STORE_OWN_TYPES = 1 << 16,	/* of STORE_MAX_TYPES, for these types alone */
	STORE_BACK_US = 1000000,	/* as far the clock may go back before time follows it */
	STORE_SERIES_BYTES = 128 << 20, /* of all events: beyond it the series' oldest go */
	STORE_MAX_SERIES = 10 * 1000 * 1000, /* what --timeseries may ask for */
	STORE_DEFAULT_SERIES = 65536,
	STORE_WATCHERS = 256, /* subscribers that are remembered per type */
};

struct record;

/* An event type that was seen. It goes with its last event where none of them was committed, else
 * with the store. */
struct store_type {
	uint64_t number; /* its own, from 1 */
	uint64_t hash;
	size_t records;		     /* of it, anywhere */
	struct record *latest;	     /* NULL: staged only */
	struct sbs_str raw;	     /* the encoded EventType, owned */
	struct quota *device;	     /* whose it is, or NULL */
	bool unsaved;		     /* the db does not have its latest event */
	struct retention_rule *rule; /* how much of it the series keeps, or NULL */
	/* Room for the owner: which subscribers it concerns, valid while the epoch is the owner's.
	 */
	uint64_t watch_epoch, watch_mask[STORE_WATCHERS / 64];
	uint64_t query; /* the last query that selected it */
};

/* One event, shared by latest, series and staged. */
struct record {
	uint32_t refs;
	uint32_t len;
	uint32_t rest; /* bytes of it without its id, type and timestamp */
	struct store_type *type;
	struct eventer_id id;
	struct timestamp timestamp;
	struct eventer_time source;
	uint64_t seq; /* its key in the db's series; of what was in it */
	char bytes[]; /* the encoded Event */
};

/* The last events, in order. */
struct series {
	struct record **ring; /* of size places */
	size_t size, first, count, max;
	uint64_t saved;	  /* seq from which on none is in the db */
	uint64_t next;	  /* seq of the next one; there may be gaps between them */
	uint64_t ordered; /* seq from which on no timestamp is less than the one before */
	uint64_t *gone;	  /* seqs that are still in the db */
	size_t gone_count, gone_size;
};

struct store {
	struct db *db;		   /* owned; NULL: in memory only */
	struct db_state state;	   /* last id and timestamp, staged events included */
	struct db_state kept;	   /* the same of what was committed */
	int64_t instance;	   /* of the last event in this session */
	uint64_t next_number;	   /* of the next new type */
	struct store_type **types; /* in the order of appearance */
	size_t type_count, type_size;
	struct store_type **table; /* by hash, open addressing; table_size is a power of 2 */
	size_t table_size;
	uint64_t seed[2];
	struct quotas quotas; /* a device's bytes are of latest and of staged events */
	struct series series;
	struct retention retention;
	struct record **staged;
	size_t staged_count, staged_size;
	size_t bytes; /* of all records */
	size_t staged_bytes;
	bool staged_kept; /* they were committed */
	bool behind;	  /* the db lacks events that were committed in memory */
	uint64_t query;	  /* number of the last query */
	struct buffer scratch;
};

/* Takes db (NULL: in memory only). 0, or -1 with a message. */
int store_init(struct store *s, struct db *db, int64_t server_id, size_t series_max, char *err,
    size_t err_size);
/* Other bounds of a device than QUOTA_DEFAULT_TYPES and QUOTA_DEFAULT_BYTES. What is kept beyond
 * them stays. */
void store_set_quotas(struct store *s, size_t max_types, size_t max_bytes);
/* Before anything is kept, or behind store_init() alone: bounds of the series by type. */
void store_set_retention(struct store *s, const struct retention *r);
/* Drops from the series what is beyond them. A commit does so where much is; what is left for now,
 * or gets too old, waits for this, to be called now and then. */
void store_retain(struct store *s, struct timestamp now);
void store_clear(struct store *s);

/* Starts a session: its events share a timestamp. The order of events is that of their ids. A clock
 * that is less than STORE_BACK_US behind the last timestamp does not take time back; one that is
 * further behind does. Returns whether it did; *before is the last timestamp until then. */
bool store_begin_session(struct store *s, struct timestamp now, struct timestamp *before);
/* Stages a copy of a RegisterEvent. -1 with errno: ENOSPC (a limit above), EDQUOT (a device's),
 * EMSGSIZE (too large, or too many segments), ENOMEM. Events of system, and that say whether
 * a device runs, have no bound of the device. An event that is no larger than the latest of its
 * type, which it replaces, meets no limit on all events: whoever stages commits before much is
 * staged. */
int store_stage(struct store *s, const struct eventer_event *event);
/* Stages a copy of an Event of another store with the same server id, as it is: those of a backup,
 * in their order. Returns 0, or -1 with ENOMEM. */
int store_restore(struct store *s, const struct eventer_event *event);
/* Takes back staged events from that count on. */
void store_unstage(struct store *s, size_t count);
/* Commits what is staged. 0; or 1: in memory alone, as the db could not be written and
 * store_save() has to; or -1: nothing of it was kept or can be seen. Either way the staged events
 * can be looked at until store_release. */
int store_commit(struct store *s);
/* Writes what the db lacks: latest events first, then a part of the series, for which the oldest
 * give way where the disk stays full. Whether it could; s->behind: more is left. */
bool store_save(struct store *s);
void store_release(struct store *s);

/* The type of these segments, or NULL. */
struct store_type *store_find_type(struct store *s, const struct eventer_type *type);
/* The i-th oldest event of the series, i < s->series.count. */
const struct record *store_series(const struct store *s, size_t i);

/* Narrows from <= i < to of the series to what may have such timestamps, bounds included; all that
 * have them stay. Costs the logarithm of to - from, unless the clock went back meanwhile. */
void store_series_between(const struct store *s, const struct eventer_time *first,
    const struct eventer_time *last, size_t *from, size_t *to);

static inline struct sbs_str
record_bytes(const struct record *r)
{
	return (struct sbs_str){ r->bytes, r->len };
}

#endif
