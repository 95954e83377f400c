/*
 * The sandbox of gateway-eventd, once it runs: it keeps its sockets, its data, and
 * the system calls that serving needs. Whatever else it is made to try fails.
 */
#ifndef EVENT_SERVER_SANDBOX_H
#define EVENT_SERVER_SANDBOX_H

/* Locks; after the sockets and the data are open. Returns 0, or -1 with errno. */
int sandbox_enter(void);

#endif
