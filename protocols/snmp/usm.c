#include "protocols/snmp/usm.h"

#include <nettle/aes.h>
#include <nettle/cbc.h>
#include <nettle/cfb.h>
#include <nettle/des.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/nettle-meta.h>
#include <string.h>

enum {
	EXPANDED = 1024 * 1024, /* octets of a repeated password */
	PIECE = 64,
	DES_IV_AT = 8, /* in the key: the pre-IV */
	AES_IV = 16,
	CONTEXT_WORDS = 64, /* room for the state of any digest */
};

const char *const usm_auth_names[] = { "MD5", "SHA", "SHA224", "SHA256", "SHA384", "SHA512", NULL };
const char *const usm_priv_names[] = { "DES", "AES", "AES192", "AES256", NULL };

/* RFC 3414, 6 and 7; RFC 7860, 4.1. */
static const struct {
	const struct nettle_hash *hash;
	size_t mac;
} auths[] = {
	[USM_MD5] = { .hash = &nettle_md5, .mac = 12 },
	[USM_SHA1] = { .hash = &nettle_sha1, .mac = 12 },
	[USM_SHA224] = { .hash = &nettle_sha224, .mac = 16 },
	[USM_SHA256] = { .hash = &nettle_sha256, .mac = 24 },
	[USM_SHA384] = { .hash = &nettle_sha384, .mac = 32 },
	[USM_SHA512] = { .hash = &nettle_sha512, .mac = 48 },
};

union hash_state {
	uint64_t words[CONTEXT_WORDS];
	struct sha512_ctx largest;
};

_Static_assert(sizeof(struct sha512_ctx) <= sizeof(uint64_t[CONTEXT_WORDS]), "room of a digest");

static void
digest(const struct nettle_hash *h, union hash_state *state, uint8_t out[USM_MAX_KEY])
{
	h->digest(state, h->digest_size, out);
}

void
usm_password_to_key(enum usm_auth auth, const void *password, size_t len, uint8_t key[USM_MAX_KEY])
{
	const struct nettle_hash *h = auths[auth].hash;
	const uint8_t *p = password;
	union hash_state state;
	uint8_t piece[PIECE];
	size_t at = 0;

	h->init(&state);
	for (size_t done = 0; done < EXPANDED; done += PIECE) {
		for (size_t i = 0; i < PIECE; i++) {
			piece[i] = p[at];
			at = at + 1 == len ? 0 : at + 1;
		}
		h->update(&state, PIECE, piece);
	}
	digest(h, &state, key);
}

void
usm_localize(enum usm_auth auth, const uint8_t key[USM_MAX_KEY], const uint8_t *engine, size_t len,
    uint8_t out[USM_MAX_KEY])
{
	const struct nettle_hash *h = auths[auth].hash;
	union hash_state state;

	h->init(&state);
	h->update(&state, h->digest_size, key);
	h->update(&state, len, engine);
	h->update(&state, h->digest_size, key);
	digest(h, &state, out);
}

/* draft-blumenthal-aes-usm-04, 3.1.2.1: what a digest is too short for follows as its digest. The
 * longest key has 32 octets, the shortest digest 16. */
static void
extend(enum usm_auth auth, uint8_t key[USM_MAX_KEY])
{
	const struct nettle_hash *h = auths[auth].hash;
	uint8_t more[USM_MAX_KEY];
	union hash_state state;

	if (h->digest_size >= AES256_KEY_SIZE)
		return;
	h->init(&state);
	h->update(&state, h->digest_size, key);
	digest(h, &state, more);
	memcpy(key + h->digest_size, more, h->digest_size);
}

void
usm_keys_make(
    struct usm_keys *k, const struct usm_user *u, const uint8_t *engine, size_t engine_len)
{
	memset(k, 0, sizeof(*k));
	if (u->auth == USM_NO_AUTH)
		return;
	usm_localize(u->auth, u->auth_key, engine, engine_len, k->auth);
	if (u->priv == USM_NO_PRIV)
		return;
	usm_localize(u->auth, u->priv_key, engine, engine_len, k->priv);
	extend(u->auth, k->priv);
}

size_t
usm_mac_size(enum usm_auth auth)
{
	return auths[auth].mac;
}

void
usm_mac(enum usm_auth auth, const struct usm_keys *k, const uint8_t *message, size_t len,
    size_t hole, uint8_t mac[USM_MAX_MAC])
{
	static const uint8_t zeros[USM_MAX_MAC];
	const struct nettle_hash *h = auths[auth].hash;
	size_t size = auths[auth].mac;
	union hash_state outer, inner, state;

	hmac_set_key(&outer, &inner, &state, h, h->digest_size, k->auth);
	hmac_update(&state, h, hole, message);
	hmac_update(&state, h, size, zeros);
	hmac_update(&state, h, len - hole - size, message + hole + size);
	hmac_digest(&outer, &inner, &state, h, size, mac);
}

bool
usm_mac_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
	return memeql_sec(a, b, len);
}

/* RFC 3414, 8.1.1.1 */
static void
des_prepare(struct des_ctx *des, uint8_t iv[DES_BLOCK_SIZE], const struct usm_keys *k,
    const uint8_t salt[USM_SALT])
{
	/* A weak key is what the password makes it. */
	(void)des_set_key(des, k->priv);
	for (size_t i = 0; i < DES_BLOCK_SIZE; i++)
		iv[i] = k->priv[DES_IV_AT + i] ^ salt[i];
}

/* RFC 3826, 3.1.2.1 */
static void
aes_iv(uint8_t iv[AES_IV], int32_t boots, int32_t time, const uint8_t salt[USM_SALT])
{
	for (size_t i = 0; i < 4; i++) {
		iv[i] = (uint8_t)((uint32_t)boots >> 8 * (3 - i));
		iv[4 + i] = (uint8_t)((uint32_t)time >> 8 * (3 - i));
	}
	memcpy(iv + 8, salt, USM_SALT);
}

/* CFB needs a block cipher's encryption in both directions. */
static const struct nettle_cipher *
aes_cipher(enum usm_priv priv)
{
	return priv == USM_AES128   ? &nettle_aes128
	       : priv == USM_AES192 ? &nettle_aes192
				    : &nettle_aes256;
}

/* crypt: cfb_encrypt() or cfb_decrypt(). */
static void
aes_crypt(void (*crypt)(const void *ctx, nettle_cipher_func *f, size_t block_size, uint8_t *iv,
	      size_t length, uint8_t *to, const uint8_t *from),
    enum usm_priv priv, const struct usm_keys *k, uint8_t iv[AES_IV], size_t len, uint8_t *to,
    const uint8_t *from)
{
	const struct nettle_cipher *c = aes_cipher(priv);
	struct aes256_ctx aes; /* the largest */

	c->set_encrypt_key(&aes, k->priv);
	crypt(&aes, c->encrypt, AES_BLOCK_SIZE, iv, len, to, from);
}

size_t
usm_encrypt(enum usm_priv priv, const struct usm_keys *k, int32_t boots, int32_t time,
    const uint8_t salt[USM_SALT], uint8_t *data, size_t len)
{
	struct des_ctx des;
	uint8_t iv[AES_IV];

	if (priv != USM_DES) {
		aes_iv(iv, boots, time, salt);
		aes_crypt(cfb_encrypt, priv, k, iv, len, data, data);
		return len;
	}
	size_t padded = (len + DES_BLOCK_SIZE - 1) / DES_BLOCK_SIZE * DES_BLOCK_SIZE;
	memset(data + len, 0, padded - len);
	des_prepare(&des, iv, k, salt);
	cbc_encrypt(
	    &des, (nettle_cipher_func *)des_encrypt, DES_BLOCK_SIZE, iv, padded, data, data);
	return padded;
}

bool
usm_decrypt(enum usm_priv priv, const struct usm_keys *k, int32_t boots, int32_t time,
    const uint8_t salt[USM_SALT], const uint8_t *data, size_t len, uint8_t *out)
{
	struct des_ctx des;
	uint8_t iv[AES_IV];

	if (priv != USM_DES) {
		aes_iv(iv, boots, time, salt);
		aes_crypt(cfb_decrypt, priv, k, iv, len, out, data);
		return true;
	}
	if (len % DES_BLOCK_SIZE)
		return false;
	des_prepare(&des, iv, k, salt);
	cbc_decrypt(&des, (nettle_cipher_func *)des_decrypt, DES_BLOCK_SIZE, iv, len, out, data);
	return true;
}
