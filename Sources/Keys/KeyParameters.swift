package import Domain
import Objects
package import Operations

/// The members of a body that create, import and update share, with the rules of the API.
package enum KeyParameters {
    static let longestTag = 256
    static let mostOperations = 32

    /// `release_policy` as the wire carries it.
    struct Policy: Decodable, Sendable {
        let contentType: String?
        let data: String?
        let immutable: Bool?

        static let usualContentType = "application/json; charset=utf-8"

        func parsed() throws(VaultError) -> KeyVersion.ReleasePolicy {
            guard let data, let bytes = Base64.decodeURL(data) else {
                throw .invalid("release_policy.data", "it is missing or not base64url")
            }
            _ = try ReleaseGrammar(bytes)
            let type = contentType ?? Self.usualContentType
            guard type.utf16.count <= 255 else { throw .invalid("release_policy.contentType", "it is too long") }
            return KeyVersion.ReleasePolicy(contentType: type, data: bytes, isImmutable: immutable ?? false)
        }
    }

    static func type(_ text: String?) throws(VaultError) -> KeyType {
        guard let text else { throw .badParameter("The request body lacks the member 'kty'.") }
        guard let type = KeyType(text) else {
            throw .invalid("kty", "'\(text.prefix(32))' is not a type of key")
        }
        return type
    }

    static func curve(_ text: String) throws(VaultError) -> EllipticCurve {
        guard let curve = EllipticCurve(text) else {
            throw .invalid("crv", "'\(text.prefix(32))' is not one of P-256, P-384, P-521, P-256K")
        }
        return curve
    }

    /// - Returns: in the order given, each once; nil when the request does not say.
    static func operations(_ texts: [String]?, for type: KeyType, isExportable: Bool) throws(VaultError)
        -> [KeyOperation]?
    {
        guard let texts else { return nil }
        guard texts.count <= mostOperations else { throw .invalid("key_ops", "there are too many") }
        var operations: [KeyOperation] = []
        for text in texts {
            guard let operation = KeyOperation(text) else {
                throw .invalid("key_ops", "'\(text.prefix(32))' is not an operation")
            }
            guard operation.fits(type.family) else {
                throw .invalid("key_ops", "a key of type \(type.text) cannot be used for \(operation.text)")
            }
            if !operations.contains(operation) { operations.append(operation) }
        }
        if operations.contains(.import) {
            guard operations.count == 1 else { throw .invalid("key_ops", "'import' must stand alone") }
            guard type == .rsaHSM else { throw .invalid("key_ops", "'import' is for keys of type RSA-HSM") }
        }
        if operations.contains(.export), !isExportable {
            throw .invalid("key_ops", "'export' is for exportable keys")
        }
        return operations
    }

    /// An exportable key and its release policy come together, and only from a hardware security module.
    static func release(_ attributes: AttributeParameters?, _ policy: Policy?, _ type: KeyType) throws(VaultError)
        -> (isExportable: Bool, policy: KeyVersion.ReleasePolicy?)
    {
        let isExportable = attributes?.exportable ?? false
        guard isExportable || policy != nil else { return (false, nil) }
        guard isExportable else {
            throw .invalid("release_policy", "it is for keys with the attribute 'exportable'")
        }
        guard let policy else {
            throw .invalid("attributes.exportable", "an exportable key needs a release_policy")
        }
        guard type.family != .okp else {
            throw .invalid("attributes.exportable", "a key of type \(type.text) cannot be exportable")
        }
        guard type.isHSM else {
            throw .invalid("attributes.exportable", "only keys in a hardware security module can be exportable")
        }
        return (true, try policy.parsed())
    }

    /// Which type a key has where it goes: pools hold HSM keys only, standard vaults none.
    package static func placed(_ type: KeyType, in vault: Vault) throws(VaultError) -> KeyType {
        switch (vault.service, vault.sku) {
        case (.managedHSM, _):
            return type.inHSM
        case (.vault, .standard) where type.isHSM:
            throw .badParameter(
                "Keys of type \(type.text) are not allowed in a vault of the standard SKU; it takes a premium vault or a managed HSM."
            )
        case (.vault, _):
            guard type != .oct else {
                throw .badParameter("Keys of type oct are not allowed in a vault; use oct-HSM or a managed HSM.")
            }
            return type
        }
    }
}

/// A key by its name.
struct NamedKey: OperationInput {
    let name: ObjectName

    init(_ request: Request) throws(VaultError) { name = try request.objectName("key-name") }
}

/// A key by its name and perhaps its version.
struct VersionedKey: OperationInput {
    let name: ObjectName
    let version: ObjectVersion?

    init(_ request: Request) throws(VaultError) {
        name = try request.objectName("key-name")
        version = try request.objectVersion("key-version")
    }
}
