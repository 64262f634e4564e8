#ifndef STRONGROOM_CLINUX_SHIM_H
#define STRONGROOM_CLINUX_SHIM_H

#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>

// Declared by glibc under _GNU_SOURCE only, which the importer does not set.
extern int pthread_setname_np(pthread_t thread, const char *name);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

static inline void strongroom_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

/// The new process has no descriptor from `from` on.
static inline int strongroom_close_from(posix_spawn_file_actions_t *actions, int from) {
    return posix_spawn_file_actions_addclosefrom_np(actions, from);
}

/// Sleeps of this thread end at most this many nanoseconds late.
static inline void strongroom_timer_slack(unsigned long nanoseconds) { prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0); }

/// Whether this thread, when it wakes, waits until another one has done its turn, and does not interrupt it (sched(7): SCHED_BATCH).
/// Changes nothing for a process that its operator runs under a real-time policy.
static inline void strongroom_wait_for_turn(int waits) {
    const int usual = 0, batch = 3;  // SCHED_OTHER, SCHED_BATCH: the second is declared under _GNU_SOURCE only
    const int now = sched_getscheduler(0);
    if (now != usual && now != batch) return;
    const struct sched_param none = {0};
    sched_setscheduler(0, waits ? batch : usual, &none);
}

/// No core dumps, and no reading of this process's memory by others of the same user.
static inline int strongroom_forbid_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

#endif
