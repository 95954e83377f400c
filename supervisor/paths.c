#include "supervisor/paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/remedy.h"
#include "common/trust.h"
#include "ipc/control.h"

/* Beside the executable when it runs from its build folder, else below the prefix it is in. */
static void
find_programs(struct paths *p, const char *libexec)
{
	char self[PATHS_SIZE];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 32);

	self[n > 0 ? n : 0] = '\0';
	char *slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	snprintf(
	    p->libexec, sizeof(p->libexec), "%.*s/libexec", (int)sizeof(p->libexec) - 16, self);
	if (access(p->libexec, X_OK) != 0)
		snprintf(p->libexec, sizeof(p->libexec), "%.*s/../libexec/gatewayd",
		    (int)sizeof(p->libexec) - 32, self);
	snprintf(p->resolver, sizeof(p->resolver), "%s/gateway-resolve", p->libexec);
	if (libexec)
		snprintf(p->libexec, sizeof(p->libexec), "%s", libexec);
	snprintf(p->eventd_program, sizeof(p->eventd_program), "%.*s/gateway-eventd",
	    (int)sizeof(p->eventd_program) - 32, self);
}

/* One that a stranger can write to, or made before us, is not used. */
static int
make_folder(const char *path)
{
	char why[PATHS_SIZE + 512];

	errno = 0;
	if (trust_make_folder(path, why, sizeof(why)) == 0)
		return 0;
	log_error("%s%s", why, remedy_text(REMEDY_FOLDER, errno));
	return -1;
}

/* What is not there is said when it is needed. */
static int
check_programs(const struct paths *p)
{
	const char *const programs[] = { p->libexec, p->eventd_program, p->resolver };
	char why[512];

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (trust_path(programs[i], 0, why, sizeof(why)) == TRUST_WRITABLE) {
			log_error("%s refused: %s", programs[i], why);
			return -1;
		}
	return 0;
}

/* The folder for sockets is made; that for what is kept when the built-in Event Server starts. */
int
paths_make_folders(struct paths *p)
{
	const char *state = getenv("STATE_DIRECTORY"), *xdg_state = getenv("XDG_STATE_HOME");

	if (control_runtime_folder(p->runtime, sizeof(p->runtime)) < 0) {
		log_error(
		    "folder for sockets: %s%s", strerror(errno), remedy_text(REMEDY_FOLDER, errno));
		return -1;
	}
	/* systemd gives a list with colons: the first folder counts. */
	if (state)
		snprintf(p->state, sizeof(p->state), "%.*s", (int)strcspn(state, ":"), state);
	else if (xdg_state)
		snprintf(p->state, sizeof(p->state), "%.4000s/gatewayd", xdg_state);
	else
		snprintf(p->state, sizeof(p->state), "%s",
		    geteuid() == 0 ? "/var/lib/gatewayd" : p->runtime);
	snprintf(p->eventd_socket, sizeof(p->eventd_socket), "%s/eventd", p->runtime);
	snprintf(p->control_socket, sizeof(p->control_socket), "%s/control", p->runtime);
	return check_programs(p) < 0 ? -1 : make_folder(p->runtime);
}

/* A TZ for the runners that makes glibc read zone data once: it never looks at an unchanged TZ
 * again, where it would at /etc/localtime by default. */
static void
find_zone(struct paths *p)
{
	const char *tz = getenv("TZ");

	snprintf(p->zone, sizeof(p->zone), "%s", tz ? tz : ":/etc/localtime");
}

void
paths_find(struct paths *p, const char *libexec)
{
	find_programs(p, libexec);
	find_zone(p);
}
