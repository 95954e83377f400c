/*
 * The files of gateway-web's page, read once at the start: no file is opened
 * after that.
 */
#ifndef WEB_ASSETS_H
#define WEB_ASSETS_H

#include <stddef.h>

enum {
	ASSETS_MAX = 64,
	ASSETS_MAX_BYTES = 1024 * 1024, /* of all together */
};

struct asset {
	char name[64];	  /* "app.js" */
	const char *type; /* of the content, static */
	char etag[20];	  /* in quotes */
	char *data;	  /* owned */
	size_t len;
};

struct assets {
	struct asset all[ASSETS_MAX];
	size_t count;
};

/* Reads the files of the folder whose names end as those of pages do (.html, .js, .css, .svg, .png,
 * .ico, .yaml, .webmanifest); others are left out. 0, or -1 with a sentence in err. */
int assets_load(struct assets *a, const char *folder, char *err, size_t err_size);
void assets_clear(struct assets *a);
/* NULL: there is none. "" is index.html. */
const struct asset *assets_find(const struct assets *a, const char *name);

#endif
