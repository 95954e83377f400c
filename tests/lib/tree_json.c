/*
 * tree-json toml|yaml: reads texts, each behind its length in four octets (little endian), and
 * writes a line for each: its faults and warnings, each behind '!' or '?', then a tab and its JSON,
 * if it has any.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/config/toml_tree.h"
#include "supervisor/config/yaml_tree.h"

static void
on_fault(void *arg, enum schema_severity severity, uint32_t line, uint32_t column, const char *path,
    const char *message)
{
	(void)arg, (void)path;
	printf("%c%u:%u: %s", severity == SCHEMA_WARNING ? '?' : '!', line, column, message);
}

int
main(int argc, char **argv)
{
	bool yaml = argc > 1 && strcmp(argv[1], "yaml") == 0;
	uint8_t size[4];
	int faults;

	while (fread(size, 1, sizeof(size), stdin) == sizeof(size)) {
		size_t len = size[0] | size[1] << 8 | size[2] << 16 | (size_t)size[3] << 24;
		char *text = malloc(len + 1);
		struct buffer b;

		if (!text || fread(text, 1, len, stdin) != len)
			return EXIT_FAILURE;
		buffer_init(&b, 1 << 24);
		faults = 0;
		struct json_doc *doc =
		    yaml ? yaml_tree_parse(text, len, 100000, on_fault, NULL, &faults)
			 : toml_tree_parse(text, len, 100000, on_fault, NULL);
		struct json_writer w = { .b = &b };
		if (doc && !faults)
			json_put_tree(&w, NULL, json_root(doc));
		printf("\t%.*s\n", (int)b.len, b.len ? (const char *)buffer_data(&b) : "");
		fflush(stdout);
		json_free(doc);
		buffer_clear(&b);
		free(text);
	}
	return EXIT_SUCCESS;
}
