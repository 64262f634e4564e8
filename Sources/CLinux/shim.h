#ifndef STRONGROOM_CLINUX_SHIM_H
#define STRONGROOM_CLINUX_SHIM_H

#include <pthread.h>
#include <sys/prctl.h>

// Declared by glibc under _GNU_SOURCE only, which the importer does not set.
extern int pthread_setname_np(pthread_t thread, const char *name);

static inline void strongroom_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

/// Sleeps of this thread end at most this many nanoseconds late.
static inline void strongroom_timer_slack(unsigned long nanoseconds) { prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0); }

/// No core dumps, and no reading of this process's memory by others of the same user.
static inline int strongroom_forbid_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

#endif
