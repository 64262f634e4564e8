// A SQLite file system that counts its calls and fails on demand.
//
// It wraps the system's own: files are real files. What counts as a call is xRead, xWrite, xSync and xTruncate on any file, the
// shared-memory index aside. Beside the real files it keeps what a disk would hold after its power was cut: the bytes as of the
// last sync, and the writes that came after it.

#ifndef FAULT_DISK_H
#define FAULT_DISK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct fault_disk fault_disk;

enum {
    FAULT_DISK_READ = 1,
    FAULT_DISK_WRITE = 2,
    FAULT_DISK_SYNC = 4,
    FAULT_DISK_TRUNCATE = 8,
    FAULT_DISK_ANY = 15,
};

/// What happens at the call that was chosen.
enum {
    /// It fails; the next one works.
    FAULT_DISK_FAILS_ONCE = 1,
    /// It and every call after it fails, and nothing more reaches the files: the disk is gone, or the process stopped there.
    FAULT_DISK_STOPS = 2,
};

/// Which of the writes since the last sync are on the disk after the power was cut.
enum {
    /// All: the process was killed, and the system lived on.
    FAULT_DISK_KEEPS_ALL = 0,
    FAULT_DISK_KEEPS_NONE = 1,
    /// Each of them or not, or its first half only, as a seed decides: disks reorder.
    FAULT_DISK_KEEPS_SOME = 2,
};

/// Registers a file system under `name`; null when SQLite refuses.
fault_disk *fault_disk_create(const char *name);

/// Unregisters it. Files still open keep it alive.
void fault_disk_destroy(fault_disk *disk);

/// Counts from here on, and does `effect` at the `nth` call (the first is 1) of the `kinds`.
void fault_disk_arm(fault_disk *disk, int effect, int kinds, uint64_t nth);

/// No more faults, and counts from here on.
void fault_disk_disarm(fault_disk *disk);

/// Calls of the `kinds` since the count began.
uint64_t fault_disk_calls(fault_disk *disk, int kinds);

/// Whether the chosen call has come.
bool fault_disk_has_tripped(fault_disk *disk);

/// From now on files cannot grow, except by the bytes that the file at `reserve_path` gives up.
void fault_disk_fill(fault_disk *disk, const char *reserve_path);

/// There is space again.
void fault_disk_empty(fault_disk *disk);

/// Writes every file of the disk into `folder` as it would be found after a stop. Files keep their names.
bool fault_disk_salvage(fault_disk *disk, const char *folder, int keeps, uint64_t seed);

#endif
