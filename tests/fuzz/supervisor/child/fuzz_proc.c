/* What gatewayd reads of /proc and of control groups: byte 0 says of which file the rest is. */
#include "supervisor/child/sandbox_view.c"

#include "supervisor/child/cgroup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_status(const char *text)
{
	static const char *const names[] = { "Seccomp", "NoNewPrivs", "Uid", "VmRSS", "Pss" };
	struct sandbox_view v;

	for (int index = 0; index < 4; index++)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (field_number(text, names[i], index) < -1)
				abort();
	field_text(text, "Groups", v.groups, sizeof(v.groups));
	field_text(text, "CapEff", v.capabilities, sizeof(v.capabilities));
	if (!memchr(v.groups, '\0', sizeof(v.groups)) || strchr(v.groups, '\n') ||
	    !memchr(v.capabilities, '\0', sizeof(v.capabilities)))
		abort();
	has_own_filter(text);
	if (is_root(text) && !find_field(text, "Uid"))
		abort();
	has_capabilities(text);
}

static void
read_limits(const char *text)
{
	if (soft_limit(text, "Max address space") < -1 || soft_limit(text, "Max open files") < -1)
		abort();
}

static void
read_group(const char *text)
{
	char path[CGROUP_PATH];

	if (cgroup_find(text, path, sizeof(path)) && (path[0] != '/' || strchr(path, '\n')))
		abort();
}

static void
read_memory_events(const char *text)
{
	if (cgroup_killed(text) && !strstr(text, "oom_kill "))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const files[])(
	    const char *text) = { read_status, read_limits, read_group, read_memory_events };

	if (size < 1)
		return 0;
	char *text = strndup((const char *)data + 1, size - 1);
	if (!text)
		abort();
	files[data[0] % (sizeof(files) / sizeof(files[0]))](text);
	free(text);
	return 0;
}
