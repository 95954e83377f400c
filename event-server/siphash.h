/*
 * SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): a hash
 * whose collisions nobody finds who does not know the key.
 */
#ifndef EVENT_SERVER_SIPHASH_H
#define EVENT_SERVER_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash(const uint64_t key[2], const void *data, size_t len);

#endif
