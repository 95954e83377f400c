/* A PDU of SMPP as one line for people. Pure; in the SMPP runner. */
#ifndef PROTOCOLS_SMPP_PDU_TEXT_H
#define PROTOCOLS_SMPP_PDU_TEXT_H

#include "common/textbuf.h"
#include "protocols/smpp/pdu.h"

/* "submit_sm 5 from "20" to "385911", coding 8, 32 bytes". Passwords are not shown. */
void smpp_pdu_text(struct textbuf *t, const uint8_t *p, size_t len);

#endif
