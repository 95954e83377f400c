/*
 * json-check: reads texts, each behind its length in four octets (little endian), and writes a line
 * for each: the tree that json_parse() builds of it as JSON, or '!' and the fault. Ends with 1
 * where json_valid() says otherwise.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"

int
main(void)
{
	uint8_t size[4];
	char err[128];

	while (fread(size, 1, sizeof(size), stdin) == sizeof(size)) {
		size_t len = size[0] | size[1] << 8 | size[2] << 16 | (size_t)size[3] << 24;
		char *text = malloc(len ? len : 1); /* a read past the end shows */
		struct buffer b;

		if (!text || fread(text, 1, len, stdin) != len)
			return EXIT_FAILURE;
		buffer_init(&b, 1 << 24);
		struct json_doc *doc = json_parse(text, len, 100000, err, sizeof(err));
		struct json_writer w = { .b = &b };
		if (json_valid(text, len) != (doc != NULL))
			return EXIT_FAILURE;
		if (doc)
			json_put_tree(&w, NULL, json_root(doc));
		else
			buffer_printf(&b, "!%s", err);
		printf("%.*s\n", (int)b.len, (const char *)buffer_data(&b));
		json_free(doc);
		buffer_clear(&b);
		free(text);
	}
	return EXIT_SUCCESS;
}
