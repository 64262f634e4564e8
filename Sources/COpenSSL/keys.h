#ifndef STRONGROOM_COPENSSL_KEYS_H
#define STRONGROOM_COPENSSL_KEYS_H

// Keys by their numbers. OSSL_PARAM_BLD keeps pointers to parameter names, which only C constants outlive.

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

static inline EVP_PKEY *strongroom_key_from_params(OSSL_LIB_CTX *library, const char *type, OSSL_PARAM_BLD *builder) {
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(library, type, NULL);
    if (params && context && EVP_PKEY_fromdata_init(context) == 1) {
        int selection = EVP_PKEY_KEYPAIR;
        if (EVP_PKEY_fromdata(context, &key, selection, params) != 1) { key = NULL; }
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

/// Two numbers make a public key, eight a private one: n, e, d, p, q, dp, dq, qi.
static inline EVP_PKEY *strongroom_rsa_from_numbers(OSSL_LIB_CTX *library, BIGNUM *const *numbers, int count) {
    static const char *const names[] = {
        OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E, OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1,
        OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
        OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
    };
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    int good = builder != NULL;
    for (int index = 0; good && index < count; index++) {
        good = OSSL_PARAM_BLD_push_BN(builder, names[index], numbers[index]);
    }
    EVP_PKEY *key = good ? strongroom_key_from_params(library, "RSA", builder) : NULL;
    OSSL_PARAM_BLD_free(builder);
    return key;
}

/// - point: uncompressed (SEC 1 §2.3.3). - scalar: NULL for a public key.
static inline EVP_PKEY *strongroom_ec_from_numbers(
    OSSL_LIB_CTX *library, const char *group, const unsigned char *point, size_t point_count, BIGNUM *scalar) {
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    int good = builder != NULL
        && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, group, 0)
        && OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, point_count)
        && (scalar == NULL || OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar));
    EVP_PKEY *key = good ? strongroom_key_from_params(library, "EC", builder) : NULL;
    OSSL_PARAM_BLD_free(builder);
    return key;
}

static inline int strongroom_rsa_exponent(EVP_PKEY_CTX *context, unsigned long exponent) {
    BIGNUM *number = BN_new();
    int good = number && BN_set_word(number, exponent) && EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, number) == 1;
    BN_free(number);
    return good;
}

static inline int strongroom_cipher_allow_wrap(EVP_CIPHER_CTX *context) {
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    return 1;
}

/// libcrypto from 3.2 answers wrong RSA1_5 padding with made-up bytes; this service answers with its one error.
static inline void strongroom_no_implicit_rejection(EVP_PKEY_CTX *context) {
    unsigned int off = 0;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_uint("implicit-rejection", &off), OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX_set_params(context, params);
}

#endif
