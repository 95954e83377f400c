/* Octets as a list of values: what passes the check can be walked and written again, octet for
 * octet in kind and count. */
#include <stdlib.h>

#include "protocols/mms/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(struct mms_values list)
{
	struct mms_utc_time utc;
	struct mms_binary_time binary;
	struct mms_values members;
	struct mms_value v;
	const uint8_t *data;
	struct mms_str str;
	uint32_t flags;
	uint64_t u;
	int64_t i;
	size_t n;
	double d;
	bool b;

	while (mms_values_next(&list, &v)) {
		mms_value_bool(&v, &b), mms_value_int(&v, &i), mms_value_uint(&v, &u);
		mms_value_float(&v, &d, &b), mms_value_flags(&v, &flags, &n);
		mms_value_utc_time(&v, &utc), mms_value_binary_time(&v, &binary);
		mms_value_str(&v, &str), mms_value_octets(&v, &data, &n);
		if (mms_value_members(&v, &members))
			walk(members);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mms_values list, again;
	struct mms_value v;
	struct ber_writer w;
	uint8_t *out = malloc(size + 1);

	if (!out || !mms_values_check(&list, data, size)) {
		free(out);
		return 0;
	}
	walk(list);
	ber_writer_init(&w, out, size);
	for (struct mms_values at = list; mms_values_next(&at, &v);)
		mms_put_value(&w, &v);
	/* Lengths in long form become short, never longer. */
	if (size && (w.failed || !mms_values_check(&again, out, w.len) ||
			mms_values_count(again) != mms_values_count(list)))
		__builtin_trap();
	free(out);
	return 0;
}
