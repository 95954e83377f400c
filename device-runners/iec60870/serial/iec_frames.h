/*
 * The frames of a serial line for `gatewayctl trace` and the log: finds them in
 * what is read, by the protocol's own receiver, and shows what is no frame as
 * it came. In the iec60870 runner.
 */
#ifndef DEVICE_RUNNERS_IEC60870_SERIAL_IEC_FRAMES_H
#define DEVICE_RUNNERS_IEC60870_SERIAL_IEC_FRAMES_H

#include "device-runners/runtime/report/trace.h"
#include "protocols/iec60870/link.h"
#include "protocols/iec60870/text.h"

struct iec_frames {
	struct trace trace;
	struct ft12_params params;
	const struct asdu_sizes *sizes; /* borrowed; NULL: 103 */
	struct ft12_rx *rx;		/* owned; NULL while nobody looks */
	struct monotime last;		/* when something came */
};

/* The line is of 103, until iec_frames_set_sizes(). It does not move afterwards. */
void iec_frames_init(
    struct iec_frames *f, struct runner *r, const struct link_conf *link, const char *tty);
/* It is a line of 101 with ASDUs of these sizes, borrowed. */
void iec_frames_set_sizes(struct iec_frames *f, const struct asdu_sizes *sizes);
void iec_frames_sent(struct iec_frames *f, const uint8_t *frame, size_t len);
void iec_frames_received(struct iec_frames *f, const uint8_t *bytes, size_t len);
/* The line is lost. */
void iec_frames_close(struct iec_frames *f);

#endif
