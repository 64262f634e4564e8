import Cryptography
import Domain
import Objects
import Operations

extension Keys {
    /// The key with a statement of where it is kept: what the module reports of its object, signed by the server.
    ///
    /// - Throws: `.badParameter` for a key in software.
    /// - Source: Azure REST "Get Key Attestation".
    func attest(_ input: VersionedKey, _ call: Call) async throws(VaultError) -> KeyBundle {
        let table = try table(call)
        let (head, record) = try table.record(input.name, version: input.version, in: call.lane.reader)
        var bundle = try KeyBundle(table.vault, head.name, record)
        let key = bundle.key
        guard key.type.isHSM else {
            throw .badParameter(
                "Only a key in a hardware security module can be attested; this one is of type \(key.type.text).")
        }
        let (flags, model, serial) = try await work.askHardware(call) { module throws(CryptoError) in
            let (model, serial) = try module.information()
            return (try module.flags(of: key.material, id: record.version.bytes), model, serial)
        }
        let kid = "\(table.vault.keysURL)\(head.name)/\(record.version)"
        do throws(CryptoError) {
            bundle.attestation = KeyAttestation(
                certificatePEM: Array(statements.certificatePEM.utf8),
                privateKey: Array(
                    try statements.sign(
                        Self.statement(kid, key, call.now, isPrivate: true) { writer in
                            writer.object("module") { module in
                                module.member("model", model)
                                module.member("serialNumber", serial)
                            }
                            writer.object("attributes") { list in
                                for flag in flags { list.member(named: flag.name, flag.value) }
                            }
                        }
                    ).utf8),
                publicKey: key.type.isAsymmetric
                    ? Array(
                        try statements.sign(Self.statement(kid, key, call.now, isPrivate: false) { _ in }).utf8) : nil,
                version: "1.0")
        } catch { throw VaultError(error) }
        return bundle
    }

    private static func statement(
        _ kid: String, _ key: KeyVersion, _ now: Timestamp, isPrivate: Bool, _ more: (inout JSONWriter) -> Void
    ) -> [UInt8] {
        var writer = JSONWriter(reserving: 1_024)
        writer.object { statement in
            statement.member("kid", kid)
            statement.member("part", isPrivate ? "private" : "public")
            statement.member("iat", now.epochSeconds)
            statement.member("exportable", key.isExportable)
            statement.member("origin", key.origin == .imported ? "imported" : "generated")
            statement.object("key") { key.writeJWK(to: &$0) }
            more(&statement)
        }
        return writer.bytes
    }
}
