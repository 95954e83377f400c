/*
 * The PDUs of MMS (ISO 9506-2, clause 7 and 8), in runner processes: what stands around the
 * services. Pure.
 */
#ifndef PROTOCOLS_MMS_PDU_H
#define PROTOCOLS_MMS_PDU_H

#include "common/cursor.h"
#include "protocols/mms/service.h"

/* The number of the context tag. */
enum mms_pdu_type {
	MMS_CONFIRMED_REQUEST = 0,
	MMS_CONFIRMED_RESPONSE = 1,
	MMS_CONFIRMED_ERROR = 2,
	MMS_UNCONFIRMED = 3,
	MMS_REJECT = 4,
	MMS_CANCEL_REQUEST = 5,
	MMS_CANCEL_RESPONSE = 6,
	MMS_CANCEL_ERROR = 7,
	MMS_INITIATE_REQUEST = 8,
	MMS_INITIATE_RESPONSE = 9,
	MMS_INITIATE_ERROR = 10,
	MMS_CONCLUDE_REQUEST = 11,
	MMS_CONCLUDE_RESPONSE = 12,
	MMS_CONCLUDE_ERROR = 13,
};

enum {
	MMS_SERVICE_BITS = 85, /* ServiceSupportOptions */
	MMS_SERVICE_OCTETS = 11,
	MMS_OFFERS_CANCEL = 84,
	MMS_REJECT_REQUEST = 1, /* types of a RejectPDU */
	MMS_REJECT_PDU = 5,
	MMS_UNRECOGNIZED_SERVICE = 1, /* reasons */
	MMS_UNKNOWN_PDU = 0,
};

/* Parameters of Initiate. */
struct mms_initiate {
	int64_t local_detail;	 /* octets of a PDU; 0: absent */
	int64_t calling, called; /* outstanding calls of the client, of the server */
	int64_t nesting;	 /* 0: absent */
	int64_t version;
	uint8_t services[MMS_SERVICE_OCTETS]; /* bit 0 is the top bit of the first octet */
};
bool mms_initiate_offers(const struct mms_initiate *i, unsigned service);

struct mms_pdu {
	enum mms_pdu_type type;
	bool has_id;
	uint32_t id; /* invoke id; of a cancel: of what is to be cancelled */
	union {
		struct ber_element service; /* of a confirmed response: its service */
		struct mms_error error;	    /* of errors; of a reject: its type and reason */
		struct mms_report report;   /* of an information report */
		struct mms_initiate initiate;
	} u;
};

/* Decodes one whole PDU. DEC_UNSUP: of a kind that no client knows: type, and the id where it was
 * found, are set. */
enum dec mms_pdu_decode(struct mms_pdu *pdu, const uint8_t *data, size_t len);

/* --- Writing: each writes a whole PDU, or what stands before and behind a service --- */

void mms_put_initiate(struct ber_writer *w, const struct mms_initiate *i);
void mms_begin_request(struct ber_writer *w, uint32_t id);
void mms_put_cancel(struct ber_writer *w, uint32_t id);
void mms_put_conclude(struct ber_writer *w);
/* id: of the request; NULL: the PDU had none. */
void mms_put_reject(struct ber_writer *w, const uint32_t *id, unsigned type, int reason);

/* --- Requests: each writes a service, between mms_begin_request() and ber_end() --- */

void mms_put_read(struct ber_writer *w, const struct mms_variable *variables, size_t count);
void mms_put_write(struct ber_writer *w, const struct mms_variable *variables, size_t count,
    const void *data, size_t len);
void mms_put_name_list(struct ber_writer *w, enum mms_object_class object, struct mms_str domain,
    struct mms_str after);
void mms_put_variable_attributes(struct ber_writer *w, const struct mms_name *variable);
void mms_put_define_list(struct ber_writer *w, const struct mms_name *list,
    const struct mms_variable *variables, size_t count);
void mms_put_get_list(struct ber_writer *w, const struct mms_name *list);
void mms_put_delete_list(struct ber_writer *w, const struct mms_name *list);
void mms_put_identify(struct ber_writer *w);
void mms_put_status(struct ber_writer *w);

#endif
