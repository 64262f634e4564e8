#include "fault_disk.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// MARK: What a disk remembers

typedef struct pending_write {
    struct pending_write *next;
    sqlite3_int64 offset;
    /// A truncation to `offset` when null.
    unsigned char *bytes;
    int count;
} pending_write;

/// One file by its path: the bytes as of its last sync, and what was written since, oldest first.
typedef struct disk_file {
    struct disk_file *next;
    char *path;
    unsigned char *synced;
    sqlite3_int64 size;
    pending_write *first;
    pending_write **last;
} disk_file;

struct fault_disk {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    char *name;
    pthread_mutex_t mutex;
    disk_file *files;
    int open_files;
    bool is_destroyed;

    int effect;
    int kinds;
    uint64_t nth;
    uint64_t matched;
    uint64_t calls[4];
    bool has_tripped;
    bool has_stopped;

    bool is_full;
    char *reserve_path;
    sqlite3_int64 reserve_size;
    sqlite3_int64 grown;
};

typedef struct fault_file {
    sqlite3_file base;
    fault_disk *disk;
    /// Null for files that have no path of their own.
    disk_file *file;
    /// Behind this struct, as SQLite allotted it.
    sqlite3_file *real;
} fault_file;

static void drop_pending(disk_file *file) {
    while (file->first != NULL) {
        pending_write *write = file->first;
        file->first = write->next;
        free(write->bytes);
        free(write);
    }
    file->last = &file->first;
}

static void append_pending(disk_file *file, sqlite3_int64 offset, const void *bytes, int count) {
    pending_write *write = calloc(1, sizeof *write);
    write->offset = offset;
    write->count = count;
    if (bytes != NULL) {
        write->bytes = malloc(count > 0 ? (size_t)count : 1);
        memcpy(write->bytes, bytes, (size_t)count);
    }
    *file->last = write;
    file->last = &write->next;
}

static void apply(const pending_write *write, int count, unsigned char **bytes, sqlite3_int64 *size) {
    if (write->bytes == NULL) {
        if (write->offset < *size) *size = write->offset;
        return;
    }
    sqlite3_int64 end = write->offset + count;
    if (end > *size) {
        *bytes = realloc(*bytes, (size_t)end);
        memset(*bytes + *size, 0, (size_t)(end - *size));
        *size = end;
    }
    memcpy(*bytes + write->offset, write->bytes, (size_t)count);
}

static disk_file *remembered(fault_disk *disk, const char *path) {
    for (disk_file *file = disk->files; file != NULL; file = file->next) {
        if (strcmp(file->path, path) == 0) return file;
    }
    return NULL;
}

/// Takes what a file holds when it is first opened as synced.
static disk_file *remember(fault_disk *disk, const char *path, sqlite3_file *real) {
    disk_file *file = remembered(disk, path);
    if (file != NULL) return file;
    file = calloc(1, sizeof *file);
    file->path = strdup(path);
    file->last = &file->first;
    sqlite3_int64 size = 0;
    if (real->pMethods->xFileSize(real, &size) == SQLITE_OK && size > 0) {
        file->synced = malloc((size_t)size);
        for (sqlite3_int64 at = 0; at < size;) {
            int count = size - at > 1 << 20 ? 1 << 20 : (int)(size - at);
            if (real->pMethods->xRead(real, file->synced + at, count, at) != SQLITE_OK) break;
            at += count;
        }
        file->size = size;
    }
    file->next = disk->files;
    disk->files = file;
    return file;
}

static void forget(disk_file *file) {
    drop_pending(file);
    free(file->synced);
    file->synced = NULL;
    file->size = 0;
}

// MARK: Faults

static int index_of(int kind) {
    switch (kind) {
    case FAULT_DISK_READ: return 0;
    case FAULT_DISK_WRITE: return 1;
    case FAULT_DISK_SYNC: return 2;
    default: return 3;
    }
}

/// Counts a call; whether it must fail. Called with the mutex held.
static bool fails(fault_disk *disk, int kind) {
    if (disk->has_stopped) return true;
    disk->calls[index_of(kind)] += 1;
    if (disk->effect == 0 || (disk->kinds & kind) == 0 || disk->has_tripped) return false;
    disk->matched += 1;
    if (disk->matched < disk->nth) return false;
    disk->has_tripped = true;
    disk->has_stopped = disk->effect == FAULT_DISK_STOPS;
    return true;
}

/// Whether a file may grow to `end`. Called with the mutex held.
static bool has_space(fault_disk *disk, sqlite3_file *real, sqlite3_int64 end) {
    if (!disk->is_full) return true;
    sqlite3_int64 size = 0;
    if (real->pMethods->xFileSize(real, &size) != SQLITE_OK || end <= size) return true;
    struct stat reserve;
    sqlite3_int64 left = stat(disk->reserve_path, &reserve) == 0 ? reserve.st_size : 0;
    sqlite3_int64 growth = end - size;
    if (disk->grown + growth > disk->reserve_size - left) return false;
    disk->grown += growth;
    return true;
}

// MARK: Files

static int file_close(sqlite3_file *base) {
    fault_file *file = (fault_file *)base;
    fault_disk *disk = file->disk;
    int result = file->real->pMethods->xClose(file->real);
    pthread_mutex_lock(&disk->mutex);
    disk->open_files -= 1;
    bool is_last = disk->is_destroyed && disk->open_files == 0;
    pthread_mutex_unlock(&disk->mutex);
    if (is_last) fault_disk_destroy(disk);
    return result;
}

static int file_read(sqlite3_file *base, void *bytes, int count, sqlite3_int64 offset) {
    fault_file *file = (fault_file *)base;
    pthread_mutex_lock(&file->disk->mutex);
    bool is_fault = fails(file->disk, FAULT_DISK_READ);
    pthread_mutex_unlock(&file->disk->mutex);
    return is_fault ? SQLITE_IOERR_READ : file->real->pMethods->xRead(file->real, bytes, count, offset);
}

static int file_write(sqlite3_file *base, const void *bytes, int count, sqlite3_int64 offset) {
    fault_file *file = (fault_file *)base;
    pthread_mutex_lock(&file->disk->mutex);
    int result = SQLITE_OK;
    if (fails(file->disk, FAULT_DISK_WRITE)) {
        result = SQLITE_IOERR_WRITE;
    } else if (!has_space(file->disk, file->real, offset + count)) {
        result = SQLITE_FULL;
    } else {
        result = file->real->pMethods->xWrite(file->real, bytes, count, offset);
        if (result == SQLITE_OK && file->file != NULL) append_pending(file->file, offset, bytes, count);
    }
    pthread_mutex_unlock(&file->disk->mutex);
    return result;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
    fault_file *file = (fault_file *)base;
    pthread_mutex_lock(&file->disk->mutex);
    int result = SQLITE_IOERR_TRUNCATE;
    if (!fails(file->disk, FAULT_DISK_TRUNCATE)) {
        result = file->real->pMethods->xTruncate(file->real, size);
        if (result == SQLITE_OK && file->file != NULL) append_pending(file->file, size, NULL, 0);
    }
    pthread_mutex_unlock(&file->disk->mutex);
    return result;
}

static int file_sync(sqlite3_file *base, int flags) {
    fault_file *file = (fault_file *)base;
    (void)flags;
    pthread_mutex_lock(&file->disk->mutex);
    int result = SQLITE_IOERR_FSYNC;
    if (!fails(file->disk, FAULT_DISK_SYNC)) {
        // The machine goes on: what a sync means is kept here, and the real one would only cost time.
        result = SQLITE_OK;
        disk_file *remembered = file->file;
        if (remembered != NULL) {
            for (pending_write *write = remembered->first; write != NULL; write = write->next) {
                apply(write, write->count, &remembered->synced, &remembered->size);
            }
            drop_pending(remembered);
        }
    }
    pthread_mutex_unlock(&file->disk->mutex);
    return result;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size) {
    sqlite3_file *real = ((fault_file *)base)->real;
    return real->pMethods->xFileSize(real, size);
}

static int file_lock(sqlite3_file *base, int level) {
    sqlite3_file *real = ((fault_file *)base)->real;
    return real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *base, int level) {
    sqlite3_file *real = ((fault_file *)base)->real;
    return real->pMethods->xUnlock(real, level);
}

static int file_check_lock(sqlite3_file *base, int *is_reserved) {
    sqlite3_file *real = ((fault_file *)base)->real;
    return real->pMethods->xCheckReservedLock(real, is_reserved);
}

static int file_control(sqlite3_file *base, int operation, void *argument) {
    fault_file *file = (fault_file *)base;
    // A hint to grow the file would go past the count.
    if (operation == SQLITE_FCNTL_SIZE_HINT || operation == SQLITE_FCNTL_CHUNK_SIZE) return SQLITE_OK;
    return file->real->pMethods->xFileControl(file->real, operation, argument);
}

static int file_sector_size(sqlite3_file *base) {
    sqlite3_file *real = ((fault_file *)base)->real;
    return real->pMethods->xSectorSize(real);
}

static int file_characteristics(sqlite3_file *base) {
    sqlite3_file *real = ((fault_file *)base)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **memory) {
    sqlite3_file *real = ((fault_file *)base)->real;
    return real->pMethods->xShmMap(real, region, size, extend, memory);
}

static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags) {
    sqlite3_file *real = ((fault_file *)base)->real;
    return real->pMethods->xShmLock(real, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *base) {
    sqlite3_file *real = ((fault_file *)base)->real;
    real->pMethods->xShmBarrier(real);
}

static int file_shm_unmap(sqlite3_file *base, int delete_it) {
    sqlite3_file *real = ((fault_file *)base)->real;
    return real->pMethods->xShmUnmap(real, delete_it);
}

// Version 2: with shared memory, without memory-mapped reading, which would go past the count.
static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

// MARK: The file system

static int disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags) {
    fault_disk *disk = (fault_disk *)vfs;
    fault_file *file = (fault_file *)base;
    memset(file, 0, sizeof *file);
    file->disk = disk;
    file->real = (sqlite3_file *)(file + 1);
    pthread_mutex_lock(&disk->mutex);
    int result = disk->has_stopped ? SQLITE_CANTOPEN : disk->real->xOpen(disk->real, path, file->real, flags, out_flags);
    if (result == SQLITE_OK) {
        if (path != NULL) file->file = remember(disk, path, file->real);
        disk->open_files += 1;
        file->base.pMethods = &file_methods;
    }
    pthread_mutex_unlock(&disk->mutex);
    return result;
}

static int disk_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
    fault_disk *disk = (fault_disk *)vfs;
    pthread_mutex_lock(&disk->mutex);
    int result = SQLITE_IOERR_DELETE;
    if (!disk->has_stopped) {
        result = disk->real->xDelete(disk->real, path, sync_folder);
        disk_file *file = remembered(disk, path);
        if (file != NULL) forget(file);
    }
    pthread_mutex_unlock(&disk->mutex);
    return result;
}

static int disk_access(sqlite3_vfs *vfs, const char *path, int flags, int *result) {
    sqlite3_vfs *real = ((fault_disk *)vfs)->real;
    return real->xAccess(real, path, flags, result);
}

static int disk_full_path(sqlite3_vfs *vfs, const char *path, int count, char *result) {
    sqlite3_vfs *real = ((fault_disk *)vfs)->real;
    return real->xFullPathname(real, path, count, result);
}

static int disk_randomness(sqlite3_vfs *vfs, int count, char *bytes) {
    sqlite3_vfs *real = ((fault_disk *)vfs)->real;
    return real->xRandomness(real, count, bytes);
}

static int disk_sleep(sqlite3_vfs *vfs, int microseconds) {
    sqlite3_vfs *real = ((fault_disk *)vfs)->real;
    return real->xSleep(real, microseconds);
}

static int disk_time(sqlite3_vfs *vfs, double *days) {
    sqlite3_vfs *real = ((fault_disk *)vfs)->real;
    return real->xCurrentTime(real, days);
}

static int disk_time64(sqlite3_vfs *vfs, sqlite3_int64 *milliseconds) {
    sqlite3_vfs *real = ((fault_disk *)vfs)->real;
    return real->xCurrentTimeInt64(real, milliseconds);
}

static int disk_last_error(sqlite3_vfs *vfs, int count, char *text) {
    sqlite3_vfs *real = ((fault_disk *)vfs)->real;
    return real->xGetLastError != NULL ? real->xGetLastError(real, count, text) : 0;
}

fault_disk *fault_disk_create(const char *name) {
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    if (real == NULL) return NULL;
    fault_disk *disk = calloc(1, sizeof *disk);
    disk->real = real;
    disk->name = strdup(name);
    pthread_mutex_init(&disk->mutex, NULL);
    disk->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(fault_file) + real->szOsFile,
        .mxPathname = real->mxPathname,
        .zName = disk->name,
        .xOpen = disk_open,
        .xDelete = disk_delete,
        .xAccess = disk_access,
        .xFullPathname = disk_full_path,
        .xRandomness = disk_randomness,
        .xSleep = disk_sleep,
        .xCurrentTime = disk_time,
        .xGetLastError = disk_last_error,
        .xCurrentTimeInt64 = disk_time64,
    };
    if (sqlite3_vfs_register(&disk->vfs, 0) != SQLITE_OK) {
        free(disk->name);
        free(disk);
        return NULL;
    }
    return disk;
}

void fault_disk_destroy(fault_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    if (!disk->is_destroyed) sqlite3_vfs_unregister(&disk->vfs);
    disk->is_destroyed = true;
    bool is_open = disk->open_files > 0;
    pthread_mutex_unlock(&disk->mutex);
    if (is_open) return;
    while (disk->files != NULL) {
        disk_file *file = disk->files;
        disk->files = file->next;
        forget(file);
        free(file->path);
        free(file);
    }
    pthread_mutex_destroy(&disk->mutex);
    free(disk->reserve_path);
    free(disk->name);
    free(disk);
}

// MARK: Controls

static void restart_count(fault_disk *disk) {
    disk->effect = 0;
    disk->matched = 0;
    memset(disk->calls, 0, sizeof disk->calls);
    disk->has_tripped = false;
    disk->has_stopped = false;
}

void fault_disk_arm(fault_disk *disk, int effect, int kinds, uint64_t nth) {
    pthread_mutex_lock(&disk->mutex);
    restart_count(disk);
    disk->effect = effect;
    disk->kinds = kinds;
    disk->nth = nth;
    pthread_mutex_unlock(&disk->mutex);
}

void fault_disk_disarm(fault_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    restart_count(disk);
    pthread_mutex_unlock(&disk->mutex);
}

uint64_t fault_disk_calls(fault_disk *disk, int kinds) {
    pthread_mutex_lock(&disk->mutex);
    uint64_t count = 0;
    for (int kind = FAULT_DISK_READ; kind <= FAULT_DISK_TRUNCATE; kind <<= 1) {
        if ((kinds & kind) != 0) count += disk->calls[index_of(kind)];
    }
    pthread_mutex_unlock(&disk->mutex);
    return count;
}

bool fault_disk_has_tripped(fault_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    bool has_tripped = disk->has_tripped;
    pthread_mutex_unlock(&disk->mutex);
    return has_tripped;
}

void fault_disk_fill(fault_disk *disk, const char *reserve_path) {
    pthread_mutex_lock(&disk->mutex);
    free(disk->reserve_path);
    disk->reserve_path = strdup(reserve_path);
    struct stat reserve;
    disk->reserve_size = stat(reserve_path, &reserve) == 0 ? reserve.st_size : 0;
    disk->grown = 0;
    disk->is_full = true;
    pthread_mutex_unlock(&disk->mutex);
}

void fault_disk_empty(fault_disk *disk) {
    pthread_mutex_lock(&disk->mutex);
    disk->is_full = false;
    pthread_mutex_unlock(&disk->mutex);
}

/// SplitMix64.
static uint64_t next_random(uint64_t *state) {
    uint64_t value = *state += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

static bool salvage(const disk_file *file, const char *folder, int keeps, uint64_t *seed) {
    unsigned char *bytes = malloc(file->size > 0 ? (size_t)file->size : 1);
    if (file->size > 0) memcpy(bytes, file->synced, (size_t)file->size);
    sqlite3_int64 size = file->size;
    for (const pending_write *write = file->first; write != NULL && keeps != FAULT_DISK_KEEPS_NONE; write = write->next) {
        int count = write->count;
        if (keeps == FAULT_DISK_KEEPS_SOME) {
            uint64_t choice = next_random(seed) % 4;
            if (choice == 0) continue;
            if (choice == 1) count /= 2;
        }
        apply(write, count, &bytes, &size);
    }
    const char *slash = strrchr(file->path, '/');
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, slash != NULL ? slash + 1 : file->path);
    FILE *output = fopen(path, "wb");
    bool is_written = output != NULL && fwrite(bytes, 1, (size_t)size, output) == (size_t)size;
    if (output != NULL) is_written = fclose(output) == 0 && is_written;
    free(bytes);
    return is_written;
}

bool fault_disk_salvage(fault_disk *disk, const char *folder, int keeps, uint64_t seed) {
    pthread_mutex_lock(&disk->mutex);
    bool is_written = true;
    for (disk_file *file = disk->files; file != NULL; file = file->next) {
        if (file->size == 0 && file->first == NULL) continue;
        is_written = salvage(file, folder, keeps, &seed) && is_written;
    }
    pthread_mutex_unlock(&disk->mutex);
    return is_written;
}
