/* The control socket's place in the file system: its lock, its group, and what becomes of it. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/fdutil.h"
#include "common/log.h"
#include "common/trust.h"
#include "supervisor/control/control.h"
#include "supervisor/control/control_client.h"

enum { BACKLOG = 64, FOLDER_SIZE = sizeof(((struct sockaddr_un *)NULL)->sun_path) };

/* A process holds the lock as long as it lives. With the lock, the socket's process is dead. */
static int
take_lock(const char *path)
{
	char lock[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 8];

	snprintf(lock, sizeof(lock), "%s.lock", path);
	int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		fd_close(fd);
		return -1;
	}
	return fd;
}

/* Whether a process listens there. */
static bool
is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive =
	    fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
			   errno == EAGAIN);

	fd_close(fd);
	return alive;
}

/* The folder that the socket is in; "" where that is the root or the current one. */
static void
find_folder(const struct control_socket *s, char folder[FOLDER_SIZE])
{
	snprintf(folder, FOLDER_SIZE, "%s", s->path);
	char *slash = strrchr(folder, '/');
	*(slash ? slash : folder) = '\0';
}

/* Another group beside that of the path, by an access control list (acl(5)). 0, or -1 with errno.
 */
static int
add_group(const char *path, gid_t group, mode_t mode)
{
	uint16_t owner = mode >> 6 & 7, members = mode >> 3 & 7;
	const struct {
		struct posix_acl_xattr_header head;
		struct posix_acl_xattr_entry entries[5];
	} list = { { htole32(POSIX_ACL_XATTR_VERSION) },
		{ { htole16(ACL_USER_OBJ), htole16(owner), htole32(ACL_UNDEFINED_ID) },
		    { htole16(ACL_GROUP_OBJ), htole16(members), htole32(ACL_UNDEFINED_ID) },
		    { htole16(ACL_GROUP), htole16(members), htole32(group) },
		    { htole16(ACL_MASK), htole16(members), htole32(ACL_UNDEFINED_ID) },
		    { htole16(ACL_OTHER), htole16(mode & 7), htole32(ACL_UNDEFINED_ID) } } };

	return setxattr(path, "system.posix_acl_access", &list, sizeof(list), 0);
}

/* Opens a path to the group. A process that is neither root nor in the group cannot give it the
 * path, and the unit of systemd denies the call; the path gets a list then. If the file system has
 * none, everybody gets `others`, and is told apart by what the kernel says of who connects. */
static int
give_to_group(const struct control_socket *s, const char *path, mode_t mode, mode_t others)
{
	if (s->group == getegid() || chown(path, (uid_t)-1, s->group) == 0)
		return chmod(path, mode);
	if (errno != EPERM)
		return -1;
	if (chmod(path, mode) == 0 && add_group(path, s->group, mode) == 0)
		return 0;
	return chmod(path, mode | others);
}

/* The members of the group must get through the folder, where it is ours alone to say so: what else
 * is in it is guarded by modes of its own. A folder has one group: observers get through as others,
 * who cannot list it. */
static void
share_folder(const struct control_socket *s)
{
	char folder[FOLDER_SIZE];
	struct stat st;

	find_folder(s, folder);
	if (stat(folder, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 0777) != 0750)
		return;
	if ((s->observes ? chmod(folder, 0751) : give_to_group(s, folder, 0750, 0001)) < 0)
		log_warning("cannot share folder %s with the group: %s", folder, strerror(errno));
}

static int
bind_socket(struct control_socket *s, const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before = umask(0177);
	int result = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)address, sizeof(*address));

	umask(before);
	s->fd = fd;
	if (result < 0 || give_to_group(s, s->path, 0660, 0006) < 0)
		return -1;
	return listen(fd, BACKLOG);
}

const char *
control_missing_group(const struct config *config)
{
	if (config->control_group && !getgrnam(config->control_group))
		return "control.group";
	if (config->observe_group && !getgrnam(config->observe_group))
		return "control.observe_group";
	return NULL;
}

/* Returns NULL, or what is wrong. */
static const char *
serve(struct control_socket *s)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(s->path) >= sizeof(address.sun_path))
		return "the path is too long for a socket";
	strncpy(address.sun_path, s->path, sizeof(address.sun_path) - 1);
	share_folder(s);
	s->lock = take_lock(s->path);
	if (s->lock < 0)
		return errno == EWOULDBLOCK ? "another gatewayd serves it" : strerror(errno);
	if (is_alive(&address))
		return "another process serves it";
	if (unlink(s->path) < 0 && errno != ENOENT)
		return strerror(errno);
	if (bind_socket(s, &address) < 0 || stat(s->path, &st) < 0)
		return strerror(errno);
	s->inode = st.st_ino;
	return NULL;
}

const char *
control_socket_open(struct control_socket *s, const char *group)
{
	const struct group *g = group ? getgrnam(group) : NULL;

	if (group && !g)
		return "there is no such group";
	s->group = g ? g->gr_gid : getegid();
	return serve(s);
}

void
control_socket_close(struct control_socket *s)
{
	if (!s->path)
		return;
	fd_close(s->fd);
	fd_close(s->lock);
	s->fd = s->lock = -1;
}

void
control_socket_keep(struct control_socket *s)
{
	char folder[FOLDER_SIZE], fault[512];
	struct stat st;

	if (!s->path)
		return;
	if (s->fd >= 0 && lstat(s->path, &st) == 0 && st.st_ino == s->inode)
		return;
	ev_io_stop(s->control->loop, &s->acceptable);
	control_socket_close(s);
	find_folder(s, folder);
	/* As at the start: a stranger may have made it in the meantime. */
	bool usable = !*folder || trust_make_folder(folder, fault, sizeof(fault)) == 0;
	const char *why = usable ? serve(s) : fault;
	if (why) {
		log_write(LOG_LEVEL_WARNING, NULL, "control_socket",
		    "control socket %s is gone and cannot be made again: %s", s->path, why);
		control_socket_close(s);
		return;
	}
	log_write(LOG_LEVEL_NOTICE, NULL, "control_socket",
	    "control socket %s was gone: it is there again", s->path);
	ev_io_set(&s->acceptable, s->fd, EV_READ);
	if (!ev_is_active(&s->control->refill))
		ev_io_start(s->control->loop, &s->acceptable);
}
