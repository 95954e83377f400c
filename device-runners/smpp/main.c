/* The runner of SMPP. */
#include "device-runners/smpp/smpp.h"

int
main(int argc, char **argv)
{
	static const struct runner_device *const types[] = { &smpp_client_device, NULL };

	return runner_main(argc, argv, types);
}
