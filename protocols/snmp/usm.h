/*
 * The cryptography of the User-based Security Model: keys, digests and encryption of RFC 3414, of
 * RFC 7860 (SHA-2), of RFC 3826 (AES-128), and of draft-blumenthal-aes-usm-04 (AES-192 and AES-256
 * as net-snmp has them). In runner processes; pure but for what nettle does.
 */
#ifndef PROTOCOLS_SNMP_USM_H
#define PROTOCOLS_SNMP_USM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum usm_auth {
	USM_NO_AUTH,
	USM_MD5,
	USM_SHA1,
	USM_SHA224,
	USM_SHA256,
	USM_SHA384,
	USM_SHA512,
};

enum usm_priv { USM_NO_PRIV, USM_DES, USM_AES128, USM_AES192, USM_AES256 };

enum {
	USM_MAX_KEY = 64,    /* octets of the longest digest */
	USM_MAX_MAC = 48,    /* of the longest msgAuthenticationParameters */
	USM_MAX_ENGINE = 32, /* of an engine ID (RFC 3411, SnmpEngineID) */
	USM_MAX_USER = 32,   /* of a user name (RFC 3414, usmUserName) */
	USM_SALT = 8,	     /* of msgPrivacyParameters */
	USM_BLOCK = 8,	     /* what DES may add to a scoped PDU, at most */
	USM_WINDOW_S = 150,  /* RFC 3414, 2.2.3 */
	USM_LAST_BOOTS = INT32_MAX,
};

/* In the order of the enums, ending with NULL; without the first, which is none. */
extern const char *const usm_auth_names[], *const usm_priv_names[];

struct usm_user {
	char name[USM_MAX_USER + 1];
	enum usm_auth auth;
	enum usm_priv priv; /* needs auth */
	/* Keys of the passwords, before an engine ID is known: RFC 3414, 2.6. */
	uint8_t auth_key[USM_MAX_KEY], priv_key[USM_MAX_KEY];
};

/* The keys of a user at one engine. */
struct usm_keys {
	uint8_t auth[USM_MAX_KEY];
	uint8_t priv[USM_MAX_KEY];
};

/* The digest of 1 MiB of a password, which takes some milliseconds: A.2 of RFC 3414. password: 1
 * octet at least. */
void usm_password_to_key(
    enum usm_auth auth, const void *password, size_t len, uint8_t key[USM_MAX_KEY]);
/* The key of one engine (RFC 3414, 2.6). engine: at most USM_MAX_ENGINE octets. */
void usm_localize(enum usm_auth auth, const uint8_t key[USM_MAX_KEY], const uint8_t *engine,
    size_t len, uint8_t out[USM_MAX_KEY]);
/* Both keys of a user at an engine. */
void usm_keys_make(
    struct usm_keys *k, const struct usm_user *u, const uint8_t *engine, size_t engine_len);

/* Octets of msgAuthenticationParameters; 0 for USM_NO_AUTH. */
size_t usm_mac_size(enum usm_auth auth);
/* The digest of a whole message, in which the octets from hole on count as zeros. hole +
 * usm_mac_size() <= len. */
void usm_mac(enum usm_auth auth, const struct usm_keys *k, const uint8_t *message, size_t len,
    size_t hole, uint8_t mac[USM_MAX_MAC]);
/* Whether two digests are the same, in a time that does not tell where they differ. */
bool usm_mac_equal(const uint8_t *a, const uint8_t *b, size_t len);

/* Encrypts len octets in place and returns their number, which DES rounds up to whole blocks: there
 * must be room for USM_BLOCK more. boots and time: as the message has them; salt: never used before
 * with these keys. */
size_t usm_encrypt(enum usm_priv priv, const struct usm_keys *k, int32_t boots, int32_t time,
    const uint8_t salt[USM_SALT], uint8_t *data, size_t len);
/* Decrypts from data to out. False where len can not be. What a wrong key makes is noise. */
bool usm_decrypt(enum usm_priv priv, const struct usm_keys *k, int32_t boots, int32_t time,
    const uint8_t salt[USM_SALT], const uint8_t *data, size_t len, uint8_t *out);

#endif
