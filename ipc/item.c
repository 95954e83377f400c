#include "ipc/item.h"

/* The formats 0xc0 to 0xdf: kind, and how many bytes of value or length follow. */
static const struct {
	uint8_t kind, bytes;
} formats[32] = {
	[0x00] = { .kind = IPC_NIL },
	[0x01] = { .kind = IPC_OTHER_KIND },
	[0x02] = { .kind = IPC_BOOL },
	[0x03] = { .kind = IPC_BOOL },
	[0x04] = { .kind = IPC_BIN, .bytes = 1 },
	[0x05] = { .kind = IPC_BIN, .bytes = 2 },
	[0x06] = { .kind = IPC_BIN, .bytes = 4 },
	[0x07] = { .kind = IPC_OTHER_KIND },
	[0x08] = { .kind = IPC_OTHER_KIND },
	[0x09] = { .kind = IPC_OTHER_KIND },
	[0x0a] = { .kind = IPC_OTHER_KIND },
	[0x0b] = { .kind = IPC_OTHER_KIND },
	[0x0c] = { .kind = IPC_UINT, .bytes = 1 },
	[0x0d] = { .kind = IPC_UINT, .bytes = 2 },
	[0x0e] = { .kind = IPC_UINT, .bytes = 4 },
	[0x0f] = { .kind = IPC_UINT, .bytes = 8 },
	[0x10] = { .kind = IPC_INT, .bytes = 1 },
	[0x11] = { .kind = IPC_INT, .bytes = 2 },
	[0x12] = { .kind = IPC_INT, .bytes = 4 },
	[0x13] = { .kind = IPC_INT, .bytes = 8 },
	[0x14] = { .kind = IPC_OTHER_KIND },
	[0x15] = { .kind = IPC_OTHER_KIND },
	[0x16] = { .kind = IPC_OTHER_KIND },
	[0x17] = { .kind = IPC_OTHER_KIND },
	[0x18] = { .kind = IPC_OTHER_KIND },
	[0x19] = { .kind = IPC_STR, .bytes = 1 },
	[0x1a] = { .kind = IPC_STR, .bytes = 2 },
	[0x1b] = { .kind = IPC_STR, .bytes = 4 },
	[0x1c] = { .kind = IPC_ARRAY, .bytes = 2 },
	[0x1d] = { .kind = IPC_ARRAY, .bytes = 4 },
	[0x1e] = { .kind = IPC_OTHER_KIND },
	[0x1f] = { .kind = IPC_OTHER_KIND },
};

struct ipc_item
ipc_item_long(struct cursor *c, uint8_t first)
{
	uint8_t kind = formats[first & 0x1f].kind, bytes = formats[first & 0x1f].bytes;
	uint64_t n = cursor_be(c, bytes);

	if (kind == IPC_INT) {
		unsigned unused = 64 - 8 * bytes;
		n = (uint64_t)((int64_t)(n << unused) >> unused);
	}
	return (struct ipc_item){ kind, n };
}
