#include "common/trust.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct walk {
	int links; /* symbolic links that were followed */
	char *why;
	size_t why_size;
};

static bool
is_ours(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static bool
is_our_group(gid_t gid)
{
	return gid == 0 || gid == getegid();
}

/* mode: S_IRGRP | S_IROTH, or S_IWGRP | S_IWOTH. */
static bool
open_to_strangers(const struct stat *st, mode_t mode)
{
	return st->st_mode & mode & S_IRWXO ||
	       (st->st_mode & mode & S_IRWXG && !is_our_group(st->st_gid));
}

enum trust
trust_stat(const struct stat *st, int flags)
{
	if (!is_ours(st->st_uid))
		return TRUST_WRITABLE;
	if (S_ISLNK(st->st_mode))
		return TRUST_OK;
	if (open_to_strangers(st, S_IWGRP | S_IWOTH))
		return TRUST_WRITABLE;
	if (flags & TRUST_SECRET && open_to_strangers(st, S_IRGRP | S_IROTH))
		return TRUST_READABLE;
	return TRUST_OK;
}

static enum trust
say(const struct walk *w, enum trust t, const char *path, const struct stat *st)
{
	unsigned mode = st->st_mode & 07777;

	if (t == TRUST_OK)
		return t;
	if (!is_ours(st->st_uid))
		snprintf(
		    w->why, w->why_size, "%s belongs to user id %u", path, (unsigned)st->st_uid);
	else
		snprintf(w->why, w->why_size, "other users can %s %s (mode %04o, group id %u)",
		    t == TRUST_READABLE ? "read" : "write to", path, mode, (unsigned)st->st_gid);
	return t;
}

static enum trust walk_path(struct walk *w, const char *path, bool last, int flags);

/* The target of a link, which is relative to the folder that the link is in. */
static enum trust
walk_link(struct walk *w, const char *path, bool last, int flags)
{
	char target[PATH_MAX], whole[2 * PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash = strrchr(path, '/');

	if (n < 0)
		return TRUST_OK;
	if (++w->links > TRUST_MAX_LINKS) {
		snprintf(w->why, w->why_size, "%s: too many symbolic links", path);
		return TRUST_WRITABLE;
	}
	target[n] = '\0';
	if (target[0] == '/' || !slash)
		return walk_path(w, target, last, flags);
	snprintf(whole, sizeof(whole), "%.*s/%s", (int)(slash - path), path, target);
	return walk_path(w, whole, last, flags);
}

/* One name on the way; last: it is the file itself or a link to it. */
static enum trust
walk_step(struct walk *w, const char *path, bool last, int flags)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return TRUST_OK;
	enum trust t = trust_stat(&st, last && !S_ISLNK(st.st_mode) ? flags : 0);
	bool sticky = S_ISDIR(st.st_mode) && st.st_mode & S_ISVTX && !last && is_ours(st.st_uid);
	if (t != TRUST_OK && !sticky)
		return say(w, t, path, &st);
	return S_ISLNK(st.st_mode) ? walk_link(w, path, last, flags) : TRUST_OK;
}

static enum trust
walk_path(struct walk *w, const char *path, bool last, int flags)
{
	char part[2 * PATH_MAX];
	size_t len = strlen(path), at = 0;
	enum trust t = TRUST_OK, worst = TRUST_OK;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0 || len >= sizeof(part))
		return TRUST_OK;
	while (at < len && worst != TRUST_WRITABLE) {
		at += strcspn(path + at, "/");
		at += at == 0; /* the root itself */
		memcpy(part, path, at);
		part[at] = '\0';
		t = walk_step(w, part, last && at == len, flags);
		worst = t > worst ? t : worst;
		at += strspn(path + at, "/");
	}
	return worst;
}

enum trust
trust_path(const char *path, int flags, char *why, size_t why_size)
{
	struct walk w = { .why = why, .why_size = why_size };
	char folder[PATH_MAX], whole[2 * PATH_MAX];

	why[0] = '\0';
	if (path[0] == '/')
		return walk_path(&w, path, true, flags);
	if (!getcwd(folder, sizeof(folder)))
		return TRUST_OK;
	snprintf(whole, sizeof(whole), "%s/%s", folder, path);
	return walk_path(&w, whole, true, flags);
}

int
trust_make_folder(const char *path, char *why, size_t why_size)
{
	char found[512];
	struct stat st;

	if (mkdir(path, 0750) < 0 && errno != EEXIST)
		snprintf(why, why_size, "folder %s: %s", path, strerror(errno));
	else if (trust_path(path, 0, found, sizeof(found)) == TRUST_WRITABLE)
		snprintf(why, why_size, "folder %s refused: %s", path, found);
	else if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		snprintf(why, why_size, "%s: expected a folder", path);
	else
		return 0;
	return -1;
}

bool
trust_peer(int fd, uid_t own, struct ucred *peer)
{
	socklen_t len = sizeof(*peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &len) < 0)
		*peer = (struct ucred){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
	return peer->uid == 0 || peer->uid == own;
}
