/* What remote.c, remote_poll.c and remote_write.c share. In the Modbus runner. */
#ifndef DEVICE_RUNNERS_MODBUS_REMOTE_PRIVATE_H
#define DEVICE_RUNNERS_MODBUS_REMOTE_PRIVATE_H

#include "device-runners/modbus/remote.h"

static const struct monotime remote_never = { INT64_MAX };

/* Says it where it is new. */
void remote_set_status(struct remote *r, enum remote_status status);
void remote_retry_start(struct retry *t, const struct conf_master *c);
/* Whether there is another try, and when. */
bool remote_retry_next(struct retry *t, const struct conf_master *c, struct monotime now);
/* Restores the heap below ranges[i], or all of it. */
void remote_sift(struct remote *r, size_t i);
void remote_heapify(struct remote *r);
void remote_drop_writes(struct remote *r);

#endif
