#ifndef STRONGROOM_COPENSSL_CERTIFICATES_H
#define STRONGROOM_COPENSSL_CERTIFICATES_H

// Signing certificates with keys that are not in this process: the signature is made elsewhere and put in afterwards.

#include <openssl/asn1.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

/// What was written to memory, as a text that the caller frees; null when nothing was. Frees `memory`.
static inline char *strongroom_taken_text(BIO *memory) {
    char *bytes = NULL;
    long count = BIO_get_mem_data(memory, &bytes);
    char *copy = count > 0 ? OPENSSL_malloc((size_t)count + 1) : NULL;
    if (copy) {
        memcpy(copy, bytes, (size_t)count);
        copy[count] = 0;
    }
    BIO_free(memory);
    return copy;
}

/// Names the algorithm in both places where a certificate has it.
static inline int strongroom_x509_set_algorithm(X509 *certificate, int nid) {
    int parameter = nid == NID_sha256WithRSAEncryption || nid == NID_sha384WithRSAEncryption
            || nid == NID_sha512WithRSAEncryption
        ? V_ASN1_NULL
        : V_ASN1_UNDEF;
    const X509_ALGOR *outer = NULL;
    const ASN1_BIT_STRING *signature = NULL;
    X509_get0_signature(&signature, &outer, certificate);
    const X509_ALGOR *inner = X509_get0_tbs_sigalg(certificate);
    return X509_ALGOR_set0((X509_ALGOR *)inner, OBJ_nid2obj(nid), parameter, NULL)
        && X509_ALGOR_set0((X509_ALGOR *)outer, OBJ_nid2obj(nid), parameter, NULL);
}

/// Sets a public key on a named curve from its uncompressed point. Without the detour over an EVP_PKEY, whose encoder is slow.
static inline int strongroom_x509_set_ec_key(X509_PUBKEY *target, int curve, const unsigned char *point, int count) {
    unsigned char *copy = OPENSSL_memdup(point, (size_t)count);
    if (!target || !copy) { return 0; }
    if (X509_PUBKEY_set0_param(
            target, OBJ_nid2obj(NID_X9_62_id_ecPublicKey), V_ASN1_OBJECT, OBJ_nid2obj(curve), copy, count)) {
        return 1;
    }
    OPENSSL_free(copy);
    return 0;
}

static inline int strongroom_x509_set_signature(X509 *certificate, const unsigned char *bytes, int count) {
    const X509_ALGOR *algorithm = NULL;
    const ASN1_BIT_STRING *signature = NULL;
    X509_get0_signature(&signature, &algorithm, certificate);
    ASN1_BIT_STRING *target = (ASN1_BIT_STRING *)signature;
    if (!ASN1_BIT_STRING_set(target, (unsigned char *)bytes, count)) { return 0; }
    target->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
    target->flags |= ASN1_STRING_FLAG_BITS_LEFT;
    return 1;
}

static inline int strongroom_request_set_signature(
    X509_REQ *request, int nid, const unsigned char *bytes, int count) {
    ASN1_BIT_STRING *signature = ASN1_BIT_STRING_new();
    if (!signature || !ASN1_BIT_STRING_set(signature, (unsigned char *)bytes, count)) { return 0; }
    signature->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
    signature->flags |= ASN1_STRING_FLAG_BITS_LEFT;
    X509_REQ_set0_signature(request, signature);
    (void)nid;
    return 1;
}

static inline int strongroom_request_set_algorithm(X509_REQ *request, int nid) {
    int parameter = nid == NID_sha256WithRSAEncryption ? V_ASN1_NULL : V_ASN1_UNDEF;
    X509_ALGOR *algorithm = X509_ALGOR_new();
    if (!algorithm || !X509_ALGOR_set0(algorithm, OBJ_nid2obj(nid), parameter, NULL)) { return 0; }
    int done = X509_REQ_set1_signature_algo(request, algorithm);
    X509_ALGOR_free(algorithm);
    return done;
}

static inline STACK_OF(X509) *strongroom_x509_stack(void) { return sk_X509_new_null(); }
static inline int strongroom_x509_push(STACK_OF(X509) *stack, X509 *certificate) {
    return sk_X509_push(stack, certificate);
}
static inline int strongroom_x509_count(const STACK_OF(X509) *stack) { return stack ? sk_X509_num(stack) : 0; }
static inline X509 *strongroom_x509_at(const STACK_OF(X509) *stack, int index) { return sk_X509_value(stack, index); }
static inline void strongroom_x509_free_stack(STACK_OF(X509) *stack) { sk_X509_pop_free(stack, X509_free); }
static inline void strongroom_x509_free_list(STACK_OF(X509) *stack) { sk_X509_free(stack); }
static inline STACK_OF(X509_EXTENSION) *strongroom_extension_stack(void) { return sk_X509_EXTENSION_new_null(); }
static inline int strongroom_extension_push(STACK_OF(X509_EXTENSION) *stack, X509_EXTENSION *extension) {
    return sk_X509_EXTENSION_push(stack, extension);
}
static inline void strongroom_extension_free_stack(STACK_OF(X509_EXTENSION) *stack) {
    sk_X509_EXTENSION_pop_free(stack, X509_EXTENSION_free);
}

/// The names of an extension of alternative names, one a line, as libcrypto prints each; null when there are none.
///
/// `unreadable` counts the names that are left out because they hold bytes that no name may have: a zero byte or a line break would
/// hide a name, or make two of one.
static inline char *strongroom_alternative_names(X509_EXTENSION *extension, int *unreadable) {
    *unreadable = 0;
    GENERAL_NAMES *names = X509V3_EXT_d2i(extension);
    if (!names) {
        *unreadable = 1;
        return NULL;
    }
    // One name at least (RFC 5280 §4.2.1.6), and nothing behind the last.
    if (sk_GENERAL_NAME_num(names) < 1
        || i2d_GENERAL_NAMES(names, NULL) != ASN1_STRING_length(X509_EXTENSION_get_data(extension))) {
        *unreadable = 1;
    }
    BIO *text = BIO_new(BIO_s_mem());
    for (int index = 0; index < sk_GENERAL_NAME_num(names); index++) {
        GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
        if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI) {
            const unsigned char *bytes = ASN1_STRING_get0_data(name->d.ia5);
            int count = ASN1_STRING_length(name->d.ia5);
            int plain = count > 0;
            for (int place = 0; place < count; place++) {
                if (bytes[place] <= 0x20 || bytes[place] >= 0x7F) { plain = 0; }
            }
            if (!plain) {
                *unreadable += 1;
                continue;
            }
            BIO_puts(text, name->type == GEN_DNS ? "DNS:" : name->type == GEN_EMAIL ? "email:" : "URI:");
            BIO_write(text, bytes, count);
        } else {
            BIO *one = BIO_new(BIO_s_mem());
            GENERAL_NAME_print(one, name);
            char *bytes = NULL;
            long count = BIO_get_mem_data(one, &bytes);
            for (long place = 0; place < count; place++) {
                if (bytes[place] == '\n' || bytes[place] == 0) { bytes[place] = ' '; }
            }
            BIO_write(text, bytes, (int)count);
            BIO_free(one);
        }
        BIO_puts(text, "\n");
    }
    GENERAL_NAMES_free(names);
    return strongroom_taken_text(text);
}

/// Whether the iterations that a password-based algorithm asks for stay within `most`.
static inline int strongroom_pbe_bounded(const X509_ALGOR *algorithm, long most) {
    const ASN1_OBJECT *object = NULL;
    int type = 0;
    const void *value = NULL;
    X509_ALGOR_get0(&object, &type, &value, algorithm);
    if (type != V_ASN1_SEQUENCE) { return 0; }
    const ASN1_STRING *sequence = (const ASN1_STRING *)value;
    if (OBJ_obj2nid(object) != NID_pbes2) {
        PBEPARAM *parameters = ASN1_item_unpack(sequence, ASN1_ITEM_rptr(PBEPARAM));
        long count = parameters && parameters->iter ? ASN1_INTEGER_get(parameters->iter) : 1;
        PBEPARAM_free(parameters);
        return count >= 0 && count <= most;
    }
    PBE2PARAM *parameters = ASN1_item_unpack(sequence, ASN1_ITEM_rptr(PBE2PARAM));
    int bounded = 0;
    if (parameters && parameters->keyfunc) {
        X509_ALGOR_get0(&object, &type, &value, parameters->keyfunc);
        if (OBJ_obj2nid(object) == NID_id_pbkdf2 && type == V_ASN1_SEQUENCE) {
            PBKDF2PARAM *derivation = ASN1_item_unpack((const ASN1_STRING *)value, ASN1_ITEM_rptr(PBKDF2PARAM));
            long count = derivation && derivation->iter ? ASN1_INTEGER_get(derivation->iter) : -1;
            bounded = count >= 0 && count <= most;
            PBKDF2PARAM_free(derivation);
        }
    }
    PBE2PARAM_free(parameters);
    return bounded;
}

static inline int strongroom_bags_bounded(const STACK_OF(PKCS12_SAFEBAG) *bags, long most) {
    for (int index = 0; index < sk_PKCS12_SAFEBAG_num(bags); index++) {
        const PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, index);
        if (PKCS12_SAFEBAG_get_nid(bag) != NID_pkcs8ShroudedKeyBag) { continue; }
        const X509_ALGOR *algorithm = NULL;
        X509_SIG_get0(PKCS12_SAFEBAG_get0_pkcs8(bag), &algorithm, NULL);
        if (!strongroom_pbe_bounded(algorithm, most)) { return 0; }
    }
    return 1;
}

/// Whether every password-based algorithm in a container stays within `most` iterations. Safes are opened only when their own does.
static inline int strongroom_pkcs12_bounded(PKCS12 *container, const char *password, int count, long most) {
    STACK_OF(PKCS7) *safes = PKCS12_unpack_authsafes(container);
    if (!safes) { return 1; }
    int bounded = 1;
    for (int index = 0; bounded && index < sk_PKCS7_num(safes); index++) {
        PKCS7 *safe = sk_PKCS7_value(safes, index);
        STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
        if (PKCS7_type_is_data(safe)) {
            bags = PKCS12_unpack_p7data(safe);
        } else if (PKCS7_type_is_encrypted(safe) && safe->d.encrypted && safe->d.encrypted->enc_data) {
            bounded = strongroom_pbe_bounded(safe->d.encrypted->enc_data->algorithm, most);
            if (bounded) { bags = PKCS12_unpack_p7encdata(safe, password, count); }
        }
        if (bags) {
            bounded = bounded && strongroom_bags_bounded(bags, most);
            sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
        }
    }
    sk_PKCS7_pop_free(safes, PKCS7_free);
    return bounded;
}

#endif
