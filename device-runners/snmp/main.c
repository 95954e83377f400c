#include "device-runners/snmp/snmp.h"

int
main(int argc, char **argv)
{
	static const struct runner_device *const types[] = { &snmp_manager_device,
		&snmp_trap_listener_device, NULL };

	return runner_main(argc, argv, types);
}
