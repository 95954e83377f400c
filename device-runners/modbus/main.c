/* The runner of the Modbus family. */
#include "device-runners/modbus/master.h"
#include "device-runners/modbus/slave.h"

int
main(int argc, char **argv)
{
	static const struct runner_device *const types[] = { &master_device, &slave_device, NULL };

	return runner_main(argc, argv, types);
}
