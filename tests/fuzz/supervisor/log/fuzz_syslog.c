/* Lines of runners to a syslog daemon over TCP. What is kept for it is whole frames of RFC 6587,
 * each a line of RFC 5424 in UTF-8 without controls. */
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "supervisor/log/syslog_out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct syslog_out syslog;

static void
on_line(enum log_level level, const char *device, const char *event, const char *text)
{
	syslog_out_write(&syslog, level, device, event, text);
}

/* Frames of counted octets. */
static void
check(const struct buffer *pending)
{
	const char *p = (const char *)buffer_data(pending), *end = p + pending->len;

	while (p < end) {
		char *line;
		unsigned long len = strtoul(p, &line, 10);
		if (*line++ != ' ' || len > SYSLOG_MAX_LINE || len > (size_t)(end - line))
			abort();
		if (!utf8_valid(line, len))
			abort();
		for (p = line; p < line + len; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config_log conf = { .syslog_transport = CONFIG_SYSLOG_TCP,
		.syslog_host = "nobody.invalid",
		.syslog_port = 514 };

	if (syslog_out_open(&syslog, &conf) < 0)
		abort();
	log_set_sink(on_line);
	for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++)
		log_relay((enum log_level)level, level & 1 ? "plc1" : NULL, "event", "%.*s",
		    (int)(size < 8192 ? size : 8192), (const char *)data);
	check(&syslog.pending);
	syslog_out_close(&syslog);
	return 0;
}
