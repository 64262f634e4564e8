import Cryptography
import Domain
import Objects
import Operations
import ProviderOpenSSL

struct ReleaseKey: OperationInput {
    /// How the key is wrapped for the environment.
    enum Wrapping: String, Sendable, CaseIterable {
        case sha1 = "CKM_RSA_AES_KEY_WRAP"
        case sha256 = "RSA_AES_KEY_WRAP_256"
        case sha384 = "RSA_AES_KEY_WRAP_384"

        var hash: HashFunction {
            switch self {
            case .sha1: .sha1
            case .sha256: .sha256
            case .sha384: .sha384
            }
        }
    }

    let name: ObjectName
    let version: ObjectVersion?
    let target: String
    let nonce: String?
    let wrapping: Wrapping

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let target: String?
            let nonce: String?
            let enc: String?
        }
        name = try request.objectName("key-name")
        version = try request.objectVersion("key-version")
        let body = try Body.fromJSON(request.body)
        guard let target = body.target, !target.isEmpty else {
            throw .badParameter("The request body lacks the member 'target'.")
        }
        if let nonce = body.nonce, nonce.utf8.count > 1_024 { throw .invalid("nonce", "it is longer than 1024 bytes") }
        guard let wrapping = body.enc.map({ Wrapping(rawValue: $0) }) ?? .sha256 else {
            throw .invalid("enc", "it is not one of " + Wrapping.allCases.map(\.rawValue).joined(separator: ", "))
        }
        self.target = target
        nonce = body.nonce
        self.wrapping = wrapping
    }
}

struct ReleasedKey: OperationOutput {
    let value: String

    func response(_ call: Call) -> Response { .json { $0.member("value", value) } }
}

extension Keys {
    /// Gives an exportable key to an environment that a trusted authority vouches for, wrapped with the environment's own key.
    ///
    /// - Throws: `.forbiddenByVault` when the statement does not hold or does not fulfil the policy.
    /// - Source: Azure REST "Release".
    func release(_ input: ReleaseKey, _ call: Call) async throws(VaultError) -> ReleasedKey {
        let table = try table(call)
        let (head, record) = try table.record(input.name, version: input.version, in: call.lane.reader)
        let key = try KeyVersion(record)
        let kid = "\(table.vault.keysURL)\(head.name)/\(record.version)"
        call.concerns(objectID: kid)
        guard record.attributes.isEnabled else {
            throw VaultError(.keyDisabled, "Operation release is not allowed on a disabled key.")
        }
        guard key.isExportable, let policy = key.releasePolicy else {
            throw VaultError(.forbiddenByVault, "Operation release is not allowed on a key that is not exportable.")
        }
        let statement = try await authorities.verify(input.target, now: call.now)
        guard try ReleaseGrammar(policy.data).isFulfilled(by: statement.claims, of: statement.authority) else {
            throw AttestationAuthorities.refused("its claims do not fulfil the release policy of the key")
        }
        let (recipientID, recipient) = try recipient(statement.claims)
        let wrapped = try await wrap(key, record.version, for: recipient, input.wrapping.hash, call)
        let payload = Self.payload(input, kid, recipientID, wrapped, key, policy, record, call)
        do throws(CryptoError) { return ReleasedKey(value: try statements.sign(payload)) } catch {
            throw VaultError(error)
        }
    }

    /// The environment's RSA key, which the authority put into the statement.
    private func recipient(_ claims: ClaimSet) throws(VaultError) -> (id: String, key: any CryptoKey) {
        let runtime = claims["x-ms-runtime"] ?? claims["x-ms-isolation-tee"]?["x-ms-runtime"]
        for key in runtime?["keys"]?.elements ?? [] {
            let operations = key["key_ops"]?.elements?.compactMap(\.text)
            guard key["kty"]?.text == "RSA", let id = key["kid"]?.text,
                operations.map({ $0.contains("encrypt") || $0.contains("wrapKey") }) ?? (key["use"]?.text != "sig"),
                let n = key["n"]?.text.flatMap({ Base64.decodeURL($0) }), (256...1_024).contains(n.count),
                let e = key["e"]?.text.flatMap({ Base64.decodeURL($0) }), (1...8).contains(e.count),
                // SP 800-56B §6.4.1: an odd modulus, an odd exponent above one.
                (n.last ?? 0) & 1 == 1, (e.last ?? 0) & 1 == 1, e.drop(while: { $0 == 0 }) != [1],
                let opened = try? work.software.openPublic(.rsa(n: n, e: e))
            else { continue }
            return (id, opened)
        }
        throw AttestationAuthorities.refused("it holds no RSA key of the environment")
    }

    private func wrap(
        _ key: KeyVersion, _ version: ObjectVersion, for recipient: any CryptoKey, _ hash: HashFunction, _ call: Call
    ) async throws(VaultError) -> [UInt8] {
        let software = work.software
        return try await work.make(nil, key.type, call) { provider throws(CryptoError) in
            let transport = try software.makeSecret(count: 32)
            let wrapped = try provider.export(key.material, id: version.bytes, wrappedBy: transport)
            return try TransferBlob.seal(hash, for: recipient, key: transport, wrapped: wrapped)
        }
    }

    private static func payload(
        _ input: ReleaseKey, _ kid: String, _ recipient: String, _ wrapped: [UInt8], _ key: KeyVersion,
        _ policy: KeyVersion.ReleasePolicy, _ record: ObjectRecord, _ call: Call
    ) -> [UInt8] {
        var blob = JSONWriter(reserving: wrapped.count * 2)
        blob.object { document in
            document.member("schema_version", "1.0")
            document.object("header") { header in
                header.member("kid", recipient)
                header.member("alg", "dir")
                header.member("enc", input.wrapping.rawValue)
            }
            document.member("ciphertext", Base64.encodeURL(wrapped))
        }
        var writer = JSONWriter(reserving: 4_096)
        writer.object { payload in
            payload.object("request") { request in
                request.member("api-version", call.apiVersion.text)
                request.member("enc", input.wrapping.rawValue)
                request.member("kid", kid)
                if let nonce = input.nonce { request.member("nonce", nonce) }
            }
            payload.object("response") { response in
                response.object("key") { bundle in
                    bundle.object("key") { jwk in
                        jwk.member("kid", kid)
                        key.writeJWK(to: &jwk)
                        jwk.member("key_hsm", Base64.encodeURL(blob.bytes))
                    }
                    bundle.object("attributes") { attributes in
                        attributes.member("enabled", record.attributes.isEnabled)
                        if let time = record.attributes.notBefore { attributes.member("nbf", time) }
                        if let time = record.attributes.expires { attributes.member("exp", time) }
                        attributes.member("created", record.attributes.created)
                        attributes.member("updated", record.attributes.updated)
                        attributes.member("exportable", true)
                    }
                    bundle.object("release_policy") { document in
                        document.member("data", Base64.encodeURL(policy.data))
                        document.member("immutable", policy.isImmutable)
                    }
                }
            }
        }
        return writer.bytes
    }
}
