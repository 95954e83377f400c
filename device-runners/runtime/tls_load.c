#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device-runners/runtime/tls.h"

const struct tls_ops *
tls_load(char why[TLS_WHY])
{
	static const char file[] = "runner-tls.so";
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(file));
	char *slash = n > 0 ? memrchr(path, '/', (size_t)n) : NULL;

	if (!slash) {
		snprintf(why, TLS_WHY, "cannot find the folder of this program");
		return NULL;
	}
	memcpy(slash + 1, file, sizeof(file));
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const struct tls_ops *ops = handle ? dlsym(handle, "tls_ops_openssl") : NULL;
	if (!ops)
		snprintf(why, TLS_WHY, "TLS is not available: %s", dlerror());
	return ops;
}
