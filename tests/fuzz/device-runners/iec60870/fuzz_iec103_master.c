/* A whole iec103_master. */
#include "device-runners/iec60870/iec60870.h"
#include "tests/fuzz/device-runners/iec60870/serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char conf[] =
	    "{" FUZZ_TTY "\"reconnect_delay\":0,\"remote_devices\":[" FUZZ_POLLED "]}";
	static const char *const prefix[] = { "system", "remote_device", "1" };
	static struct fuzz_serial s;

	fuzz_serial_start(&s, &iec103_master_device, conf);
	fuzz_serial_open(&s);
	fuzz_event(&s, prefix, 3, "enable=true", 11);
	fuzz_turn(&s);
	fuzz_serial_run(&s, prefix, 3, data, size);
	fuzz_serial_stop(&s);
	return 0;
}
