#ifndef STRONGROOM_CLZ4_SHIM_H
#define STRONGROOM_CLZ4_SHIM_H

#include <lz4.h>

#endif
