#include "device-runners/iec60870/iec60870.h"

int
main(int argc, char **argv)
{
	static const struct runner_device *const types[] = { &iec104_master_device,
		&iec104_slave_device, &iec101_master_device, &iec101_slave_device,
		&iec103_master_device, NULL };

	return runner_main(argc, argv, types);
}
