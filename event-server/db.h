/*
 * The data that gateway-eventd keeps over restarts: LMDB in a folder of its own. One
 * process at a time; everything is read at the start, and then only written,
 * one transaction per turn of the loop. A committed transaction survives
 * kill -9; with sync it survives a power cut too.
 */
#ifndef EVENT_SERVER_DB_H
#define EVENT_SERVER_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/monotime.h"
#include "protocols/hat/sbs.h"

enum {
	DB_MAP_SIZE = 1 << 30, /* bytes that the file may grow to; store.h's limits fit in */
};

struct db;

/* The last event id and timestamp given out. */
struct db_state {
	int64_t server, session;
	struct timestamp last;
};

/* Returns false to stop. The value is borrowed until it returns. */
typedef bool db_visit(void *arg, uint64_t key, struct sbs_str value);

/* Makes the folder where it is missing. NULL with a message of one line. */
struct db *db_open(const char *dir, bool sync, char *err, size_t err_size);
void db_close(struct db *db);
/* Rewrites the file of a folder without its free pages; no process may use the folder. before,
 * after: the bytes of the file. 0, or -1 with a message: the file is as it was. */
int db_compact(const char *dir, long long *before, long long *after, char *err, size_t err_size);
/* Visits latest events by their type's number, then the series in order. 0 or -1. */
int db_load(struct db *db, db_visit *latest, db_visit *series, void *arg, struct db_state *state);

/* A transaction: failures stick until db_commit, which then undoes all of it and returns -1. */
void db_begin(struct db *db);
void db_put_latest(struct db *db, uint64_t type, struct sbs_str event);
/* seq: above all that were put before. */
void db_put_series(struct db *db, uint64_t seq, struct sbs_str event);
/* Those that are not there are passed over. */
void db_drop_series(struct db *db, const uint64_t *seqs, size_t count);
void db_put_state(struct db *db, const struct db_state *state);
int db_commit(struct db *db);
/* The text of the last failure. */
const char *db_error(const struct db *db);
/* Whether it was for want of room. */
bool db_is_full(const struct db *db);
/* Whether it was the last one there can be: nothing is written any more until the folder is opened
 * again, with what was committed before. */
bool db_is_broken(const struct db *db);

#endif
