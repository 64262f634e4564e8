import Cryptography
import Domain
import FoundationEssentials

#if canImport(Glibc)
    import Glibc
#endif

/// A folder of the server, and its small files.
struct DataFolder {
    let path: String

    /// - Throws: with status 78 when it cannot be made, or when others may read it.
    init(creating path: String) throws {
        self.path = path
        if mkdir(path, 0o700) != 0, errno != EEXIST {
            throw CommandFailure.configuration(
                "the data folder '\(path)' cannot be made: \(String(cString: strerror(errno)))")
        }
        try requirePrivate()
    }

    init(existing path: String) throws {
        self.path = path
        try requirePrivate()
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    private func requirePrivate() throws {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw CommandFailure.configuration("'\(path)' is not a folder")
        }
        guard status.st_mode & 0o022 == 0 else {
            throw CommandFailure.configuration("others may write to the data folder '\(path)'; run 'chmod 700' on it")
        }
    }

    func file(_ name: String) -> String { path + "/" + name }

    /// The path that holds wherever it is used from.
    func absolute(_ name: String) -> String {
        guard !path.hasPrefix("/") else { return file(name) }
        var here = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&here, here.count) != nil else { return file(name) }
        return String(decoding: here.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/" + file(name)
    }

    /// Writes a file whole: beside its place first, then moved into it.
    func write(_ bytes: some Sequence<UInt8>, to name: String, mode: mode_t) throws {
        let temporary = file("." + name + ".new")
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            throw CommandFailure("'\(file(name))' cannot be written: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        let bytes = Array(bytes)
        fchmod(descriptor, mode)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0,
            rename(temporary, file(name)) == 0
        else {
            throw CommandFailure("'\(file(name))' cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    func read(_ name: String) -> [UInt8]? { Self.read(file: file(name)) }

    static func read(file path: String) -> [UInt8]? { try? Array(Data(contentsOf: URL(filePath: path))) }

    /// The key-encryption key of an evaluation server: 32 bytes in a file that only its user can read.
    ///
    /// - Parameter create: make one when there is none: right only when nothing was sealed yet.
    func key(create: Bool, engine: CryptoEngine) throws -> SensitiveBytes {
        let name = "kek"
        var status = stat()
        if stat(file(name), &status) == 0 {
            guard status.st_mode & 0o077 == 0 else {
                throw CommandFailure.configuration("others may read '\(file(name))'; run 'chmod 600' on it")
            }
            guard let bytes = read(name), bytes.count == 32 else {
                throw CommandFailure.configuration("'\(file(name))' is not a key of 32 bytes")
            }
            return SensitiveBytes(bytes)
        }
        guard create else {
            throw CommandFailure.configuration(
                "the key file '\(file(name))' is missing; without it the data cannot be opened")
        }
        let key = try engine.randomKey(count: 32)
        try write(key.withUnsafeBytes { Array($0) }, to: name, mode: 0o600)
        return key
    }
}
