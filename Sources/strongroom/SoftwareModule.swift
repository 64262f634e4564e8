import Cryptography
import Domain
import House
import ProviderPKCS11

#if canImport(Glibc)
    import Glibc
#endif

/// The hardware security module of an evaluation server: a SoftHSM token in its own folder, made at the first start.
struct SoftwareModule {
    let folder: DataFolder
    let engine: CryptoEngine

    private static let modules = [
        "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so",
        "/usr/lib64/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so",
    ]

    /// SoftHSM works on the processors of this machine: more sessions than those can use only take turns.
    private static let sessions = max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN))) + 1

    /// - Returns: nil when the machine has no SoftHSM; then keys in hardware are refused.
    func prepare() throws -> Token? {
        guard let module = Self.modules.first(where: { access($0, R_OK) == 0 }) else {
            StandardError.line("SoftHSM is not installed (Debian: softhsm2): keys of the -HSM types are not available")
            return nil
        }
        let tokens = folder.absolute("hsm")
        if mkdir(tokens, 0o700) != 0, errno != EEXIST {
            throw CommandFailure("'\(tokens)' cannot be made: \(String(cString: strerror(errno)))")
        }
        try folder.write(
            """
            directories.tokendir = \(tokens)
            objectstore.backend = file
            log.level = ERROR
            slots.removable = false

            """.utf8, to: "softhsm2.conf", mode: 0o600)
        // The module reads it when it is loaded; no other thread has been started that could read the environment.
        setenv("SOFTHSM2_CONF", folder.absolute("softhsm2.conf"), 1)
        let configuration = TokenConfiguration(
            module: module, label: "strongroom", pin: try pin(), sessions: Self.sessions)
        do throws(CryptoError) {
            try Token.initialize(configuration)
            return try Token(configuration)
        } catch {
            throw CommandFailure("the SoftHSM token in '\(tokens)' cannot be used: \(error)")
        }
    }

    private func pin() throws -> SensitiveBytes {
        let name = "hsm-pin"
        if let bytes = folder.read(name) {
            guard (4...64).contains(bytes.count) else {
                throw CommandFailure.configuration("'\(folder.file(name))' is not a PIN of 4 to 64 characters")
            }
            return SensitiveBytes(bytes)
        }
        let pin = Base64.encodeURL(try engine.random(count: 18))
        try folder.write(pin.utf8, to: name, mode: 0o600)
        return SensitiveBytes(pin.utf8)
    }
}
