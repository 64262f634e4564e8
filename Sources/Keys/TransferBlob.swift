import Cryptography
import Domain
import FoundationEssentials
import Objects
import Operations
import ProviderOpenSSL

/// A key wrapped for transfer into a hardware security module (BYOK): RSA-OAEP over an AES-256 key, and after it the target key under
/// AES key wrap with padding.
///
/// - Source: Azure "Bring your own key specification" 1.0.0; PKCS #11 CKM_RSA_AES_KEY_WRAP.
struct TransferBlob: Sendable {
    /// Identifier of the key-exchange key.
    let kid: String
    let hash: HashFunction
    let ciphertext: [UInt8]

    private struct Document: Decodable {
        struct Header: Decodable {
            let kid: String
            let alg: String
            let enc: String
        }
        let schema_version: String
        let header: Header
        let ciphertext: String
    }

    /// - Throws: `.badParameter` naming what is wrong.
    init(_ text: String) throws(VaultError) {
        guard let json = Base64.decodeURL(text), json.count <= 64 << 10 else {
            throw .invalid("key.key_hsm", "it is not base64url")
        }
        let document = try Document.fromJSON(json)
        guard document.schema_version == "1.0.0" || document.schema_version == "1.0" else {
            throw .invalid("key.key_hsm", "its schema_version is not 1.0.0")
        }
        guard document.header.alg == "dir" else { throw .invalid("key.key_hsm", "its header.alg is not dir") }
        guard document.header.enc == "CKM_RSA_AES_KEY_WRAP" else {
            throw .invalid("key.key_hsm", "its header.enc is not CKM_RSA_AES_KEY_WRAP")
        }
        guard let bytes = Base64.decodeURL(document.ciphertext) else {
            throw .invalid("key.key_hsm", "its ciphertext is not base64url")
        }
        kid = document.header.kid
        hash = .sha1
        ciphertext = bytes
    }

    /// The same wrap with a key and a hash, for release.
    static func seal(
        _ hash: HashFunction, for recipient: any CryptoKey, key: SensitiveBytes, wrapped: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        var parameters = CipherParameters()
        let head = try recipient.encrypt(key.withUnsafeBytes { Array($0) }, .rsaOAEP(hash), &parameters)
        return head + wrapped
    }
}

extension Keys {
    /// Opens a transfer blob with the key-exchange key that it names, which must be in the same vault.
    ///
    /// - Throws: `.badParameter`, the neutral one for everything that does not decrypt.
    func open(_ blob: TransferBlob, as type: KeyType, _ table: ObjectTable, _ call: Call) async throws(VaultError)
        -> PrivateKey
    {
        guard blob.kid.hasPrefix(table.vault.keysURL) else {
            throw .invalid("key.key_hsm", "the key-exchange key is not in this vault")
        }
        let parts = blob.kid.dropFirst(table.vault.keysURL.count).split(
            separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let name = ObjectName(parts[0]), let version = ObjectVersion(parts[1]) else {
            throw .invalid("key.key_hsm", "its header.kid is not the identifier of a version of a key")
        }
        let (_, record) = try table.record(name, version: version, in: call.lane.reader)
        let exchange = try KeyVersion(record)
        guard exchange.type == .rsaHSM, exchange.operations == [.import] else {
            throw .invalid(
                "key.key_hsm", "header.kid is not a key-exchange key: an RSA-HSM key with the operation import alone")
        }
        guard record.attributes.isEnabled else {
            throw VaultError(.keyDisabled, "Operation import is not allowed on a disabled key.")
        }
        guard case .rsa(let bits) = exchange.specification, blob.ciphertext.count > bits / 8 else {
            throw .notAuthentic
        }
        let software = work.software
        let family = type.family
        return try await work.use(exchange, version, for: .unwrapKey, call) { key throws(CryptoError) in
            let inner = try key.decrypt(
                Array(blob.ciphertext[..<(bits / 8)]), .rsaOAEP(blob.hash), CipherParameters())
            guard inner.count == 32 else { throw .notAuthentic }
            let target = try software.ephemeral(inner).decrypt(
                Array(blob.ciphertext[(bits / 8)...]), .ckmAESKeyWrapPad, CipherParameters())
            return family == .oct ? .oct(target) : .pkcs8(target)
        }
    }
}
