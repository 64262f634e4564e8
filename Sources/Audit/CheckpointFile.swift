import Domain

#if canImport(Glibc)
    import Glibc
#endif

/// `audit-checkpoints.jsonl` beside the database: one line a checkpoint, appended and synced.
package struct CheckpointFile: Sendable {
    private let path: String

    package init(folder: String) { path = folder + "/audit-checkpoints.jsonl" }

    package struct Failure: Error, Sendable { package let text: String }

    func append(_ checkpoint: Checkpoint) throws(Failure) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Failure(text: String(cString: strerror(errno))) }
        defer { close(descriptor) }
        let line = Array((checkpoint.line + "\n").utf8)
        guard Self.removeCutLine(descriptor), Glibc.write(descriptor, line, line.count) == line.count,
            fdatasync(descriptor) == 0
        else { throw Failure(text: String(cString: strerror(errno))) }
    }

    /// A last line that a crash or a full disk cut short would swallow the next one.
    private static func removeCutLine(_ descriptor: Int32) -> Bool {
        let size = lseek(descriptor, 0, SEEK_END)
        var end = size
        var byte: UInt8 = 0
        while end > 0 {
            guard pread(descriptor, &byte, 1, end - 1) == 1 else { return false }
            if byte == UInt8(ascii: "\n") { break }
            end -= 1
        }
        return end == size || ftruncate(descriptor, end) == 0
    }

    /// Oldest first. A last line that was cut by a crash is ignored; any other that does not parse is reported.
    package func read() throws(Failure) -> [Checkpoint] {
        guard let file = fopen(path, "re") else {
            if errno == ENOENT { return [] }
            throw Failure(text: String(cString: strerror(errno)))
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 {
            bytes.append(contentsOf: buffer[0..<count])
        }
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true)
        var checkpoints: [Checkpoint] = []
        for (index, line) in lines.enumerated() {
            if let checkpoint = Checkpoint(line: String(decoding: line, as: UTF8.self)) {
                checkpoints.append(checkpoint)
            } else if index < lines.count - 1 || bytes.last == UInt8(ascii: "\n") {
                throw Failure(text: "line \(index + 1) of audit-checkpoints.jsonl cannot be read")
            }
        }
        return checkpoints
    }
}
