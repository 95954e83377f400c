/* The address of a server, from the section Communication. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gatewayctl/scl/convert.h"

static const struct {
	const char *type, *key;
	size_t digits; /* of one that is an integer in other configurations */
} selectors[] = {
	{ .type = "OSI-TSEL", .key = "remote_tsel", .digits = 4 },
	{ .type = "OSI-SSEL", .key = "remote_ssel", .digits = 4 },
	{ .type = "OSI-PSEL", .key = "remote_psel", .digits = 8 },
};

enum { MAX_SELECTOR = 32 }; /* digits */

static const struct scl_element *
find_address(const struct scl_convert *c, const struct scl_element *access_point)
{
	const struct scl_element *all = scl_next(scl_root(c->types.tree)->child, SCL_COMMUNICATION);

	if (!all)
		return NULL;
	scl_foreach(net, all, SCL_SUB_NETWORK) scl_foreach(ap, net,
	    SCL_CONNECTED_AP) if (strcmp(scl_get(ap, "iedName"), scl_get(c->ied, "name")) == 0 &&
				  strcmp(scl_get(ap, "apName"), scl_get(access_point, "name")) ==
				      0) return scl_next(ap->child, SCL_ADDRESS);
	return NULL;
}

static const char *
parameter(const struct scl_element *address, const char *type)
{
	const struct scl_element *p = address ? scl_child(address, SCL_P, "type", type) : NULL;

	return p ? p->text : "";
}

static bool
consists_of(const char *text, const char *characters)
{
	return *text && text[strspn(text, characters)] == '\0';
}

static void
put_selectors(struct buffer *b, const struct scl_element *address)
{
	for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
		const char *text = parameter(address, selectors[i].type);
		size_t digits = strlen(text);
		if (!consists_of(text, "0123456789abcdefABCDEF") || digits % 2 ||
		    digits > MAX_SELECTOR)
			continue;
		if (digits == selectors[i].digits)
			buffer_printf(
			    b, "    %s: %lu\n", selectors[i].key, strtoul(text, NULL, 16));
		else
			buffer_printf(b, "    %s: \"%s\"\n", selectors[i].key, text);
	}
}

/* Arcs with commas, blanks or dots between them. */
static void
put_title(struct buffer *b, const char *text)
{
	char separator = '[';

	if (!consists_of(text, "0123456789,. "))
		return;
	buffer_append_str(b, "    remote_ap_title: ");
	while (*text) {
		size_t n = strspn(text, "0123456789");
		if (n)
			buffer_printf(b, "%s%.*s", separator == '[' ? "[" : ", ", (int)n, text);
		separator = n ? ',' : separator;
		text += n;
		text += strspn(text, ",. ");
	}
	buffer_append_str(b, separator == '[' ? "[]\n" : "]\n");
}

void
scl_put_connection(struct buffer *b, struct scl_convert *c, const struct scl_element *access_point)
{
	const struct scl_element *address = find_address(c, access_point);
	const char *host = parameter(address, "IP"), *port = parameter(address, "MMS-Port"),
		   *qualifier = parameter(address, "OSI-AE-Qualifier");
	unsigned long number = strtoul(port, NULL, 10);

	buffer_append_str(b, "  connection:\n");
	if (!*host)
		scl_note(c, access_point, "the file has no address of this access point; set host");
	scl_put_pair(b, "    host", *host ? host : "192.0.2.1");
	buffer_printf(b, "\n    port: %lu\n", number > 0 && number < 65536 ? number : 102);
	put_selectors(b, address);
	put_title(b, parameter(address, "OSI-AP-Title"));
	if (consists_of(qualifier, "0123456789") && strlen(qualifier) < 9)
		buffer_printf(b, "    remote_ae_qualifier: %s\n", qualifier);
	buffer_append_str(b, "    connect_timeout: 10        # seconds, as all times\n"
			     "    reconnect_delay: 10\n"
			     "    response_timeout: 10\n"
			     "    status_delay: 30\n"
			     "    status_timeout: 10\n");
}
