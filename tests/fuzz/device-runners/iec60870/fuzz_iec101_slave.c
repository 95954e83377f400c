/* A whole iec101_slave: byte 0 is the mode of the line. */
#include "device-runners/iec60870/iec60870.h"
#include "tests/fuzz/device-runners/iec60870/serial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONF                                                                                       \
	"{" FUZZ_TTY "\"cause_size\":\"ONE\",\"asdu_address_size\":\"ONE\","                       \
	"\"io_address_size\":\"TWO\",\"device_address_size\":\"ONE\",\"buffers\":[{\"name\":"      \
	"\"b\","                                                                                   \
	"\"size\":3}],\"data\":[{\"data_type\":\"SINGLE\",\"asdu_address\":1,\"io_address\":1,"    \
	"\"buffer\":\"b\"},{\"data_type\":\"BINARY_COUNTER\",\"asdu_address\":1,\"io_address\":2," \
	"\"buffer\":null}],\"link_type\":"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const confs[] = {
		CONF "\"UNBALANCED\",\"devices\":[{\"address\":1,\"keep_alive_timeout\":1,"
		     "\"reconnect_delay\":0}]}",
		CONF "\"BALANCED\",\"devices\":[{\"direction\":\"B_TO_A\",\"address\":1,"
		     "\"response_timeout\":0.001,\"send_retry_count\":1,\"status_delay\":1,"
		     "\"reconnect_delay\":0}]}",
	};
	static const char *const prefix[] = { "system" };
	static struct fuzz_serial s;

	if (size < 1)
		return 0;
	fuzz_serial_start(&s, &iec101_slave_device, confs[data[0] & 1]);
	fuzz_serial_open(&s);
	fuzz_serial_run(&s, prefix, 1, data + 1, size - 1);
	fuzz_serial_stop(&s);
	return 0;
}
