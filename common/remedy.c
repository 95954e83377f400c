#include "common/remedy.h"

#include <errno.h>
#include <stddef.h>

static const char power[] = "; check the device's power, cable and address";
static const char serial_group[] =
    "; the user of gatewayd needs the tty's group (ls -l shows it), in the unit by "
    "SupplementaryGroups";
static const char descriptors[] = "; raise LimitNOFILE in the unit of gatewayd";
static const char folder_owner[] = "; the user of gatewayd has to own that folder";

static const struct {
	enum remedy_of of;
	int error;
	const char *text;
} rows[] = {
	{ .of = REMEDY_CONNECT,
	    .error = ECONNREFUSED,
	    .text = "; check the port, and that the peer's server runs" },
	{ .of = REMEDY_CONNECT,
	    .error = ETIMEDOUT,
	    .text = "; check the peer's power, cable and address, and firewalls" },
	{ .of = REMEDY_CONNECT, .error = EHOSTUNREACH, .text = power },
	{ .of = REMEDY_CONNECT,
	    .error = ENETUNREACH,
	    .text = "; this host has no route there: see 'ip route'" },
	{ .of = REMEDY_CONNECT, .error = EMFILE, .text = descriptors },
	{ .of = REMEDY_LISTEN,
	    .error = EACCES,
	    .text = "; a port below 1024 needs CAP_NET_BIND_SERVICE, in the unit by "
		    "AmbientCapabilities" },
	{ .of = REMEDY_LISTEN,
	    .error = EADDRINUSE,
	    .text = "; 'ss -lntup' shows which program has that port" },
	{ .of = REMEDY_LISTEN,
	    .error = EADDRNOTAVAIL,
	    .text = "; no interface has that address: 'ip address' lists those of this host" },
	{ .of = REMEDY_LISTEN, .error = EMFILE, .text = descriptors },
	{ .of = REMEDY_TTY, .error = EACCES, .text = serial_group },
	{ .of = REMEDY_TTY,
	    .error = ENOENT,
	    .text = "; check that the adapter is plugged in, and its name in /dev" },
	{ .of = REMEDY_TTY,
	    .error = EBUSY,
	    .text = "; 'fuser' with its path shows which program uses it" },
	{ .of = REMEDY_TTY, .error = ENOTTY, .text = "; name a serial port, as /dev/ttyS0" },
	{ .of = REMEDY_TTY, .error = EMFILE, .text = descriptors },
	{ .of = REMEDY_FILE, .error = ENOENT, .text = "; put the file there, or correct the path" },
	{ .of = REMEDY_FILE,
	    .error = EACCES,
	    .text = "; the user of gatewayd needs to read it and enter its folders" },
	{ .of = REMEDY_FILE,
	    .error = EPERM,
	    .text = "; take the right to write from them ('chmod go-w')" },
	{ .of = REMEDY_FILE, .error = EMFILE, .text = descriptors },
	{ .of = REMEDY_PING,
	    .error = EACCES,
	    .text = "; net.ipv4.ping_group_range (sysctl) has to include a group of gatewayd, or "
		    "it needs "
		    "CAP_NET_RAW" },
	{ .of = REMEDY_PING,
	    .error = EPERM,
	    .text = "; net.ipv4.ping_group_range (sysctl) has to include a group of gatewayd, or "
		    "it needs "
		    "CAP_NET_RAW" },
	{ .of = REMEDY_PING,
	    .error = ENETUNREACH,
	    .text = "; this host has no route there: see 'ip route'" },
	{ .of = REMEDY_PING, .error = EMFILE, .text = descriptors },
	{ .of = REMEDY_FOLDER, .error = EACCES, .text = folder_owner },
	{ .of = REMEDY_FOLDER, .error = EPERM, .text = folder_owner },
	{ .of = REMEDY_FOLDER,
	    .error = EROFS,
	    .text = "; its file system is read-only: name another by STATE_DIRECTORY or "
		    "RUNTIME_DIRECTORY, or StateDirectory in the unit" },
	{ .of = REMEDY_FOLDER,
	    .error = ENOSPC,
	    .text = "; its file system is full: 'df' shows it" },
	{ .of = REMEDY_NAME,
	    .error = REMEDY_NAME_UNKNOWN,
	    .text = "; check its spelling, or put it into /etc/hosts" },
	{ .of = REMEDY_NAME,
	    .error = REMEDY_NAME_NO_SERVER,
	    .text = "; check the name servers in /etc/resolv.conf" },
};

const char *
remedy_text(enum remedy_of of, int error)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].of == of && rows[i].error == error)
			return rows[i].text;
	return "";
}
