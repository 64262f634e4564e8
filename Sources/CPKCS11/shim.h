#ifndef STRONGROOM_CPKCS11_SHIM_H
#define STRONGROOM_CPKCS11_SHIM_H

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>

/// Loads a module and asks it for its functions; NULL when it is not one.
static inline CK_FUNCTION_LIST *strongroom_pkcs11_load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) { return NULL; }
    CK_RV (*get)(CK_FUNCTION_LIST **) = (CK_RV (*)(CK_FUNCTION_LIST **))dlsym(library, "C_GetFunctionList");
    CK_FUNCTION_LIST *list = NULL;
    if (!get || get(&list) != CKR_OK) {
        dlclose(library);
        return NULL;
    }
    return list;
}

#endif
