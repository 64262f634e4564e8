import FoundationEssentials
import Synchronization

/// A folder of one test, removed with its last reference. In memory where the system offers that: tests do not wait for a disk.
package final class TemporaryFolder: Sendable {
    package let path: String

    private static let parent: String = {
        let memory = "/dev/shm"
        return FileManager.default.isWritableFile(atPath: memory) ? memory : FileManager.default.temporaryDirectory.path
    }()
    private static let count = Atomic<Int>(0)

    package init() throws {
        let number = Self.count.add(1, ordering: .relaxed).newValue
        path = "\(Self.parent)/strongroom-test-\(ProcessInfo.processInfo.processIdentifier)-\(number)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    package func file(_ name: String) -> String { path + "/" + name }

    package func write(_ text: String, to name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: file(name)))
    }

    package func bytes(of name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: file(name)))) }

    /// A new folder with those of the named files that are here.
    package func copy(_ names: [String]) throws -> TemporaryFolder {
        let copy = try TemporaryFolder()
        try copyFiles(names, to: copy)
        return copy
    }

    package func copyFiles(_ names: [String], to other: TemporaryFolder) throws {
        for name in names where FileManager.default.fileExists(atPath: file(name)) {
            try FileManager.default.copyItem(atPath: file(name), toPath: other.file(name))
        }
    }
}
