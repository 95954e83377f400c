/* Keys of RFC 3414 (A.3) and of the SHA-2 family (RFC 7860), digests and encryption both ways. */
#include <stdlib.h>
#include <string.h>

#include "protocols/snmp/usm.h"
#include "tests/unit/expect.h"
#include "tests/unit/suite.h"

/* 00 00 00 00 00 00 00 00 00 00 00 02 */
static const uint8_t engine[12] = { [11] = 2 };

static const struct {
	enum usm_auth auth;
	size_t size;
	const char *key, *localized; /* of "maplesyrup" */
} rows[] = {
	{ USM_MD5, 16, "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b" },
	{ USM_SHA1, 20, "9fb5cc0381497b3793528939ff788d5d79145211",
	    "6695febc9288e36282235fc7151f128497b38f3f" },
	{ USM_SHA224, 28, "282a5867ee9aac639ad59df9572c7d3ac0fbc13a905b6df07dbbf00b",
	    "0bd8827c6e29f8065e08e09237f177e410f69b90e1782be682075674" },
	{ USM_SHA256, 32, "ab51014d1e077f6017df2b12bee5f5aa72993177e9bb569c4dff5a4ca0b4afac",
	    "8982e0e549e866db361a6b625d84cccc11162d453ee8ce3a6445c2d6776f0f8b" },
	{ USM_SHA384, 48,
	    "e06eccdf2c68a06ed034723c9c26e0db3b669e1e2efed49150b55377a2e98f383c86fb836857444654b287"
	    "c93f51ff64",
	    "3b298f16164a11184279d5432bf169e2d2a48307de02b3d3f7e2b4f36eb6f0455a53689a3937eea07319a6"
	    "33d2ccba78" },
	{ USM_SHA512, 64,
	    "7e4396de5aadc77be853819b98c9406265b3a9c37cc3176569847a4e4f6fba63dd3a73d04924d31a63f95a"
	    "601f9385af6be4ed1b37f87d040f7c6ed6f8d38a91",
	    "22a5a36cedfcc085807a128d7bc6c2382167ad6c0dbc5fdff856740f3d84c099ad1ea87a8db096714d9788"
	    "bd544047c9021e4229ce27e4c0a69250adfcffbb0b" },
};

static bool
is_hex(const uint8_t *data, size_t len, const char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++)
		if (hex[2 * i] != digits[data[i] >> 4] || hex[2 * i + 1] != digits[data[i] & 15])
			return false;
	return hex[2 * len] == '\0';
}

START_TEST(keys_are_those_of_the_rfcs)
{
	uint8_t key[USM_MAX_KEY], local[USM_MAX_KEY];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		usm_password_to_key(rows[i].auth, "maplesyrup", 10, key);
		expect_msg(is_hex(key, rows[i].size, rows[i].key), "key %zu", i);
		usm_localize(rows[i].auth, key, engine, sizeof(engine), local);
		expect_msg(is_hex(local, rows[i].size, rows[i].localized), "localized %zu", i);
	}
}
END_TEST

static void
make_user(struct usm_user *u, enum usm_auth auth, enum usm_priv priv)
{
	*u = (struct usm_user){ .auth = auth, .priv = priv };
	usm_password_to_key(auth, "maplesyrup", 10, u->auth_key);
	usm_password_to_key(auth, "pancakes", 8, u->priv_key);
}

START_TEST(key_that_is_too_short_for_its_cipher_is_extended)
{
	struct usm_user u;
	struct usm_keys k;
	uint8_t zeros[12] = { 0 };

	/* 16 octets of MD5, and AES-256 wants 32. */
	make_user(&u, USM_MD5, USM_AES256);
	usm_keys_make(&k, &u, engine, sizeof(engine));
	ck_assert(memcmp(k.priv + 16, zeros, 12) != 0);
	ck_assert(memcmp(k.priv + 16, k.priv, 16) != 0);
	usm_localize(USM_MD5, u.priv_key, engine, sizeof(engine), u.auth_key);
	ck_assert_mem_eq(k.priv, u.auth_key, 16);
}
END_TEST

START_TEST(what_is_encrypted_comes_back)
{
	static const uint8_t salt[USM_SALT] = { 1, 2, 3, 4, 5, 6, 7, 8 },
			     other[USM_SALT] = { 1, 2, 3, 4, 5, 6, 7, 9 };
	struct usm_user u;
	struct usm_keys k;
	uint8_t text[64], data[64 + USM_BLOCK], back[64 + USM_BLOCK];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	for (enum usm_priv priv = USM_DES; priv <= USM_AES256; priv++) {
		make_user(&u, USM_SHA1, priv);
		usm_keys_make(&k, &u, engine, sizeof(engine));
		for (size_t len = 0; len <= sizeof(text); len++) {
			memcpy(data, text, len);
			size_t n = usm_encrypt(priv, &k, 7, 1000, salt, data, len);
			expect(n == (priv == USM_DES ? (len + 7) / 8 * 8 : len));
			expect(len < 8 || memcmp(data, text, len) != 0);
			expect(usm_decrypt(priv, &k, 7, 1000, salt, data, n, back));
			expect(memcmp(back, text, len) == 0);
			expect(usm_decrypt(priv, &k, 7, 1000, other, data, n, back));
			expect(len < 8 || memcmp(back, text, len) != 0);
		}
	}
}
END_TEST

START_TEST(des_wants_whole_blocks)
{
	struct usm_keys k = { .priv = { 1 } };
	uint8_t data[16] = { 0 }, out[16];

	ck_assert(!usm_decrypt(USM_DES, &k, 0, 0, data, data, 15, out));
	ck_assert(usm_decrypt(USM_DES, &k, 0, 0, data, data, 16, out));
}
END_TEST

START_TEST(digest_takes_its_own_place_as_zeros)
{
	static const size_t sizes[] = { 0, 12, 12, 16, 24, 32, 48 };
	struct usm_user u;
	struct usm_keys k;
	uint8_t message[100], mac[USM_MAX_MAC], again[USM_MAX_MAC];

	for (enum usm_auth auth = USM_MD5; auth <= USM_SHA512; auth++) {
		size_t size = usm_mac_size(auth);
		expect(size == sizes[auth]);
		make_user(&u, auth, USM_NO_PRIV);
		usm_keys_make(&k, &u, engine, sizeof(engine));
		memset(message, 0x5a, sizeof(message));
		usm_mac(auth, &k, message, sizeof(message), 20, mac);
		memcpy(message + 20, mac, size);
		usm_mac(auth, &k, message, sizeof(message), 20, again);
		expect(usm_mac_equal(mac, again, size));
		message[99] ^= 1;
		usm_mac(auth, &k, message, sizeof(message), 20, again);
		expect(!usm_mac_equal(mac, again, size));
	}
	ck_assert_uint_eq(usm_mac_size(USM_NO_AUTH), 0);
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, keys_are_those_of_the_rfcs);
	tcase_add_test(tc, key_that_is_too_short_for_its_cipher_is_extended);
	tcase_add_test(tc, what_is_encrypted_comes_back);
	tcase_add_test(tc, des_wants_whole_blocks);
	tcase_add_test(tc, digest_takes_its_own_place_as_zeros);
}

UNIT_MAIN("usm")
