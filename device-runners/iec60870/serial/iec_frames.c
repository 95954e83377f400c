#include "device-runners/iec60870/serial/iec_frames.h"

#include <stdlib.h>

/* Bytes that wait for their rest that long are shown as they are. */
enum { SILENCE_MS = 500 };

static void
decode(struct textbuf *out, const void *arg, enum trace_direction dir, const uint8_t *p, size_t len)
{
	const struct iec_frames *f = arg;

	(void)dir;
	ft12_frame_text(out, &f->params, f->sizes, p, len);
}

void
iec_frames_init(
    struct iec_frames *f, struct runner *r, const struct link_conf *link, const char *tty)
{
	*f = (struct iec_frames){ .params = { link->address_size, link->mode == LINK_BALANCED } };
	trace_init(&f->trace, r, "iec103", !link->controlling, decode, f);
	trace_set_name(&f->trace, tty);
}

void
iec_frames_set_sizes(struct iec_frames *f, const struct asdu_sizes *sizes)
{
	f->sizes = sizes;
	f->trace.protocol = "iec101";
}

void
iec_frames_sent(struct iec_frames *f, const uint8_t *frame, size_t len)
{
	trace_frame(&f->trace, TRACE_TX, frame, len);
}

/* Shows the frames that are there whole, and before each what was skipped. */
static void
drain(struct iec_frames *f)
{
	struct ft12_rx *rx = f->rx;
	struct ft12_frame frame;
	enum dec dec;

	do {
		const uint8_t *before = rx->buf + rx->head; /* stays until more is put */
		size_t had = rx->len;
		uint64_t garbage = rx->garbage;
		dec = ft12_rx_next(rx, &frame);
		size_t noise = (size_t)(rx->garbage - garbage), taken = had - rx->len;
		if (noise)
			trace_noise(&f->trace, before, noise);
		if (taken > noise)
			trace_frame(&f->trace, TRACE_RX, before + noise, taken - noise);
	} while (dec == DEC_OK || dec == DEC_UNSUP);
}

static void
give_up_rest(struct iec_frames *f)
{
	if (f->rx->len)
		trace_noise(&f->trace, f->rx->buf + f->rx->head, f->rx->len);
	ft12_rx_init(f->rx, f->params);
}

void
iec_frames_received(struct iec_frames *f, const uint8_t *bytes, size_t len)
{
	struct monotime now = monotime_now();

	if (!trace_is_wanted(&f->trace)) {
		iec_frames_close(f);
		return;
	}
	if (!f->rx && (f->rx = malloc(sizeof(*f->rx))))
		ft12_rx_init(f->rx, f->params);
	if (f->rx && monotime_diff_ms(now, f->last) > SILENCE_MS)
		give_up_rest(f);
	f->last = now;
	while (f->rx && len > 0) {
		size_t n = ft12_rx_put(f->rx, bytes, len);
		bytes += n;
		len -= n;
		drain(f);
	}
}

void
iec_frames_close(struct iec_frames *f)
{
	if (f->rx)
		give_up_rest(f);
	free(f->rx);
	f->rx = NULL;
}
