/*
 * Frames of IEC 60870-5-101, 103 and 104 as lines for people. Pure; in the
 * iec60870 runner.
 */
#ifndef PROTOCOLS_IEC60870_TEXT_H
#define PROTOCOLS_IEC60870_TEXT_H

#include "common/textbuf.h"
#include "protocols/iec60870/asdu.h"
#include "protocols/iec60870/ft12.h"

/* An APDU of part 104: "I 5/3, M_SP_NA_1 SPONTANEOUS, ASDU 1, 100 ON". */
void iec104_frame_text(struct textbuf *t, const uint8_t *p, size_t len);
/* A frame of FT1.2. sizes: of the ASDUs of 101; NULL: they are those of 103. */
void ft12_frame_text(struct textbuf *t, const struct ft12_params *params,
    const struct asdu_sizes *sizes, const uint8_t *p, size_t len);

/* An ASDU of 101 or 104, */
void iec_asdu_text(
    struct textbuf *t, const struct asdu_sizes *sizes, const uint8_t *asdu, size_t len);
/* and one of 103 (iec103_text.c). */
void iec103_asdu_text(struct textbuf *t, const uint8_t *asdu, size_t len);
/* A time in parentheses, as far as its size goes. */
void iec_time_text(struct textbuf *t, const struct iec_time *time);

#endif
