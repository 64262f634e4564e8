#ifndef STRONGROOM_COPENSSL_SHIM_H
#define STRONGROOM_COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "certificates.h"
#include "keys.h"
#include "revocation.h"

// Function-like macros do not import into Swift.
static inline int strongroom_openssl_max_digest(void) { return EVP_MAX_MD_SIZE; }

static inline int strongroom_scrypt(
    EVP_KDF_CTX *context, unsigned char *password, size_t password_count, unsigned char *salt, size_t salt_count,
    uint64_t n, uint32_t r, uint32_t p, uint64_t memory, unsigned char *key, size_t key_count) {
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, password, password_count),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, salt_count),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
        OSSL_PARAM_construct_end(),
    };
    return EVP_KDF_derive(context, key, key_count, params);
}

static inline int strongroom_counter_kdf(
    EVP_KDF_CTX *context, unsigned char *key_in, size_t key_in_count, unsigned char *label, size_t label_count,
    unsigned char *key, size_t key_count) {
    int on = 1;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, (char *)"counter", 0),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MAC, (char *)"HMAC", 0),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA512", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key_in, key_in_count),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, label, label_count),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_KBKDF_USE_L, &on),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_KBKDF_USE_SEPARATOR, &on),
        OSSL_PARAM_construct_end(),
    };
    return EVP_KDF_derive(context, key, key_count, params);
}

static inline int strongroom_rsa_bits(EVP_PKEY_CTX *context, int bits) {
    return EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits);
}

static inline int strongroom_pem_write_private(BIO *bio, EVP_PKEY *key) {
    return PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
}

static inline void strongroom_free(void *memory) { OPENSSL_free(memory); }

static inline long strongroom_bio_bytes(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }

#endif
