import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A file that only takes up space, so that there is some to give back when the disk is full.
struct SpaceReserve: ~Copyable, Sendable {
    private let path: String
    private let bytes: Int
    private let held = Mutex(0)

    init(path: String, bytes: Int) {
        (self.path, self.bytes) = (path, bytes)
        // What an earlier run laid aside is still there.
        var file = stat()
        if stat(path, &file) == 0 { held.withLock { $0 = min(Int(file.st_size), bytes) } }
    }

    /// Gives back an eighth; false when nothing is left.
    borrowing func release() -> Bool {
        held.withLock { held in
            guard held > 0 else { return false }
            let remaining = max(0, held - max(1, bytes / 8))
            guard truncate(path, remaining) == 0 else { return false }
            held = remaining
            return true
        }
    }

    /// Takes the space again; true when all of it could be had and as much again stays free for others.
    borrowing func restore() -> Bool {
        held.withLock { held in
            guard held < bytes else { return true }
            var file = statvfs()
            if statvfs(path, &file) == 0 || statvfs((path as String).folder, &file) == 0 {
                let free = Int(file.f_bavail) * Int(file.f_frsize)
                guard free >= 2 * (bytes - held) else { return false }
            }
            let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { return false }
            defer { close(descriptor) }
            guard posix_fallocate(descriptor, 0, bytes) == 0 else { return false }
            held = bytes
            return true
        }
    }
}

extension String {
    /// All up to the last slash.
    fileprivate var folder: String { lastIndex(of: "/").map { String(self[..<$0]) } ?? "." }
}
