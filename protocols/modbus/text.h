/*
 * A Modbus frame as one line for people: "unit 1, read holding registers 0 to
 * 9". Pure; in the Modbus runner.
 */
#ifndef PROTOCOLS_MODBUS_TEXT_H
#define PROTOCOLS_MODBUS_TEXT_H

#include "common/textbuf.h"
#include "protocols/modbus/frame.h"

/* "read holding registers"; NULL for a function that is not one of ours. */
const char *modbus_function_name(uint8_t fc);
/* Clause 7's name of an exception code; NULL for others. */
const char *modbus_exception_name(uint8_t exception);

/* Adds what the PDU says; one that is damaged is said to be so. */
void modbus_pdu_text(struct textbuf *t, enum modbus_direction dir, const uint8_t *pdu, size_t len);
/* Adds what the bytes are: one whole frame, or no Modbus frame. */
void modbus_frame_text(struct textbuf *t, enum modbus_framing framing, enum modbus_direction dir,
    const uint8_t *p, size_t len);

#endif
