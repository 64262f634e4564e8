import Domain
import Operations
import Threads

#if canImport(Glibc)
    import Glibc
#endif

/// A folder of the server's machine. Its files are the server user's alone, and on the disk before a write is over.
struct FolderStorage: BackupStorage {
    let path: String
    let slow: WorkPool

    func write(_ bytes: [UInt8], to name: String) async throws(VaultError) {
        let (path, folder) = (path, name.split(separator: "/").dropLast().joined(separator: "/"))
        try await onThread { () throws(VaultError) in
            if !folder.isEmpty, mkdir("\(path)/\(folder)", 0o700) != 0, errno != EEXIST { throw Self.failed() }
            let target = "\(path)/\(name)"
            let descriptor = open(target + ".new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else { throw Self.failed() }
            let isWritten = Self.writeAll(bytes, descriptor) && fsync(descriptor) == 0
            let isClosed = close(descriptor) == 0
            guard isWritten, isClosed, rename(target + ".new", target) == 0 else {
                let failure = Self.failed()
                unlink(target + ".new")
                throw failure
            }
            for folder in ["\(path)/\(folder)", path] {
                let descriptor = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY)
                guard descriptor >= 0 else { throw Self.failed() }
                defer { close(descriptor) }
                guard fsync(descriptor) == 0 else { throw Self.failed() }
            }
        }
    }

    private static func writeAll(_ bytes: [UInt8], _ descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
    }

    func read(_ name: String, mostBytes: Int) async throws(VaultError) -> [UInt8] {
        let path = path
        return try await onThread { () throws(VaultError) in
            let descriptor = open("\(path)/\(name)", O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
            guard descriptor >= 0 else {
                throw errno == ENOENT
                    ? VaultError(.resourceNotFound, "The backup is not in the folder.") : Self.failed()
            }
            defer { close(descriptor) }
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = Glibc.read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw Self.failed() }
                if count == 0 { return bytes }
                guard bytes.count + count <= mostBytes else {
                    throw .badParameter("A part of the backup is longer than \(mostBytes) bytes.")
                }
                bytes += buffer[..<count]
            }
        }
    }

    func remove(_ name: String) async {
        let path = path
        _ = try? await onThread { () throws(VaultError) in _ = unlink("\(path)/\(name)") }
    }

    private static func failed() -> VaultError {
        .badParameter("The folder for backups cannot be used: \(String(cString: strerror(errno))).")
    }

    private func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws(VaultError) -> Value)
        async throws(VaultError) -> Value
    {
        let result = await slow.run(on: DirectWaker()) { Result { () throws(VaultError) in try work() } }
        guard let result else { throw VaultError(.throttled, "Too many slow requests are waiting. Try again later.") }
        return try result.get()
    }
}
