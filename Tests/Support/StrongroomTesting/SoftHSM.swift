import FoundationEssentials
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// The software module of the test process: SoftHSM, with its tokens in a temporary folder.
///
/// Whoever connects to a module starts it anew under all others who use it. So each gets a copy of the library, which the loader
/// takes for another one.
package enum SoftHSM {
    /// Of the user and of the security officer of every token.
    package static let pin = "0000-test"

    package struct Missing: Error, CustomStringConvertible {
        package let description = "SoftHSM is not installed (Debian: softhsm2)"
    }

    private static let libraries = [
        "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ]

    private static let count = Atomic<Int>(0)
    /// Removed when the process ends: memory that programs are run from may not be had where the other folders are.
    private static let copies = "/tmp/strongroom-softhsm-\(getpid())"
    private static let tokens: Result<TemporaryFolder, any Error> = Result {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.file("tokens"), withIntermediateDirectories: true)
        try folder.write(
            """
            directories.tokendir = \(folder.file("tokens"))
            objectstore.backend = file
            log.level = ERROR
            slots.removable = false

            """, to: "softhsm2.conf")
        try FileManager.default.createDirectory(atPath: copies, withIntermediateDirectories: true)
        atexit {
            try? FileManager.default.removeItem(atPath: SoftHSM.copies)
            if case .success(let folder) = SoftHSM.tokens { try? FileManager.default.removeItem(atPath: folder.path) }
        }
        setenv("SOFTHSM2_CONF", folder.file("softhsm2.conf"), 1)
        return folder
    }

    /// The path of a copy of the module that nobody else has loaded.
    package static func module() throws -> String {
        _ = try tokens.get()
        guard let library = libraries.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
            throw Missing()
        }
        let copy = "\(copies)/\(count.add(1, ordering: .relaxed).newValue).so"
        try Data(contentsOf: URL(filePath: library)).write(to: URL(filePath: copy))
        return copy
    }

    private static let making = Mutex<Void>(())

    /// Makes a token: one at a time, since a module that finds one half made by another would take it for its own.
    package static func makeToken<Failure: Error>(_ make: () throws(Failure) -> Void) throws(Failure) {
        try making.withLock { _ throws(Failure) in try make() }
    }

    /// The folder of all tokens, for tests that damage one.
    package static var tokenFolder: String { get throws { try tokens.get().file("tokens") } }
}
