/* The places of gatewayd's programs and folders. */
#ifndef SUPERVISOR_PATHS_H
#define SUPERVISOR_PATHS_H

enum { PATHS_SIZE = 4096 };

struct paths {
	char libexec[PATHS_SIZE], eventd_program[PATHS_SIZE], resolver[PATHS_SIZE + 32];
	char runtime[PATHS_SIZE], state[PATHS_SIZE], eventd_socket[PATHS_SIZE + 16];
	char control_socket[PATHS_SIZE + 16];
	char zone[256]; /* TZ for the runners */
};

/* Programs and zone. libexec: of the command line, or NULL. */
void paths_find(struct paths *p, const char *libexec);
/* Folders for sockets and for what is kept; makes them. Returns 0, or -1, having logged why. */
int paths_make_folders(struct paths *p);

#endif
