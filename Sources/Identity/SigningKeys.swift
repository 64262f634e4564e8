package import Barrier
package import Cryptography
package import Domain
import FoundationEssentials
import Synchronization

/// A key that signs tokens, from its making until no token of it can live any more.
package struct SigningKey: Sendable {
    package let keyID: String
    package let key: RSAPrivateKey
    package let created: Timestamp
    /// The public half for the JWKS (RFC 7517).
    package let modulus: [UInt8]
    package let exponent: [UInt8]

    package init(keyID: String, key: RSAPrivateKey, created: Timestamp) throws(CryptoError) {
        self.keyID = keyID
        self.key = key
        self.created = created
        (modulus, exponent) = try key.publicNumbers()
    }

    /// Makes an RSA-2048 key; its id is the thumbprint of its public half (RFC 7638).
    package static func make(engine: CryptoEngine, now: Timestamp) throws(CryptoError) -> SigningKey {
        let key = try RSAPrivateKey.generate(bits: 2_048, engine: engine)
        let (n, e) = try key.publicNumbers()
        let text = #"{"e":""# + Base64.encodeURL(e) + #"","kty":"RSA","n":""# + Base64.encodeURL(n) + #""}"#
        return try SigningKey(keyID: Base64.encodeURL(try engine.sha256(Array(text.utf8))), key: key, created: now)
    }
}

/// The signing keys in force, newest last. The newest signs; the others still verify, so that rotation breaks no token.
package final class SigningKeys: Sendable {
    /// How long a key signs.
    package static let rotationInterval: Duration = .days(30)
    /// How long it verifies after its successor was made: longer than any token lives.
    package static let overlap: Duration = .days(2)

    private let current: Mutex<[SigningKey]>

    package init(_ keys: [SigningKey]) { current = Mutex(keys) }

    package var all: [SigningKey] { current.withLock { $0 } }
    package var newest: SigningKey? { current.withLock { $0.last } }
    /// The keys whose tokens may still be shown: the newest, and earlier ones until their overlap ends.
    package func valid(at now: Timestamp) -> [SigningKey] {
        let keys = all
        return keys.indices.filter { $0 + 1 == keys.count || now - keys[$0 + 1].created < Self.overlap }.map {
            keys[$0]
        }
    }

    package func key(_ id: String, at now: Timestamp) -> SigningKey? { valid(at: now).last { $0.keyID == id } }
    package func publish(_ keys: [SigningKey]) { current.withLock { $0 = keys } }

    /// The keys after `next` was made: those whose overlap has ended are gone.
    package func adding(_ next: SigningKey) -> [SigningKey] {
        let keys = all
        return keys.indices.filter { index in
            let successor = index + 1 < keys.count ? keys[index + 1].created : next.created
            return next.created - successor < Self.overlap
        }.map { keys[$0] } + [next]
    }
}

/// The stored signing keys: one record.
package enum SigningKeyTable {
    package static let key = "identity/signing-keys"

    private struct Record: Codable {
        struct Key: Codable {
            let keyID: String
            let pkcs8: String
            let created: Int64
        }

        var format = 1
        let keys: [Key]
    }

    package static func load(from reader: any RecordReader, engine: CryptoEngine) throws(VaultError) -> [SigningKey] {
        guard let bytes = try reader.record(at: key) else { return [] }
        guard let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)), record.format == 1 else {
            throw .integrity(record: key)
        }
        var keys: [SigningKey] = []
        for stored in record.keys {
            guard let pkcs8 = Base64.decode(stored.pkcs8) else { throw .integrity(record: key) }
            do throws(CryptoError) {
                keys.append(
                    try SigningKey(
                        keyID: stored.keyID, key: try RSAPrivateKey(pkcs8: SensitiveBytes(pkcs8), engine: engine),
                        created: Timestamp(nanoseconds: stored.created)))
            } catch { throw .integrity(record: key) }
        }
        return keys
    }

    package static func put(_ keys: [SigningKey], in transaction: Transaction) throws(VaultError) {
        var stored: [Record.Key] = []
        for signing in keys {
            do throws(CryptoError) {
                let pkcs8 = try signing.key.pkcs8().withUnsafeBytes { Base64.encode($0) }
                stored.append(.init(keyID: signing.keyID, pkcs8: pkcs8, created: signing.created.nanoseconds))
            } catch { throw .internal("a signing key could not be encoded") }
        }
        guard let bytes = try? JSONEncoder().encode(Record(keys: stored)) else {
            throw .internal("signing keys could not be encoded")
        }
        try transaction.put(Array(bytes), at: key, in: .system)
    }
}
