/*
 * One msgpack item as its first bytes announce it, read through a cursor; of
 * ipc/ only. Bodies follow: bytes of a text, elements of an array.
 */
#ifndef IPC_ITEM_H
#define IPC_ITEM_H

#include "common/cursor.h"

enum ipc_kind {
	IPC_NIL,
	IPC_BOOL,
	IPC_UINT,
	IPC_INT, /* below 0; n is its two's complement */
	IPC_STR,
	IPC_BIN,
	IPC_ARRAY,
	IPC_OTHER_KIND, /* what the contract does not use */
};

struct ipc_item {
	enum ipc_kind kind;
	uint64_t n; /* value, length or count */
};

/* For a first byte from 0xc0 to 0xdf. */
struct ipc_item ipc_item_long(struct cursor *c, uint8_t first);

/* Past the end: the cursor has failed. */
static inline struct ipc_item
ipc_item_read(struct cursor *c)
{
	uint8_t b = cursor_u8(c);

	if (b < 0x80)
		return (struct ipc_item){ IPC_UINT, b };
	if (b >= 0xe0)
		return (struct ipc_item){ IPC_INT, (uint64_t)(int8_t)b };
	if (b >= 0xc0)
		return ipc_item_long(c, b);
	if (b >= 0xa0)
		return (struct ipc_item){ IPC_STR, b & 0x1f };
	if (b >= 0x90)
		return (struct ipc_item){ IPC_ARRAY, b & 0x0f };
	return (struct ipc_item){ IPC_OTHER_KIND, 0 };
}

#endif
