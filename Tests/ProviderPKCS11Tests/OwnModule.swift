import Cryptography
import Domain
import FoundationEssentials
import ProviderOpenSSL
import ProviderPKCS11
import StrongroomTesting
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// A token of a test's own in a module of its own, which it may start anew, damage and fill as it likes.
final class OwnModule {
    static let user = SensitiveBytes(SoftHSM.pin.utf8)

    let configuration: TokenConfiguration
    let token: Token
    let software: OpenSSLProvider
    let provider: PKCS11Provider
    let engine: CryptoEngine

    init(label: String = "own", sessions: Int = 4) throws {
        engine = try CryptoEngine()
        software = try OpenSSLProvider(engine)
        // Labels are told apart in the whole folder, which modules share.
        let unique = "\(label)-\(Hex.encode(try engine.random(count: 6)))"
        configuration = TokenConfiguration(
            module: try SoftHSM.module(), label: unique, pin: Self.user, sessions: sessions)
        let configuration = configuration
        try SoftHSM.makeToken { try Token.initialize(configuration) }
        token = try Self.connect(configuration)
        provider = try PKCS11Provider(token, software: software, instance: "one")
    }

    /// Modules share a folder in which the tokens of other tests come and go while one looks through it.
    static func connect(_ configuration: TokenConfiguration) throws -> Token {
        for _ in 0..<50 {
            if let token = try? Token(configuration) { return token }
            usleep(100_000)
        }
        return try Token(configuration)
    }

    func newID() throws -> [UInt8] { try engine.random(count: 16) }

    func make(_ specification: KeySpecification) throws -> (material: KeyMaterial, id: [UInt8]) {
        let id = try newID()
        return (
            try provider.generate(specification, publicExponent: 65_537, id: id, isExportable: false), id
        )
    }

    /// Starts the module anew behind the back of everybody who uses it, as another part of a process could.
    func restartModule() throws { _ = try Token(configuration) }

    /// Where SoftHSM keeps the token.
    func folder() throws -> String {
        let serial = try provider.information().serialNumber
        let all = try FileManager.default.contentsOfDirectory(atPath: try SoftHSM.tokenFolder)
        let name = try #require(all.first { $0.filter { $0 != "-" }.hasSuffix(serial) })
        return try SoftHSM.tokenFolder + "/" + name
    }
}

/// Whether `body` threw that the module or its token is not there.
func isAbsent(_ body: () throws -> Void) -> Bool {
    do {
        try body()
        return false
    } catch CryptoError.absent {
        return true
    } catch {
        return false
    }
}
