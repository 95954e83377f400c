/* json_valid(): the scan alone. */
#include "common/json_scan.h"

bool
json_valid(const char *text, size_t len)
{
	struct json_scan s = { 0 };

	return json_scan(&s, text, len);
}
