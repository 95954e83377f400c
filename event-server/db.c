#include "event-server/db.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/log.h"

enum {
	TABLES = 3,
	DB_FORMAT = 1,
	CHECK_CPU_S = 60, /* for a look at all that is kept */
	PROBE_SIZE = 3000,
	PROBES = 64,
};

struct db {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi latest, series, meta;
	int lock;
	int failed; /* LMDB's code of the open transaction's first failure */
	int error;  /* the one to tell */
};

/* As it is kept; in the byte order of the machine, as LMDB's own pages are. */
struct kept_state {
	uint64_t format;
	int64_t server, session, s;
	uint64_t us;
};

static char state_key[] = "state";

static int
lock_folder(const char *dir)
{
	char path[4096];

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -1;
	if ((size_t)snprintf(path, sizeof(path), "%s/lock", dir) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		fd_close(fd);
		return -1;
	}
	return fd;
}

/* Reading a page beyond the file's end would be a SIGBUS. A file may end before its last page,
 * where that one was never written; or it was cut short, and the zeros are found out when they are
 * read. */
static int
fill_up(struct db *db)
{
	MDB_envinfo info;
	MDB_stat stat;
	struct stat st;
	int fd, r = mdb_env_info(db->env, &info);

	if (!r)
		r = mdb_env_stat(db->env, &stat);
	if (!r)
		r = mdb_env_get_fd(db->env, &fd);
	if (r)
		return r;
	if (info.me_last_pgno >= DB_MAP_SIZE / stat.ms_psize)
		return MDB_CORRUPTED;
	off_t size = (off_t)(info.me_last_pgno + 1) * stat.ms_psize;
	if (fstat(fd, &st) < 0 || (st.st_size < size && ftruncate(fd, size) < 0))
		return errno;
	return 0;
}

static int
open_tables(struct db *db)
{
	MDB_txn *txn;
	int r = mdb_txn_begin(db->env, NULL, 0, &txn);

	if (r)
		return r;
	r = mdb_dbi_open(txn, "latest", MDB_CREATE | MDB_INTEGERKEY, &db->latest);
	if (!r)
		r = mdb_dbi_open(txn, "series", MDB_CREATE | MDB_INTEGERKEY, &db->series);
	if (!r)
		r = mdb_dbi_open(txn, "meta", MDB_CREATE, &db->meta);
	if (r) {
		mdb_txn_abort(txn);
		return r;
	}
	return mdb_txn_commit(txn);
}

static int
open_env(struct db *db, const char *dir, unsigned flags)
{
	int r = mdb_env_create(&db->env);

	if (!r)
		r = mdb_env_set_maxdbs(db->env, TABLES);
	if (!r)
		r = mdb_env_set_mapsize(db->env, DB_MAP_SIZE);
	if (!r)
		r = mdb_env_open(db->env, dir, flags, 0600);
	if (!r)
		r = fill_up(db);
	if (!r)
		r = open_tables(db);
	return r;
}

void
db_close(struct db *db)
{
	if (!db)
		return;
	int saved = errno;
	if (db->txn)
		mdb_txn_abort(db->txn);
	if (db->env)
		mdb_env_close(db->env);
	fd_close(db->lock);
	free(db);
	errno = saved;
}

static int
visit_all(MDB_txn *txn, MDB_dbi table, db_visit *visit, void *arg)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int r = mdb_cursor_open(txn, table, &cursor);

	if (r)
		return r;
	while ((r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		size_t k;
		if (key.mv_size != sizeof(k))
			continue;
		memcpy(&k, key.mv_data, sizeof(k));
		if (!visit(arg, k, (struct sbs_str){ value.mv_data, value.mv_size }))
			break;
	}
	mdb_cursor_close(cursor);
	return r == MDB_NOTFOUND ? 0 : r;
}

static int
read_state(struct db *db, MDB_txn *txn, struct db_state *state)
{
	MDB_val key = { sizeof(state_key) - 1, state_key }, value;
	struct kept_state kept;
	int r = mdb_get(txn, db->meta, &key, &value);

	*state = (struct db_state){ 0 };
	if (r == MDB_NOTFOUND)
		return 0;
	if (r)
		return r;
	if (value.mv_size != sizeof(kept))
		return MDB_VERSION_MISMATCH;
	memcpy(&kept, value.mv_data, sizeof(kept));
	if (kept.format != DB_FORMAT)
		return MDB_VERSION_MISMATCH;
	if (kept.us >= 1000000 || kept.session < 0 || kept.session == INT64_MAX)
		return MDB_CORRUPTED;
	*state = (struct db_state){ kept.server, kept.session, { kept.s, (uint32_t)kept.us } };
	return 0;
}

int
db_load(struct db *db, db_visit *latest, db_visit *series, void *arg, struct db_state *state)
{
	MDB_txn *txn;

	db->error = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);
	if (db->error)
		return -1;
	db->error = read_state(db, txn, state);
	if (!db->error)
		db->error = visit_all(txn, db->latest, latest, arg);
	if (!db->error)
		db->error = visit_all(txn, db->series, series, arg);
	mdb_txn_abort(txn);
	return db->error ? -1 : 0;
}

static void
note(struct db *db, int r)
{
	if (r && !db->failed)
		db->failed = r;
}

void
db_begin(struct db *db)
{
	db->failed = mdb_txn_begin(db->env, NULL, 0, &db->txn);
	if (db->failed)
		db->txn = NULL;
}

static void
put(struct db *db, MDB_dbi table, uint64_t key, struct sbs_str event, unsigned flags)
{
	size_t number = (size_t)key; /* what LMDB takes for an integer key */
	MDB_val k = { sizeof(number), &number }, v = { event.len, (void *)event.p };

	if (!db->failed)
		note(db, mdb_put(db->txn, table, &k, &v, flags));
}

void
db_put_latest(struct db *db, uint64_t type, struct sbs_str event)
{
	put(db, db->latest, type, event, 0);
}

void
db_put_series(struct db *db, uint64_t seq, struct sbs_str event)
{
	put(db, db->series, seq, event, MDB_APPEND);
}

void
db_drop_series(struct db *db, const uint64_t *seqs, size_t count)
{
	for (size_t i = 0; i < count && !db->failed; i++) {
		size_t seq = (size_t)seqs[i];
		MDB_val k = { sizeof(seq), &seq };
		int r = mdb_del(db->txn, db->series, &k, NULL);
		if (r != MDB_NOTFOUND)
			note(db, r);
	}
}

void
db_put_state(struct db *db, const struct db_state *state)
{
	struct kept_state kept = { DB_FORMAT, state->server, state->session, state->last.s,
		state->last.us };
	MDB_val k = { sizeof(state_key) - 1, state_key }, v = { sizeof(kept), &kept };

	if (!db->failed)
		note(db, mdb_put(db->txn, db->meta, &k, &v, 0));
}

/* LMDB calls it an I/O error where the disk took a part of what was written. The reason comes from
 * writing one more page at the end of the file, which is taken back. */
static int
reason(struct db *db, int r)
{
	static const char page[4096];
	struct stat st;
	size_t done = 0;
	ssize_t n = 1;
	int fd;

	if (r != EIO || mdb_env_get_fd(db->env, &fd) || fstat(fd, &st) < 0)
		return r;
	while (n > 0 && done < sizeof(page)) {
		n = pwrite(fd, page, sizeof(page) - done, st.st_size + (off_t)done);
		done += n > 0 ? (size_t)n : 0;
	}
	int error = n < 0 ? errno : r;
	if (ftruncate(fd, st.st_size) < 0)
		return r;
	return error;
}

int
db_commit(struct db *db)
{
	if (db->txn && db->failed)
		mdb_txn_abort(db->txn);
	else if (db->txn)
		note(db, mdb_txn_commit(db->txn));
	db->txn = NULL;
	db->error = reason(db, db->failed);
	return db->failed ? -1 : 0;
}

struct look {
	size_t last[2];
	bool any[2], unordered;
	volatile char sum; /* so that each byte is read */
};

static bool
look_at(struct look *l, bool series, size_t key, struct sbs_str event)
{
	if (l->any[series] && key <= l->last[series])
		l->unordered = true;
	l->unordered |= key >= SIZE_MAX / 2;
	l->any[series] = true;
	l->last[series] = key;
	for (size_t i = 0; i < event.len; i++)
		l->sum ^= event.p[i];
	return true;
}

static bool
look_at_latest(void *arg, uint64_t key, struct sbs_str event)
{
	return look_at(arg, false, (size_t)key, event);
}

static bool
look_at_series(void *arg, uint64_t key, struct sbs_str event)
{
	return look_at(arg, true, (size_t)key, event);
}

/* A record of LMDB's table of free pages: how many, and their numbers, each less than the one
 * before. */
static bool
is_free_list(MDB_val key, MDB_val value, size_t last_page)
{
	const char *p = value.mv_data;
	size_t n, page, before = last_page + 1;

	if (key.mv_size != sizeof(n) || value.mv_size < sizeof(n))
		return false;
	memcpy(&n, p, sizeof(n));
	if (n > value.mv_size / sizeof(n) - 1)
		return false;
	for (size_t i = 1; i <= n; i++, before = page) {
		memcpy(&page, p + i * sizeof(page), sizeof(page));
		if (page < 2 || page >= before)
			return false;
	}
	return true;
}

static int
look_at_free(struct db *db)
{
	MDB_envinfo info;
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key, value;
	int r = mdb_env_info(db->env, &info);

	if (!r)
		r = mdb_txn_begin(db->env, NULL, MDB_RDONLY, &txn);
	if (r)
		return r;
	r = mdb_cursor_open(txn, 0, &cursor);
	if (!r) {
		while (!r && (r = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
			if (!is_free_list(key, value, info.me_last_pgno))
				r = MDB_CORRUPTED;
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	return r == MDB_NOTFOUND ? 0 : r;
}

/* Writes what is taken back again, for which LMDB looks at what it holds to be free. */
static int
try_to_write(struct db *db, uint64_t seq)
{
	static const char page[PROBE_SIZE];

	db_begin(db);
	for (size_t i = 0; i < PROBES; i++)
		db_put_latest(db, SIZE_MAX - i, (struct sbs_str){ page, sizeof(page) });
	for (size_t i = 0; i < PROBES; i++)
		db_put_series(db, seq + i, (struct sbs_str){ page, sizeof(page) });
	db_put_state(db, &(struct db_state){ 0 });
	if (db->txn)
		mdb_txn_abort(db->txn);
	db->txn = NULL;
	return db->failed;
}

static bool
means_damage(int r)
{
	return r == MDB_CORRUPTED || r == MDB_PAGE_NOTFOUND || r == MDB_INVALID || r == MDB_PANIC ||
	       r == MDB_VERSION_MISMATCH || r == MDB_CURSOR_FULL || r == MDB_INCOMPATIBLE ||
	       r == MDB_BAD_VALSIZE || r == MDB_NOTFOUND || r == MDB_PAGE_FULL ||
	       r == MDB_BAD_DBI || r == MDB_BAD_TXN;
}

/* In a process of its own: reads all there is. LMDB believes its file, and ends by a signal or for
 * ever goes round in it where that is damaged. */
static void
check(const char *dir)
{
	const struct rlimit cpu = { CHECK_CPU_S, CHECK_CPU_S };
	struct db db = { .lock = -1 };
	struct db_state state;
	struct look look = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CPU, &cpu);
	/* To die of the file is an answer, and none that a sanitizer has to report. */
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	signal(SIGFPE, SIG_DFL);
	int r = open_env(&db, dir, MDB_NOLOCK | MDB_NOTLS);
	if (!r && db_load(&db, look_at_latest, look_at_series, &look, &state) < 0)
		r = db.error;
	if (!r)
		r = look_at_free(&db);
	if (!r)
		r = look.unordered ? MDB_CORRUPTED : try_to_write(&db, look.last[1] + 1);
	_exit(means_damage(r));
}

/* Whether the data are there and damaged. What else is wrong is found when they are opened. */
static bool
is_damaged(const char *dir, const char *path)
{
	int status;

	if (access(path, F_OK) < 0)
		return false;
	pid_t pid = fork();
	if (pid == 0)
		check(dir);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	if (pid < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return false;
	return WIFEXITED(status) || WTERMSIG(status) == SIGABRT || WTERMSIG(status) == SIGBUS ||
	       WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGFPE ||
	       WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL;
}

/* Moves damaged data out of the way, under a name that says when. -1 with errno. */
static int
set_damaged_aside(const char *dir)
{
	char path[4096], aside[4160], when[32];
	time_t now = time(NULL);
	struct tm tm;

	if ((size_t)snprintf(path, sizeof(path), "%s/data.mdb", dir) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (!is_damaged(dir, path))
		return 0;
	if (!gmtime_r(&now, &tm) || !strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm))
		snprintf(when, sizeof(when), "%lld", (long long)now);
	snprintf(aside, sizeof(aside), "%s.damaged-%s", path, when);
	if (rename(path, aside) < 0)
		return -1;
	log_error("%s is damaged: moved to %s, starting with an empty store", path, aside);
	return 0;
}

struct db *
db_open(const char *dir, bool sync, char *err, size_t err_size)
{
	struct db *db = calloc(1, sizeof(*db));

	if (!db) {
		snprintf(err, err_size, "out of memory");
		return NULL;
	}
	db->lock = lock_folder(dir);
	if (db->lock < 0 || set_damaged_aside(dir) < 0) {
		const char *why = strerror(errno);
		if (errno == EWOULDBLOCK)
			why = "in use by another gateway-eventd";
		snprintf(err, err_size, "%s: %s", dir, why);
		db_close(db);
		return NULL;
	}
	int r = open_env(db, dir, MDB_NOLOCK | MDB_NOTLS | (sync ? 0 : MDB_NOSYNC));
	if (!r)
		return db;
	snprintf(err, err_size, "%s: %s", dir, mdb_strerror(r));
	db_close(db);
	return NULL;
}

const char *
db_error(const struct db *db)
{
	return mdb_strerror(db->error);
}

bool
db_is_full(const struct db *db)
{
	return db->error == ENOSPC || db->error == EDQUOT || db->error == EFBIG ||
	       db->error == MDB_MAP_FULL;
}

/* LMDB takes no transaction after a page that says which ones are whole could not be written, be
 * the disk well again or not. */
bool
db_is_broken(const struct db *db)
{
	return db->error == MDB_PANIC;
}

static long long
file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : (long long)st.st_size;
}

/* Only what was written whole takes the place of the file. Returns 0 or an errno, or LMDB's code.
 */
static int
write_anew(struct db *db, const char *path, const char *fresh)
{
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? errno : mdb_env_copyfd2(db->env, fd, MDB_CP_COMPACT);

	if (!r && (fsync(fd) < 0 || rename(fresh, path) < 0))
		r = errno;
	if (r && fd >= 0)
		unlink(fresh);
	fd_close(fd);
	return r;
}

int
db_compact(const char *dir, long long *before, long long *after, char *err, size_t err_size)
{
	char path[4200], fresh[4200];
	struct db *db = db_open(dir, true, err, err_size);

	if (!db)
		return -1;
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	snprintf(fresh, sizeof(fresh), "%s/data.mdb.new", dir);
	*before = file_size(path);
	int r = write_anew(db, path, fresh);
	db_close(db);
	*after = file_size(path);
	if (r)
		snprintf(err, err_size, "%s: %s", dir, mdb_strerror(r));
	return r ? -1 : 0;
}
