/* The configuration of smpp_client, checked and copied out of its tree. In the SMPP runner. */
#ifndef DEVICE_RUNNERS_SMPP_CONF_H
#define DEVICE_RUNNERS_SMPP_CONF_H

#include "device-runners/runtime/runner.h"
#include "device-runners/runtime/tls_set.h"
#include "protocols/smpp/session.h"
#include "protocols/smpp/text.h"

/* How to send a text that does not fit one short message. */
enum conf_long { LONG_REFUSE, LONG_PAYLOAD, LONG_UDH };

struct conf_client {
	char *host;	     /* owned */
	int address;	     /* in the plan */
	struct tls_plan tls; /* ops NULL: without */
	char system_id[SMPP_MAX_SYSTEM_ID + 1], password[SMPP_MAX_PASSWORD + 1];
	char system_type[SMPP_MAX_SYSTEM_TYPE + 1], service_type[SMPP_MAX_SERVICE_TYPE + 1];
	char source[SMPP_MAX_ADDRESS + 1];
	struct smpp_params params; /* its texts are those above */
	struct smpp_sm message;	   /* what all messages have in common */
	int64_t connect_ms, reconnect_ms, message_ms;
	bool short_message;
	enum conf_long long_messages;
	struct smpp_codec codec;
	char encoding[64];
};

extern const struct schema conf_client_schema;
/* Reports every fault to the runner and plans the connection. Returns 0, or -1 when there was an
 * error; clear in both cases. conf must stay where it is: parts of it refer to each other. */
int conf_client_load(struct conf_client *c, struct runner *r, const struct json *conf);
void conf_client_clear(struct conf_client *c);
/* Says by runner_note() what the device will do. */
void conf_client_describe(struct runner *r, const struct json *conf);

#endif
