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
	REMEDY_FOLDER,	     /* of sockets, or of what is kept */
	REMEDY_NAME,	     /* errors are enum remedy_name */
	REMEDY_EVENT_SERVER, /* enum remedy_event_server */
	REMEDY_TLS,	     /* enum remedy_tls */
	REMEDY_MODBUS,	     /* exception codes; 0: no answer */
	REMEDY_IEC60870,     /* causes of transmission */
	REMEDY_SNMP,	     /* enum remedy_snmp */
	REMEDY_SMPP,	     /* command_status */
};

enum remedy_name { REMEDY_NAME_UNKNOWN = 1, REMEDY_NAME_NO_SERVER };
enum remedy_event_server { REMEDY_SERVER_REFUSES = 1, REMEDY_SERVER_IS_NONE };
enum remedy_tls {
	REMEDY_TLS_UNTRUSTED = 1,
	REMEDY_TLS_EXPIRED,
	REMEDY_TLS_NOT_YET_VALID,
	REMEDY_TLS_NAME,
	REMEDY_TLS_REVOKED,
	REMEDY_TLS_OURS_REFUSED,
	REMEDY_TLS_NONE_SPOKEN,
};
/* The first ones are reports of USM. */
enum remedy_snmp {
	REMEDY_SNMP_LEVEL = 1,
	REMEDY_SNMP_TIME,
	REMEDY_SNMP_USER,
	REMEDY_SNMP_ENGINE,
	REMEDY_SNMP_DIGEST,
	REMEDY_SNMP_DECRYPTION,
	REMEDY_SNMP_SILENT, /* to a community */
	REMEDY_SNMP_NO_ENGINE,
};

/* error: an errno value, or what enum remedy_of says. "; SENTENCE", or "" where there is none. */
const char *remedy_text(enum remedy_of of, int error);

#endif
