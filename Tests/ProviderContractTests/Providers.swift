import Cryptography
import Domain
import ProviderOpenSSL
import ProviderPKCS11
import StrongroomTesting
import Synchronization
import Testing

/// The two who keep the contract.
enum Kind: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case software, hardware

    var testDescription: String { rawValue }
    var other: Kind { self == .software ? .hardware : .software }
}

/// A key that a provider holds, open.
struct HeldKey: Sendable {
    let provider: any CryptoProvider
    let material: KeyMaterial
    let id: [UInt8]
    let key: any CryptoKey

    /// SoftHSM cannot wrap a key on Ed25519: it stays where it was made, and has no backup.
    var canLeave: Bool { material.reference.count > 0 }
}

/// Both providers, made once in a process: the module is on a real token. Keys are made once too where tests only use them.
final class Providers: Sendable {
    static var shared: Providers { get throws { try made.get() } }

    private static let made: Result<Providers, any Error> = Result { try Providers() }

    let software: OpenSSLProvider
    let hardware: PKCS11Provider
    private let engine: CryptoEngine
    private let held = Mutex<[String: HeldKey]>([:])

    private init() throws {
        engine = try CryptoEngine()
        software = try OpenSSLProvider(engine)
        let configuration = TokenConfiguration(
            module: try SoftHSM.module(), label: "contract", pin: SensitiveBytes(SoftHSM.pin.utf8), sessions: 4)
        try SoftHSM.makeToken { try Token.initialize(configuration) }
        hardware = try PKCS11Provider(try Token(configuration), software: software, instance: "contract")
    }

    func provider(_ kind: Kind) -> any CryptoProvider { kind == .software ? software : hardware }

    func newID() throws -> [UInt8] { try engine.random(count: 16) }
    func random(_ count: Int) throws -> [UInt8] { try engine.random(count: count) }
    func secret(_ count: Int) throws -> SensitiveBytes { try engine.randomKey(count: count) }

    /// A new key of a provider.
    func make(
        _ kind: Kind, _ specification: KeySpecification, publicExponent: UInt32 = 65_537, isExportable: Bool = false
    ) throws -> HeldKey {
        let (provider, id) = (provider(kind), try newID())
        let material = try provider.generate(
            specification, publicExponent: publicExponent, id: id, isExportable: isExportable)
        return HeldKey(
            provider: provider, material: material, id: id, key: try provider.open(material, id: id))
    }

    /// Takes a key into a provider.
    func take(_ kind: Kind, _ key: PrivateKey) throws -> HeldKey {
        let (provider, id) = (provider(kind), try newID())
        let material = try provider.importKey(key, id: id, isExportable: false)
        return HeldKey(provider: provider, material: material, id: id, key: try provider.open(material, id: id))
    }

    /// One key in both providers: made in software, and imported into the module.
    func twin(_ kind: Kind, _ specification: KeySpecification) throws -> HeldKey {
        try held.withLock { held in
            let name = "\(kind) \(specification)"
            if let known = held[name] { return known }
            let original = try held["\(Kind.software) \(specification)"] ?? make(.software, specification)
            held["\(Kind.software) \(specification)"] = original
            let copy = try take(.hardware, Self.exported(original))
            held["\(Kind.hardware) \(specification)"] = copy
            return kind == .software ? original : copy
        }
    }

    /// A key of the software provider as it would come in from outside.
    static func exported(_ key: HeldKey) -> PrivateKey {
        switch (key.material.specification, key.material.publicKey) {
        case (.oct, _): return .oct(key.material.reference)
        // The seed ends the PKCS #8 (RFC 8410 §7).
        case (.ed25519, .ed25519(let x)):
            return .ed25519(x: x, d: SensitiveBytes(key.material.reference.array.suffix(32)))
        default: return .pkcs8(key.material.reference)
        }
    }
}

extension SensitiveBytes {
    var array: [UInt8] { withUnsafeBytes { Array($0) } }
}

extension KeySpecification {
    /// Every kind of key there is.
    static let everyOne: [KeySpecification] =
        rsaSizes.map { .rsa(bits: $0) } + EllipticCurve.allCases.map { .ec($0) }
        + (octSizes + hmacSizes).map { .oct(bits: $0) } + [.ed25519]
}

/// An algorithm with a key that it fits, at one of the providers.
struct Use: Sendable, CustomTestStringConvertible {
    let kind: Kind
    let algorithm: KeyAlgorithm
    let specification: KeySpecification

    var testDescription: String { "\(kind.rawValue) \(algorithm.text) \(specification.description)" }

    static func all(for operation: KeyOperation, where isWanted: (KeyAlgorithm) -> Bool = { _ in true }) -> [Use] {
        Kind.allCases.flatMap { kind in
            KeyAlgorithm.all.map(\.algorithm).filter { $0.fits(operation) && isWanted($0) }.flatMap { algorithm in
                KeySpecification.everyOne.filter { algorithm.fits($0) }.map {
                    Use(kind: kind, algorithm: algorithm, specification: $0)
                }
            }
        }
    }
}

/// Expects the one answer that every kind of wrong input gets.
func expectNotAuthentic(
    _ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> SensitiveBytes
) {
    do {
        let opened = try body()
        Issue.record("\(what) opened to \(opened.count) bytes", sourceLocation: sourceLocation)
    } catch CryptoError.notAuthentic {
        // As it should be.
    } catch {
        Issue.record("\(what): \(error)", sourceLocation: sourceLocation)
    }
}

/// Expects a key to be refused, and the refusal to say something to whoever sent it.
func expectMalformed(
    _ what: String, saying text: String = "", sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("\(what) was taken", sourceLocation: sourceLocation)
    } catch CryptoError.malformed(let reason) {
        #expect(!reason.isEmpty && reason.contains(text), "\(what)", sourceLocation: sourceLocation)
    } catch {
        Issue.record("\(what): \(error)", sourceLocation: sourceLocation)
    }
}

extension [UInt8] {
    /// The same with one bit changed.
    func flipped(at index: Int, bit: UInt8 = 0) -> [UInt8] {
        var bytes = self
        bytes[index] ^= 1 << bit
        return bytes
    }
}
