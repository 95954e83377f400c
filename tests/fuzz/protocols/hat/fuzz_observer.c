/* A MsgServer for a component that is ready, and a MsgClient. */
#include <stdlib.h>

#include "protocols/hat/observer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sbs_str bytes = { (const char *)data, size };
	struct observer_client client;
	struct observer o;
	bool answer;

	observer_init(&o, "event", NULL);
	observer_set_ready(&o, true);
	if (observer_update(&o, bytes, &answer) == DEC_OK && o.active &&
	    !observer_token_agree(o.req_token, o.res_token))
		abort();
	observer_client_decode(bytes, &client);
	return 0;
}
