/* The control socket's place in the file system: its lock, its group, and what becomes of it. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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
find_folder(const struct control *control, char folder[FOLDER_SIZE])
{
	snprintf(folder, FOLDER_SIZE, "%s", control->path);
	char *slash = strrchr(folder, '/');
	*(slash ? slash : folder) = '\0';
}

/* Gives a path to the group; 0, or -1 where that is not ours to do: who is neither root nor in the
 * group cannot, and the unit of systemd denies the call. Everybody gets `others` then, and is told
 * apart by what the kernel says of who connects. */
static int
give_to_group(const struct control *control, const char *path, mode_t mode, mode_t others)
{
	if (control->socket.group == getegid() ||
	    chown(path, (uid_t)-1, control->socket.group) == 0)
		return chmod(path, mode);
	return errno == EPERM ? chmod(path, mode | others) : -1;
}

/* The members of the group must get through the folder, where it is ours alone to say so: what else
 * is in it is guarded by modes of its own. */
static void
share_folder(const struct control *control)
{
	char folder[FOLDER_SIZE];
	struct stat st;

	find_folder(control, folder);
	if (stat(folder, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 0777) == 0750 &&
	    give_to_group(control, folder, 0750, 0001) < 0)
		log_warning("cannot share folder %s with the group: %s", folder, strerror(errno));
}

static int
bind_socket(struct control *control, const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before = umask(0177);
	int result = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)address, sizeof(*address));

	umask(before);
	control->socket.fd = fd;
	if (result < 0 || give_to_group(control, control->path, 0660, 0006) < 0)
		return -1;
	return listen(fd, BACKLOG);
}

bool
control_group_exists(const char *group)
{
	return getgrnam(group) != NULL;
}

/* Returns NULL, or what is wrong. */
static const char *
serve(struct control *control)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(control->path) >= sizeof(address.sun_path))
		return "the path is too long for a socket";
	strncpy(address.sun_path, control->path, sizeof(address.sun_path) - 1);
	share_folder(control);
	control->socket.lock = take_lock(control->path);
	if (control->socket.lock < 0)
		return errno == EWOULDBLOCK ? "another gatewayd serves it" : strerror(errno);
	if (is_alive(&address))
		return "another process serves it";
	if (unlink(control->path) < 0 && errno != ENOENT)
		return strerror(errno);
	if (bind_socket(control, &address) < 0 || stat(control->path, &st) < 0)
		return strerror(errno);
	control->socket.inode = st.st_ino;
	return NULL;
}

const char *
control_socket_open(struct control *control, const char *group)
{
	const struct group *g = group ? getgrnam(group) : NULL;

	if (group && !g)
		return "there is no such group";
	control->socket.group = g ? g->gr_gid : getegid();
	return serve(control);
}

void
control_socket_close(struct control *control)
{
	fd_close(control->socket.fd);
	fd_close(control->socket.lock);
	control->socket.fd = control->socket.lock = -1;
}

void
control_socket_keep(struct control *control)
{
	char folder[FOLDER_SIZE], fault[512];
	struct stat st;

	if (control->socket.fd >= 0 && lstat(control->path, &st) == 0 &&
	    st.st_ino == control->socket.inode)
		return;
	ev_io_stop(control->loop, &control->acceptable);
	control_socket_close(control);
	find_folder(control, folder);
	/* As at the start: a stranger may have made it in the meantime. */
	bool usable = !*folder || trust_make_folder(folder, fault, sizeof(fault)) == 0;
	const char *why = usable ? serve(control) : fault;
	if (why) {
		log_write(LOG_LEVEL_WARNING, NULL, "control_socket",
		    "control socket %s is gone and cannot be made again: %s", control->path, why);
		control_socket_close(control);
		return;
	}
	log_write(LOG_LEVEL_NOTICE, NULL, "control_socket",
	    "control socket %s was gone: it is there again", control->path);
	ev_io_set(&control->acceptable, control->socket.fd, EV_READ);
	if (!ev_is_active(&control->refill))
		ev_io_start(control->loop, &control->acceptable);
}
