#include "device-runners/icmp/ping.h"

int
main(int argc, char **argv)
{
	static const struct runner_device *const types[] = { &ping_device, NULL };

	return runner_main(argc, argv, types);
}
