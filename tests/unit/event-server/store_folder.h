/* The folder of a store that a test makes and removes. */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* folder: of at least 32 bytes, becomes the path. */
static inline void
store_folder_make(char *folder)
{
	snprintf(folder, 32, "/tmp/check_store.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void
store_folder_remove(const char *folder)
{
	static const char *const files[] = { "data.mdb", "lock", "lock.mdb" };
	char path[128];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
	rmdir(folder);
}

#endif
