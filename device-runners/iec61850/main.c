/* The runner of IEC 61850. */
#include "device-runners/iec61850/iec61850.h"

int
main(int argc, char **argv)
{
	static const struct runner_device *const types[] = { &iec61850_client_device, NULL };

	return runner_main(argc, argv, types);
}
