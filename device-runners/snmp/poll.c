#include "device-runners/snmp/poll.h"

#include <stdlib.h>
#include <string.h>

static const struct ber_oid zero = { 1, { 0 } }; /* 0.0 */

int
poll_init(struct poll *p, size_t count, size_t most)
{
	*p = (struct poll){ .most = most, .limit = most };
	p->items = calloc(count ? count : 1, sizeof(*p->items));
	return p->items ? 0 : -1;
}

void
poll_clear(struct poll *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->items[i].text);
		free(p->items[i].last);
	}
	free(p->items);
	*p = (struct poll){ .items = NULL };
}

int
poll_add(struct poll *p, const struct ber_oid *oid, const char *text, bool hex)
{
	struct poll_item *item = &p->items[p->count];

	*item = (struct poll_item){ .oid = *oid, .text = strdup(text), .hex = hex };
	if (!item->text)
		return -1;
	item->same = p->count++;
	return 0;
}

static int
by_oid(const void *pa, const void *pb)
{
	const struct poll_item *a = *(struct poll_item *const *)pa,
			       *b = *(struct poll_item *const *)pb;
	int order = a->oid.len != b->oid.len ? (a->oid.len < b->oid.len ? -1 : 1)
					     : memcmp(a->oid.octets, b->oid.octets, a->oid.len);

	return order ? order : (a > b) - (a < b);
}

int
poll_ready(struct poll *p)
{
	struct poll_item **order = calloc(p->count ? p->count : 1, sizeof(struct poll_item *));

	if (!order)
		return -1;
	for (size_t i = 0; i < p->count; i++)
		order[i] = &p->items[i];
	qsort(order, p->count, sizeof(struct poll_item *), by_oid);
	for (size_t i = 1; i < p->count; i++)
		if (ber_oid_equal(&order[i - 1]->oid, &order[i]->oid))
			order[i]->same = order[i - 1]->same;
	free(order);
	return 0;
}

void
poll_reset(struct poll *p)
{
	p->at = p->asked = 0;
	p->limit = p->most;
	for (size_t i = 0; i < p->count; i++) {
		free(p->items[i].last);
		p->items[i].last = NULL;
		p->items[i].alone = false;
	}
}

size_t
poll_next(struct poll *p, uint8_t *out, size_t size)
{
	struct ber_writer w;
	size_t len = 0;

	ber_writer_init(&w, out, size);
	if (p->count == 0)
		snmp_binding_put(&w, &zero, NULL, 0);
	for (p->asked = 0; p->at + p->asked < p->count && p->asked < p->limit; p->asked++) {
		const struct poll_item *item = &p->items[p->at + p->asked];
		if (item->alone && p->asked)
			break;
		len = w.len;
		snmp_binding_put(&w, &item->oid, NULL, 0);
		if (w.failed)
			return len;
		if (item->alone) {
			p->asked = 1;
			break;
		}
	}
	return ber_writer_done(&w);
}

const struct ber_oid *
poll_oid(const struct poll *p)
{
	return p->count ? &p->items[p->at].oid : &zero;
}

/* Whether the item's last word was another; keeps this one. */
static bool
is_news(struct poll_item *item, const struct answer_value *v, bool *first)
{
	uint32_t tag = v->error ? UINT32_MAX : v->value->tag;
	const void *data = v->error ? (const void *)v->error : v->value->data;
	size_t len = v->error ? strlen(v->error) : v->value->len;

	*first = !item->last;
	if (item->last && item->last_len == sizeof(tag) + len &&
	    memcmp(item->last, &tag, sizeof(tag)) == 0 &&
	    memcmp(item->last + sizeof(tag), data, len) == 0)
		return false;
	uint8_t *copy = malloc(sizeof(tag) + len);
	if (!copy)
		return true; /* said again the next time */
	memcpy(copy, &tag, sizeof(tag));
	memcpy(copy + sizeof(tag), data, len);
	free(item->last);
	item->last = copy;
	item->last_len = sizeof(tag) + len;
	return true;
}

/* The agent refused a GET of several: the one that it names, or all, get one of their own. */
static void
split(struct poll *p, const struct snmp_pdu *pdu)
{
	if (pdu->error_status == SNMP_TOO_BIG) {
		p->limit = p->asked / 2;
		return;
	}
	for (size_t i = 0; i < p->asked; i++)
		if (pdu->error_index < 1 || (size_t)pdu->error_index > p->asked ||
		    (size_t)pdu->error_index == i + 1)
			p->items[p->at + i].alone = true;
}

bool
poll_answered(struct poll *p, const struct agent_answer *a, enum snmp_version version,
    poll_news *news, void *arg)
{
	if (a->result == AGENT_ANSWER && a->pdu->error_status && p->asked > 1) {
		split(p, a->pdu);
		return false;
	}
	for (size_t i = p->at; i < p->at + p->asked; i++) {
		struct poll_item *item = &p->items[i];
		struct answer_value v = answer_read(a, &item->oid, version);
		bool first;
		if (is_news(&p->items[item->same], &v, &first))
			news(arg, item, first ? "INTERROGATE" : "CHANGE", &v);
	}
	p->at += p->asked;
	p->asked = 0;
	if (p->at < p->count)
		return false;
	p->at = 0;
	return true;
}
