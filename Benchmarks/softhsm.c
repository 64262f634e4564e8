// How many signatures a second a PKCS #11 module gives in this process: two threads, a session each, one key in the token.
// Usage: softhsm MODULE PIN rsa|ec SECONDS; prints the rate. The key is made before and destroyed after.
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS = 2 };

// What RS256 has signed: a DigestInfo of SHA-256 (RFC 8017 §9.2) with 32 bytes behind it.
static const unsigned char digest_info[51] = {
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
};
static const unsigned char p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };

static CK_FUNCTION_LIST *module;
static CK_SLOT_ID slot;
static CK_OBJECT_HANDLE key;
static int is_rsa;
static double end;
static pthread_barrier_t start;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void check(CK_RV result, const char *what) {
    if (result == CKR_OK) { return; }
    fprintf(stderr, "%s: 0x%lx\n", what, result);
    exit(1);
}

static CK_SESSION_HANDLE open_session(void) {
    CK_SESSION_HANDLE session;
    check(module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), "C_OpenSession");
    return session;
}

// As Strongroom keeps its keys: an object of the token, sensitive, and never to leave it.
static void make_key(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *public_key) {
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG bits = 2048;
    unsigned char exponent[] = { 1, 0, 1 };
    CK_ATTRIBUTE private_part[] = {
        { CKA_TOKEN, &yes, sizeof yes }, { CKA_PRIVATE, &yes, sizeof yes }, { CKA_SENSITIVE, &yes, sizeof yes },
        { CKA_EXTRACTABLE, &no, sizeof no }, { CKA_SIGN, &yes, sizeof yes },
    };
    CK_ATTRIBUTE rsa[] = {
        { CKA_TOKEN, &no, sizeof no }, { CKA_MODULUS_BITS, &bits, sizeof bits },
        { CKA_PUBLIC_EXPONENT, exponent, sizeof exponent },
    };
    CK_ATTRIBUTE ec[] = { { CKA_TOKEN, &no, sizeof no }, { CKA_EC_PARAMS, (void *)p256, sizeof p256 } };
    CK_MECHANISM mechanism = { is_rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN, NULL, 0 };
    CK_RV made = module->C_GenerateKeyPair(
        session, &mechanism, is_rsa ? rsa : ec, is_rsa ? 3 : 2, private_part, 5, public_key, &key);
    check(made, "C_GenerateKeyPair");
}

static void *sign(void *count) {
    CK_SESSION_HANDLE session = open_session();
    CK_MECHANISM mechanism = { is_rsa ? CKM_RSA_PKCS : CKM_ECDSA, NULL, 0 };
    unsigned char text[sizeof digest_info], signature[256];
    memcpy(text, digest_info, sizeof text);
    pthread_barrier_wait(&start);
    while (now() < end) {
        CK_ULONG length = sizeof signature;
        check(module->C_SignInit(session, &mechanism, key), "C_SignInit");
        check(module->C_Sign(session, text, is_rsa ? sizeof text : 32, signature, &length), "C_Sign");
        ++*(long *)count;
    }
    return NULL;
}

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "usage: softhsm MODULE PIN rsa|ec SECONDS\n");
        return 64;
    }
    is_rsa = strcmp(arguments[3], "rsa") == 0;
    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = library ? (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList") : NULL;
    if (!get || get(&module) != CKR_OK) {
        fprintf(stderr, "%s is not a PKCS #11 module\n", arguments[1]);
        return 1;
    }
    CK_C_INITIALIZE_ARGS settings = { .flags = CKF_OS_LOCKING_OK };
    check(module->C_Initialize(&settings), "C_Initialize");
    CK_SLOT_ID slots[8];
    CK_ULONG slot_count = 8;
    check(module->C_GetSlotList(CK_TRUE, slots, &slot_count), "C_GetSlotList");
    slot = slots[0]; // SoftHSM puts tokens that are initialised first
    CK_SESSION_HANDLE session = open_session();
    check(module->C_Login(session, CKU_USER, (unsigned char *)arguments[2], strlen(arguments[2])), "C_Login");
    CK_OBJECT_HANDLE public_key;
    make_key(session, &public_key);

    pthread_t threads[THREADS];
    struct { _Alignas(64) long signatures; } done[THREADS] = { 0 };
    pthread_barrier_init(&start, NULL, THREADS + 1);
    double begin = now();
    end = begin + atof(arguments[4]);
    for (int index = 0; index < THREADS; index++) { pthread_create(&threads[index], NULL, sign, &done[index]); }
    pthread_barrier_wait(&start);
    long signatures = 0;
    for (int index = 0; index < THREADS; index++) {
        pthread_join(threads[index], NULL);
        signatures += done[index].signatures;
    }
    printf("%.1f\n", (double)signatures / (now() - begin));
    check(module->C_DestroyObject(session, key), "C_DestroyObject");
    module->C_Finalize(NULL);
    return 0;
}
