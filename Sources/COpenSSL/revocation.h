#ifndef STRONGROOM_COPENSSL_REVOCATION_H
#define STRONGROOM_COPENSSL_REVOCATION_H

// Revocation lists and OCSP answers that are signed by keys outside of this process: libcrypto encodes the parts, the signature is
// made elsewhere, and libcrypto puts them together.

#include "certificates.h"

#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

static inline int strongroom_algorithm_set(X509_ALGOR *algorithm, int nid) {
    int parameter = nid == NID_sha256WithRSAEncryption ? V_ASN1_NULL : V_ASN1_UNDEF;
    return X509_ALGOR_set0(algorithm, OBJ_nid2obj(nid), parameter, NULL);
}

static inline int strongroom_crl_set_signature(X509_CRL *list, const unsigned char *bytes, int count) {
    const X509_ALGOR *algorithm = NULL;
    const ASN1_BIT_STRING *signature = NULL;
    X509_CRL_get0_signature(list, &signature, &algorithm);
    ASN1_BIT_STRING *target = (ASN1_BIT_STRING *)signature;
    if (!ASN1_BIT_STRING_set(target, (unsigned char *)bytes, count)) { return 0; }
    target->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
    target->flags |= ASN1_STRING_FLAG_BITS_LEFT;
    return 1;
}

/// Adds a revoked serial number. `reason` below 0 leaves the reason out.
static inline int strongroom_crl_add(
    X509_CRL *list, const unsigned char *serial, int count, long revoked, int reason) {
    int done = 0;
    X509_REVOKED *entry = X509_REVOKED_new();
    BIGNUM *number = BN_bin2bn(serial, count, NULL);
    ASN1_INTEGER *integer = number ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
    ASN1_TIME *time = ASN1_TIME_set(NULL, revoked);
    if (entry && integer && time && X509_REVOKED_set_serialNumber(entry, integer)
        && X509_REVOKED_set_revocationDate(entry, time)) {
        done = 1;
        if (reason >= 0) {
            ASN1_ENUMERATED *code = ASN1_ENUMERATED_new();
            done = code && ASN1_ENUMERATED_set(code, reason)
                && X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, code, 0, 0);
            ASN1_ENUMERATED_free(code);
        }
        done = done && X509_CRL_add0_revoked(list, entry);
    }
    if (!done) { X509_REVOKED_free(entry); }
    BN_free(number);
    ASN1_INTEGER_free(integer);
    ASN1_TIME_free(time);
    return done;
}

/// Adds an extension that is a number: the number of the list, or of the list that a delta is based on.
static inline int strongroom_crl_add_number(X509_CRL *list, int nid, long number, int critical) {
    ASN1_INTEGER *integer = ASN1_INTEGER_new();
    int done = integer && ASN1_INTEGER_set(integer, number)
        && X509_CRL_add1_ext_i2d(list, nid, integer, critical, 0);
    ASN1_INTEGER_free(integer);
    return done;
}

/// The number in an extension of a list; -1 when it is absent or too large.
static inline long strongroom_crl_number(const X509_CRL *list, int nid) {
    int critical = 0;
    ASN1_INTEGER *integer = X509_CRL_get_ext_d2i(list, nid, &critical, NULL);
    if (!integer) { return -1; }
    long number = ASN1_INTEGER_get(integer);
    ASN1_INTEGER_free(integer);
    return number;
}

/// What a list says of its reach (RFC 5280 §5.2.5), as bits: 1 it is not for certificates of authorities, 2 nor for those of others,
/// 4 for attributes only, 8 for some reasons only or for other issuers too, 16 a critical extension is not known, 32 it cannot be read.
static inline int strongroom_crl_reach(X509_CRL *list) {
    int bits = 0;
    for (int at = -1; (at = X509_CRL_get_ext_by_critical(list, 1, at)) >= 0;) {
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(X509_CRL_get_ext(list, at)));
        if (nid != NID_issuing_distribution_point && nid != NID_delta_crl && nid != NID_authority_key_identifier) {
            bits |= 16;
        }
    }
    int critical = 0;
    ISSUING_DIST_POINT *point = X509_CRL_get_ext_d2i(list, NID_issuing_distribution_point, &critical, NULL);
    if (!point) { return critical == -1 ? bits : bits | 32; }
    if (point->onlyuser > 0) { bits |= 1; }
    if (point->onlyCA > 0) { bits |= 2; }
    if (point->onlyattr > 0) { bits |= 4; }
    if (point->indirectCRL > 0 || point->onlysomereasons) { bits |= 8; }
    ISSUING_DIST_POINT_free(point);
    return bits;
}

static inline int strongroom_crl_count(X509_CRL *list) {
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(list);
    return entries ? sk_X509_REVOKED_num(entries) : 0;
}

static inline X509_REVOKED *strongroom_crl_at(X509_CRL *list, int index) {
    return sk_X509_REVOKED_value(X509_CRL_get_REVOKED(list), index);
}

/// Wraps `count` bytes as a SEQUENCE into fresh memory. Returns its length, 0 on failure.
static inline long strongroom_sequence(const unsigned char *content, long count, unsigned char **out) {
    int size = ASN1_object_size(1, (int)count, V_ASN1_SEQUENCE);
    if (size < 0) { return 0; }
    unsigned char *bytes = OPENSSL_malloc((size_t)size);
    if (!bytes) { return 0; }
    unsigned char *place = bytes;
    ASN1_put_object(&place, 1, (int)count, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memcpy(place, content, (size_t)count);
    *out = bytes;
    return size;
}

/// A list of an issuer without entries, its algorithm set in both places: libcrypto 3.0 sets the inner one only by decoding.
static inline X509_CRL *strongroom_crl_new(
    OSSL_LIB_CTX *context, int nid, X509 *issuer, long this_update, long next_update) {
    X509_CRL *list = X509_CRL_new_ex(context, NULL);
    X509_ALGOR *algorithm = X509_ALGOR_new();
    ASN1_INTEGER *version = ASN1_INTEGER_new();
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    ASN1_TIME *times[2] = {ASN1_TIME_set(NULL, this_update), ASN1_TIME_set(NULL, next_update)};
    unsigned char *parts[6] = {NULL, NULL, NULL, NULL, NULL, NULL};
    unsigned char *content = NULL, *signed_part = NULL, *whole = NULL;
    int done = 0;
    if (list && algorithm && version && bits && times[0] && times[1] && strongroom_algorithm_set(algorithm, nid)
        && ASN1_INTEGER_set(version, 1)) {
        int counts[6] = {
            i2d_ASN1_INTEGER(version, &parts[0]), i2d_X509_ALGOR(algorithm, &parts[1]),
            i2d_X509_NAME(X509_get_subject_name(issuer), &parts[2]), i2d_ASN1_TIME(times[0], &parts[3]),
            i2d_ASN1_TIME(times[1], &parts[4]), i2d_ASN1_BIT_STRING(bits, &parts[5]),
        };
        long total = 0;
        int whole_parts = 1;
        for (int index = 0; index < 6; index++) {
            if (counts[index] <= 0) { whole_parts = 0; }
            total += counts[index];
        }
        content = whole_parts ? OPENSSL_malloc((size_t)total + 16) : NULL;
        if (content) {
            long place = 0;
            for (int index = 0; index < 5; index++) {
                memcpy(content + place, parts[index], (size_t)counts[index]);
                place += counts[index];
            }
            long signed_count = strongroom_sequence(content, place, &signed_part);
            unsigned char *outer = signed_count > 0
                ? OPENSSL_malloc((size_t)(signed_count + counts[1] + counts[5]))
                : NULL;
            if (outer) {
                memcpy(outer, signed_part, (size_t)signed_count);
                memcpy(outer + signed_count, parts[1], (size_t)counts[1]);
                memcpy(outer + signed_count + counts[1], parts[5], (size_t)counts[5]);
                long whole_count = strongroom_sequence(outer, signed_count + counts[1] + counts[5], &whole);
                const unsigned char *start = whole;
                done = whole_count > 0 && d2i_X509_CRL(&list, &start, whole_count) != NULL;
                OPENSSL_free(outer);
            }
        }
    }
    for (int index = 0; index < 6; index++) { OPENSSL_free(parts[index]); }
    OPENSSL_free(content);
    OPENSSL_free(signed_part);
    OPENSSL_free(whole);
    X509_ALGOR_free(algorithm);
    ASN1_INTEGER_free(version);
    ASN1_BIT_STRING_free(bits);
    ASN1_TIME_free(times[0]);
    ASN1_TIME_free(times[1]);
    if (done) { return list; }
    X509_CRL_free(list);
    return NULL;
}

/// The SingleResponse for one serial number of `issuer` (RFC 6960 §4.2.1). Returns its length, 0 on failure.
static inline long strongroom_ocsp_single(
    X509 *issuer, const EVP_MD *digest, const unsigned char *serial, int count, int status, int reason, long revoked,
    long this_update, long next_update, unsigned char **out) {
    long length = 0;
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    BIGNUM *number = BN_bin2bn(serial, count, NULL);
    ASN1_INTEGER *integer = number ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
    OCSP_CERTID *id = integer
        ? OCSP_cert_id_new(digest, X509_get_subject_name(issuer), X509_get0_pubkey_bitstr(issuer), integer)
        : NULL;
    ASN1_TIME *revocation = status == V_OCSP_CERTSTATUS_REVOKED ? ASN1_TIME_set(NULL, revoked) : NULL;
    ASN1_TIME *start = ASN1_GENERALIZEDTIME_set(NULL, this_update);
    ASN1_TIME *end = ASN1_GENERALIZEDTIME_set(NULL, next_update);
    if (basic && id && start && end) {
        OCSP_SINGLERESP *single = OCSP_basic_add1_status(basic, id, status, reason, revocation, start, end);
        if (single) {
            int size = i2d_OCSP_SINGLERESP(single, out);
            length = size > 0 ? size : 0;
        }
    }
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    BN_free(number);
    ASN1_INTEGER_free(integer);
    ASN1_TIME_free(revocation);
    ASN1_TIME_free(start);
    ASN1_TIME_free(end);
    return length;
}

/// ResponseData around one SingleResponse, the responder named by the hash of its key. Returns its length, 0 on failure.
static inline long strongroom_ocsp_data(
    X509 *responder, OSSL_LIB_CTX *context, long produced, const unsigned char *single, long count,
    unsigned char **out) {
    long length = 0;
    OCSP_RESPID *id = OCSP_RESPID_new();
    ASN1_GENERALIZEDTIME *time = ASN1_GENERALIZEDTIME_set(NULL, produced);
    unsigned char *id_bytes = NULL, *time_bytes = NULL, *list = NULL, *content = NULL;
    if (id && time && OCSP_RESPID_set_by_key_ex(id, responder, context, NULL)) {
        int id_count = i2d_OCSP_RESPID(id, &id_bytes);
        int time_count = i2d_ASN1_GENERALIZEDTIME(time, &time_bytes);
        long list_count = strongroom_sequence(single, count, &list);
        if (id_count > 0 && time_count > 0 && list_count > 0) {
            long total = id_count + time_count + list_count;
            content = OPENSSL_malloc((size_t)total);
            if (content) {
                memcpy(content, id_bytes, (size_t)id_count);
                memcpy(content + id_count, time_bytes, (size_t)time_count);
                memcpy(content + id_count + time_count, list, (size_t)list_count);
                length = strongroom_sequence(content, total, out);
            }
        }
    }
    OCSP_RESPID_free(id);
    ASN1_GENERALIZEDTIME_free(time);
    OPENSSL_free(id_bytes);
    OPENSSL_free(time_bytes);
    OPENSSL_free(list);
    OPENSSL_free(content);
    return length;
}

/// A whole OCSPResponse from signed ResponseData. Returns its length, 0 on failure.
static inline long strongroom_ocsp_response(
    const unsigned char *data, long count, int nid, const unsigned char *signature, int signature_count,
    unsigned char **out) {
    long length = 0;
    X509_ALGOR *algorithm = X509_ALGOR_new();
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    unsigned char *algorithm_bytes = NULL, *bits_bytes = NULL, *content = NULL, *basic_bytes = NULL;
    OCSP_BASICRESP *basic = NULL;
    OCSP_RESPONSE *response = NULL;
    if (algorithm && bits && strongroom_algorithm_set(algorithm, nid)
        && ASN1_BIT_STRING_set(bits, (unsigned char *)signature, signature_count)) {
        bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
        bits->flags |= ASN1_STRING_FLAG_BITS_LEFT;
        int algorithm_count = i2d_X509_ALGOR(algorithm, &algorithm_bytes);
        int bits_count = i2d_ASN1_BIT_STRING(bits, &bits_bytes);
        if (algorithm_count > 0 && bits_count > 0) {
            long total = count + algorithm_count + bits_count;
            content = OPENSSL_malloc((size_t)total);
            if (content) {
                memcpy(content, data, (size_t)count);
                memcpy(content + count, algorithm_bytes, (size_t)algorithm_count);
                memcpy(content + count + algorithm_count, bits_bytes, (size_t)bits_count);
                long basic_count = strongroom_sequence(content, total, &basic_bytes);
                const unsigned char *place = basic_bytes;
                if (basic_count > 0) { basic = d2i_OCSP_BASICRESP(NULL, &place, basic_count); }
            }
        }
        if (basic) { response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic); }
        if (response) {
            int size = i2d_OCSP_RESPONSE(response, out);
            length = size > 0 ? size : 0;
        }
    }
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    X509_ALGOR_free(algorithm);
    ASN1_BIT_STRING_free(bits);
    OPENSSL_free(algorithm_bytes);
    OPENSSL_free(bits_bytes);
    OPENSSL_free(content);
    OPENSSL_free(basic_bytes);
    return length;
}

/// The addresses in CRL distribution points or in freshest CRL, one a line. Null when there are none.
static inline char *strongroom_crl_addresses(const X509 *certificate, int nid) {
    CRL_DIST_POINTS *points = X509_get_ext_d2i(certificate, nid, NULL, NULL);
    if (!points) { return NULL; }
    BIO *text = BIO_new(BIO_s_mem());
    for (int index = 0; index < sk_DIST_POINT_num(points); index++) {
        DIST_POINT *point = sk_DIST_POINT_value(points, index);
        if (!point->distpoint || point->distpoint->type != 0) { continue; }
        GENERAL_NAMES *names = point->distpoint->name.fullname;
        for (int name = 0; name < sk_GENERAL_NAME_num(names); name++) {
            GENERAL_NAME *entry = sk_GENERAL_NAME_value(names, name);
            if (entry->type != GEN_URI) { continue; }
            BIO_write(text, entry->d.ia5->data, entry->d.ia5->length);
            BIO_write(text, "\n", 1);
        }
    }
    CRL_DIST_POINTS_free(points);
    return strongroom_taken_text(text);
}

/// The addresses of one access method in authority information access, one a line. Null when there are none.
static inline char *strongroom_authority_addresses(const X509 *certificate, int method) {
    AUTHORITY_INFO_ACCESS *list = X509_get_ext_d2i(certificate, NID_info_access, NULL, NULL);
    if (!list) { return NULL; }
    BIO *text = BIO_new(BIO_s_mem());
    for (int index = 0; index < sk_ACCESS_DESCRIPTION_num(list); index++) {
        ACCESS_DESCRIPTION *entry = sk_ACCESS_DESCRIPTION_value(list, index);
        if (OBJ_obj2nid(entry->method) != method || entry->location->type != GEN_URI) { continue; }
        BIO_write(text, entry->location->d.ia5->data, entry->location->d.ia5->length);
        BIO_write(text, "\n", 1);
    }
    AUTHORITY_INFO_ACCESS_free(list);
    return strongroom_taken_text(text);
}

static inline STACK_OF(X509_CRL) *strongroom_crl_stack(void) { return sk_X509_CRL_new_null(); }
static inline int strongroom_crl_push(STACK_OF(X509_CRL) *stack, X509_CRL *list) { return sk_X509_CRL_push(stack, list); }
static inline void strongroom_crl_free_stack(STACK_OF(X509_CRL) *stack) { sk_X509_CRL_pop_free(stack, X509_CRL_free); }
static inline int strongroom_extension_count(const STACK_OF(X509_EXTENSION) *stack) {
    return stack ? sk_X509_EXTENSION_num(stack) : 0;
}
static inline X509_EXTENSION *strongroom_extension_at(const STACK_OF(X509_EXTENSION) *stack, int index) {
    return sk_X509_EXTENSION_value(stack, index);
}

#endif
