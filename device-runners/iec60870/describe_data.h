/* The data of the IEC 60870-5 devices as gatewayctl sees them: for runner_device.describe_data,
 * which see. In the iec60870 runner. */
#ifndef DEVICE_RUNNERS_IEC60870_DESCRIBE_DATA_H
#define DEVICE_RUNNERS_IEC60870_DESCRIBE_DATA_H

#include <stdbool.h>
#include <stddef.h>

struct asdu_sizes;
struct describe;

/* A master of 104, whose data have no remote device; or one remote device of a master of 101, of
 * this address. */
bool describe_iec_master_data(const char *remote, struct describe *d, size_t i);
/* The sizes of its addresses, where they are not those of 104; copied, for the one device of this
 * process. */
void describe_iec_master_sizes(const struct asdu_sizes *sizes);
/* Rows that the two have, and rows of a remote device of 103. */
size_t describe_iec_master_count(const char *remote);
bool describe_103_data(const char *remote, struct describe *d, size_t i);
size_t describe_103_count(void);
/* A slave of 101 or 104, which begins with its station. */
bool describe_iec_slave_data(void *device, struct describe *d, size_t i);

#endif
