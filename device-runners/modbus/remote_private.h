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
/* Device is busy, and says so (exceptions 5 and 6). */
bool remote_is_busy(const struct modbus_pdu *res);
/* The range due first was not answered: it goes behind the others. */
void remote_put_back(struct remote *r, struct monotime now);
/* Of writes when the connection is lost. */
void remote_keep_writes(struct remote *r, struct remote_loss loss, struct monotime now);

#endif
