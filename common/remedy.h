/*
 * What an operator can do about a failure, in one sentence: one table for every process. It is the
 * end of the failure's message, behind "; ".
 */
#ifndef COMMON_REMEDY_H
#define COMMON_REMEDY_H

/* What was tried. */
enum remedy_of {
	REMEDY_CONNECT,
	REMEDY_LISTEN,
	REMEDY_TTY,
	REMEDY_FILE,
	REMEDY_PING,
	REMEDY_FOLDER, /* of sockets, or of what is kept */
	REMEDY_NAME,   /* errors are enum remedy_name */
};

enum remedy_name { REMEDY_NAME_UNKNOWN = 1, REMEDY_NAME_NO_SERVER };

/* error: an errno value, or enum remedy_name. "; SENTENCE", or "" where there is none. */
const char *remedy_text(enum remedy_of of, int error);

#endif
