/* A whole iec101_master: byte 0 is the mode of the line. */
#include "device-runners/iec60870/iec60870.h"
#include "tests/fuzz/device-runners/iec60870/serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONF                                                                                       \
	"{" FUZZ_TTY "\"cause_size\":\"TWO\",\"asdu_address_size\":\"TWO\","                       \
	"\"io_address_size\":\"THREE\",\"reconnect_delay\":0,\"device_address_size\":\"ONE\","     \
	"\"link_type\":"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const confs[] = {
		CONF "\"UNBALANCED\",\"remote_devices\":[" FUZZ_POLLED "]}",
		CONF "\"BALANCED\",\"remote_devices\":[{\"direction\":\"A_TO_B\",\"address\":1,"
		     "\"response_timeout\":0.001,\"send_retry_count\":1,\"status_delay\":1,"
		     "\"reconnect_delay\":0,\"time_sync_delay\":0}]}",
	};
	static const char *const prefix[] = { "system", "remote_device", "1" };
	static struct fuzz_serial s;

	if (size < 1)
		return 0;
	fuzz_serial_start(&s, &iec101_master_device, confs[data[0] & 1]);
	fuzz_serial_open(&s);
	fuzz_event(&s, prefix, 3, "enable=true", 11);
	fuzz_turn(&s);
	fuzz_serial_run(&s, prefix, 3, data + 1, size - 1);
	fuzz_serial_stop(&s);
	return 0;
}
