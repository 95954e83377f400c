#include "common/remedy.h"

#include <errno.h>
#include <stddef.h>

static const char power[] = "; check the device's power, cable and address";
static const char serial_group[] =
    "; the user of gatewayd needs the tty's group (ls -l shows it), in the unit by "
    "SupplementaryGroups";
static const char no_route[] = "; this host has no route there: see 'ip route'";
static const char ping_group[] = "; net.ipv4.ping_group_range (sysctl) has to include a group of "
				 "gatewayd, or it needs CAP_NET_RAW";
static const char descriptors[] = "; raise LimitNOFILE in the unit of gatewayd";
static const char behind_gateway[] =
    "; check device_id, and the device on the line behind its gateway";
static const char smpp_account[] = "; check system_id, password, and whom the SMSC admits";
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
	{ .of = REMEDY_CONNECT, .error = ENETUNREACH, .text = no_route },
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
	{ .of = REMEDY_PING, .error = EACCES, .text = ping_group },
	{ .of = REMEDY_PING, .error = EPERM, .text = ping_group },
	{ .of = REMEDY_PING, .error = ENETUNREACH, .text = no_route },
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
	{ .of = REMEDY_EVENT_SERVER,
	    .error = REMEDY_SERVER_REFUSES,
	    .text = "; compare 'token' of event_server with the server's" },
	{ .of = REMEDY_EVENT_SERVER,
	    .error = REMEDY_SERVER_IS_NONE,
	    .text = "; check the port of event_server: a Hat Event Server has to listen there" },
	{ .of = REMEDY_TLS,
	    .error = REMEDY_TLS_UNTRUSTED,
	    .text = "; put the authority that signed it into the file of ca_path" },
	{ .of = REMEDY_TLS,
	    .error = REMEDY_TLS_EXPIRED,
	    .text = "; the peer needs a new certificate, or this host's clock is wrong" },
	{ .of = REMEDY_TLS,
	    .error = REMEDY_TLS_NOT_YET_VALID,
	    .text = "; check this host's clock ('timedatectl')" },
	{ .of = REMEDY_TLS,
	    .error = REMEDY_TLS_NAME,
	    .text = "; the peer needs a certificate that names this host as configured" },
	{ .of = REMEDY_TLS,
	    .error = REMEDY_TLS_REVOKED,
	    .text = "; the peer needs a new certificate" },
	{ .of = REMEDY_TLS,
	    .error = REMEDY_TLS_OURS_REFUSED,
	    .text =
		"; the peer refuses our certificate: check cert_path, and whom the peer trusts" },
	{ .of = REMEDY_TLS,
	    .error = REMEDY_TLS_NONE_SPOKEN,
	    .text = "; the peer does not speak TLS there: check the port and its settings" },
	{ .of = REMEDY_MODBUS,
	    .error = 0,
	    .text = "; check device_id, the line and the device's power" },
	{ .of = REMEDY_MODBUS,
	    .error = 1,
	    .text = "; the device has no such function: compare data_type with its manual" },
	{ .of = REMEDY_MODBUS,
	    .error = 2,
	    .text = "; compare data_type and start_address with the device's manual" },
	{ .of = REMEDY_MODBUS, .error = 10, .text = behind_gateway },
	{ .of = REMEDY_MODBUS, .error = 11, .text = behind_gateway },
	{ .of = REMEDY_IEC60870,
	    .error = 44,
	    .text = "; compare the type with the station's interoperability list" },
	{ .of = REMEDY_IEC60870,
	    .error = 45,
	    .text = "; compare the cause with the station's interoperability list" },
	{ .of = REMEDY_IEC60870,
	    .error = 46,
	    .text = "; compare the common address with that of the station" },
	{ .of = REMEDY_IEC60870,
	    .error = 47,
	    .text = "; compare the object's address with the station's list of data" },
	{ .of = REMEDY_SNMP,
	    .error = REMEDY_SNMP_LEVEL,
	    .text = "; compare authentication and privacy with the agent's" },
	{ .of = REMEDY_SNMP,
	    .error = REMEDY_SNMP_USER,
	    .text = "; check user: the agent has no such" },
	{ .of = REMEDY_SNMP,
	    .error = REMEDY_SNMP_DIGEST,
	    .text = "; compare authentication's type and password with the agent's" },
	{ .of = REMEDY_SNMP,
	    .error = REMEDY_SNMP_DECRYPTION,
	    .text = "; compare privacy's type and password with the agent's" },
	{ .of = REMEDY_SNMP,
	    .error = REMEDY_SNMP_SILENT,
	    .text = "; check the community, the port, and the hosts that the agent allows" },
	{ .of = REMEDY_SNMP,
	    .error = REMEDY_SNMP_NO_ENGINE,
	    .text = "; check the port, the hosts that the agent allows, and that it speaks V3" },
	{ .of = REMEDY_SMPP, .error = 0x05, .text = "; stop the other client of this system_id" },
	{ .of = REMEDY_SMPP, .error = 0x0d, .text = smpp_account },
	{ .of = REMEDY_SMPP, .error = 0x0e, .text = "; check password" },
	{ .of = REMEDY_SMPP, .error = 0x0f, .text = "; check system_id" },
};

const char *
remedy_text(enum remedy_of of, int error)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].of == of && rows[i].error == error)
			return rows[i].text;
	return "";
}
