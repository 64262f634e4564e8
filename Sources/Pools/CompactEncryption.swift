package import Cryptography
package import Domain
package import ProviderOpenSSL

/// JSON Web Encryption in compact form (RFC 7516 §3.1) with AES-256-CBC and HMAC-SHA-512 (RFC 7518 §5.2.5), the one content encryption
/// that security domains use.
package struct CompactEncryption: Sendable {
    private static let algorithm = "A256CBC-HS512"
    private static let mostBytes = 1 << 20

    private let engine: CryptoEngine
    private let software: OpenSSLProvider

    package init(engine: CryptoEngine, software: OpenSSLProvider) { (self.engine, self.software) = (engine, software) }

    /// Encrypts under a key of 64 bytes that both sides have (`dir`).
    package func seal(_ text: SensitiveBytes, key: SensitiveBytes, keyID: String) throws(CryptoError) -> String {
        try seal(text, key, encryptedKey: [], header: [("alg", "dir"), ("enc", Self.algorithm), ("kid", keyID)])
    }

    /// Encrypts for the holder of an RSA key (`RSA-OAEP-256`).
    package func seal(_ text: SensitiveBytes, for recipient: PublicKey, keyID: String) throws(CryptoError) -> String {
        let key = try engine.randomKey(count: 64)
        var parameters = CipherParameters()
        let wrapped = try software.openPublic(recipient).encrypt(
            key.withUnsafeBytes { Array($0) }, .rsaOAEP(.sha256), &parameters)
        return try seal(
            text, key, encryptedKey: wrapped,
            header: [("alg", "RSA-OAEP-256"), ("enc", Self.algorithm), ("kid", keyID)])
    }

    private func seal(
        _ text: SensitiveBytes, _ key: SensitiveBytes, encryptedKey: [UInt8], header: [(String, String)]
    ) throws(CryptoError) -> String {
        guard key.count == 64 else { throw .failed("a key of another length") }
        var json = JSONWriter()
        json.object { object in for (name, value) in header { object.member(named: name, value) } }
        let protected = Base64.encodeURL(json.bytes)
        var parameters = CipherParameters(iv: try engine.random(count: 16))
        let sealed = try cipher(key).encrypt(
            text.withUnsafeBytes { Array($0) }, .aesCBCPad(bits: 256), &parameters)
        let tag = try tag(protected, parameters.iv, sealed, key)
        return [
            protected, Base64.encodeURL(encryptedKey), Base64.encodeURL(parameters.iv), Base64.encodeURL(sealed),
            Base64.encodeURL(tag),
        ].joined(separator: ".")
    }

    /// - Throws: `.notAuthentic`, for every reason alike.
    package func open(_ compact: String, key: SensitiveBytes) throws(CryptoError) -> SensitiveBytes {
        let parts = try Parts(compact)
        guard parts.header.alg == "dir", parts.encryptedKey.isEmpty, key.count == 64 else { throw .notAuthentic }
        return try open(parts, key)
    }

    /// - Throws: `.notAuthentic`, for every reason alike.
    package func open(_ compact: String, recipient: any CryptoKey) throws(CryptoError) -> SensitiveBytes {
        let parts = try Parts(compact)
        guard parts.header.alg == "RSA-OAEP-256" else { throw .notAuthentic }
        let key = try recipient.decrypt(parts.encryptedKey, .rsaOAEP(.sha256), CipherParameters())
        guard key.count == 64 else { throw .notAuthentic }
        return try open(parts, key)
    }

    private func open(_ parts: Parts, _ key: SensitiveBytes) throws(CryptoError) -> SensitiveBytes {
        guard constantTimeEqual(try tag(parts.protected, parts.iv, parts.text, key), parts.tag) else {
            throw .notAuthentic
        }
        return try cipher(key).decrypt(parts.text, .aesCBCPad(bits: 256), CipherParameters(iv: parts.iv))
    }

    private func cipher(_ key: SensitiveBytes) -> any CryptoKey {
        software.ephemeral(key.withUnsafeBytes { SensitiveBytes($0[32...]) })
    }

    private func tag(_ protected: String, _ iv: [UInt8], _ text: [UInt8], _ key: SensitiveBytes) throws(CryptoError)
        -> [UInt8]
    {
        let bits = UInt64(protected.utf8.count) * 8
        let length = (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt64($0))) }
        let authentication = software.ephemeral(key.withUnsafeBytes { SensitiveBytes($0[..<32]) })
        return Array(try authentication.sign(Array(protected.utf8) + iv + text + length, .hmac(.sha512)).prefix(32))
    }

    private struct Parts {
        struct Header: Decodable {
            let alg: String
            let enc: String
            let zip: String?
            let crit: [String]?
        }

        let protected: String
        let header: Header
        let encryptedKey: [UInt8]
        let iv: [UInt8]
        let text: [UInt8]
        let tag: [UInt8]

        init(_ compact: String) throws(CryptoError) {
            let parts = compact.split(separator: ".", omittingEmptySubsequences: false)
            guard compact.utf8.count <= CompactEncryption.mostBytes, parts.count == 5,
                let header = Base64.decodeURL(parts[0]), let encryptedKey = Base64.decodeURL(parts[1]),
                let iv = Base64.decodeURL(parts[2]), iv.count == 16, let text = Base64.decodeURL(parts[3]),
                let tag = Base64.decodeURL(parts[4]), let decoded = try? Header.fromJSON(header),
                decoded.enc == CompactEncryption.algorithm, decoded.zip == nil, decoded.crit == nil
            else { throw .notAuthentic }
            (protected, self.header, self.encryptedKey) = (String(parts[0]), decoded, encryptedKey)
            (self.iv, self.text, self.tag) = (iv, text, tag)
        }
    }
}
