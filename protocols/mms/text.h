/*
 * Frames of an association with an MMS server as lines for people: "request 5, read
 * "LD0"/"LLN0$BR$brcb01$RptID"". Pure; in the iec61850 runner.
 */
#ifndef PROTOCOLS_MMS_TEXT_H
#define PROTOCOLS_MMS_TEXT_H

#include "common/textbuf.h"
#include "protocols/mms/service.h"

/* Adds what the octets are: one whole TPKT and what it carries. A PDU that comes in more than one
 * TPKT is said to be a part. */
void mms_frame_text(struct textbuf *t, const uint8_t *p, size_t len);
/* Adds a value: {true, 1.5, "text"}. */
void mms_value_text(struct textbuf *t, const struct mms_value *v);

#endif
