#include "ipc/item.h"

/* The formats 0xc0 to 0xdf: kind, and how many bytes of value or length follow. */
static const struct {
	uint8_t kind, bytes;
} formats[32] = {
	[0x00] = { IPC_NIL, 0 },
	[0x01] = { IPC_OTHER_KIND, 0 },
	[0x02] = { IPC_BOOL, 0 },
	[0x03] = { IPC_BOOL, 0 },
	[0x04] = { IPC_BIN, 1 },
	[0x05] = { IPC_BIN, 2 },
	[0x06] = { IPC_BIN, 4 },
	[0x07] = { IPC_OTHER_KIND, 0 },
	[0x08] = { IPC_OTHER_KIND, 0 },
	[0x09] = { IPC_OTHER_KIND, 0 },
	[0x0a] = { IPC_OTHER_KIND, 0 },
	[0x0b] = { IPC_OTHER_KIND, 0 },
	[0x0c] = { IPC_UINT, 1 },
	[0x0d] = { IPC_UINT, 2 },
	[0x0e] = { IPC_UINT, 4 },
	[0x0f] = { IPC_UINT, 8 },
	[0x10] = { IPC_INT, 1 },
	[0x11] = { IPC_INT, 2 },
	[0x12] = { IPC_INT, 4 },
	[0x13] = { IPC_INT, 8 },
	[0x14] = { IPC_OTHER_KIND, 0 },
	[0x15] = { IPC_OTHER_KIND, 0 },
	[0x16] = { IPC_OTHER_KIND, 0 },
	[0x17] = { IPC_OTHER_KIND, 0 },
	[0x18] = { IPC_OTHER_KIND, 0 },
	[0x19] = { IPC_STR, 1 },
	[0x1a] = { IPC_STR, 2 },
	[0x1b] = { IPC_STR, 4 },
	[0x1c] = { IPC_ARRAY, 2 },
	[0x1d] = { IPC_ARRAY, 4 },
	[0x1e] = { IPC_OTHER_KIND, 0 },
	[0x1f] = { IPC_OTHER_KIND, 0 },
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
