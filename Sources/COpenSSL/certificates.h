#ifndef STRONGROOM_COPENSSL_CERTIFICATES_H
#define STRONGROOM_COPENSSL_CERTIFICATES_H

// Signing certificates with keys that are not in this process: the signature is made elsewhere and put in afterwards.

#include <openssl/asn1.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

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

#endif
