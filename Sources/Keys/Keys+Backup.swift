import Barrier
import Cryptography
import Domain
import Objects
import Operations

struct RestoreKey: OperationInput {
    let blob: [UInt8]

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let value: String
        }
        let text = try Body.fromJSON(request.body, limits: .restore(bytes: Keys.restoreLimit)).value
        guard let blob = Base64.decodeURL(text) else { throw .invalid("value", "it is not base64url") }
        self.blob = blob
    }
}

struct KeyBackup: OperationOutput {
    let blob: [UInt8]

    func response(_ call: Call) -> Response { .json { $0.member("value", Base64.encodeURL(blob)) } }
}

extension Keys {
    /// A sealed copy of a key with all its versions and its rotation policy. What is in a hardware security module goes in wrapped by a
    /// key of the module.
    ///
    /// - Throws: `.keyNotFound`; `.badParameter` above 500 past versions.
    /// - Source: Azure REST "Backup Key".
    func backup(_ input: NamedKey, _ call: Call) async throws(VaultError) -> KeyBackup {
        let table = try table(call)
        let most = BackupEnvelope.mostPastVersions
        let (name, records, policy) = try call.lane.reader.snapshot { () throws(VaultError) in
            guard let head = try table.head(input.name, in: call.lane.reader) else {
                throw table.notFound(input.name, nil)
            }
            guard try !KeyVersion(head.current).isManaged else {
                throw VaultError(.forbiddenByVault, "The key belongs to a certificate and is backed up with it.")
            }
            guard head.pastVersions <= most else {
                throw .badParameter("The key has more than \(most) past versions and cannot be backed up.")
            }
            return (
                head.name, try table.allVersions(of: head, in: call.lane.reader, limit: most),
                try table.companion(Self.rotationCompanion, of: head.name, in: call.lane.reader)
            )
        }
        for record in records {
            let key = try KeyVersion(record)
            guard !key.type.isHSM || key.material.reference.count > 0 else {
                throw .badParameter(
                    "The hardware security module cannot wrap keys of type \(key.type.text); they have no backup.")
            }
        }
        return KeyBackup(blob: try backups.seal(name, records, extra: Self.origin(table.vault, policy)))
    }

    /// What a backup says besides the versions: from which service it is, and the rotation policy.
    private static func origin(_ vault: Vault, _ policy: [UInt8]?) -> [UInt8] {
        var writer = ByteWriter()
        writer.byte(1)
        writer.byte(vault.service == .managedHSM ? 2 : 1)
        writer.blob(policy ?? [])
        return writer.bytes
    }

    /// Puts a backed-up key into this vault: same name, same versions.
    ///
    /// - Throws: `.badParameter` for a blob that does not open, or that another module's key wraps; `.conflict` when the name is
    ///   taken.
    /// - Source: Azure REST "Restore Key".
    func restore(_ input: RestoreKey, _ call: Call) async throws(VaultError) -> KeyBundle {
        let table = try table(call)
        let (name, stored, extra) = try backups.open(input.blob)
        var reader = ByteReader(extra)
        guard reader.byte() == 1, let service = reader.byte(), let policy = reader.blob(), reader.isAtEnd else {
            throw backups.refused
        }
        guard (service == 2) == (table.vault.service == .managedHSM) else {
            throw .badParameter(
                "A backup of a vault's key restores into a vault, that of a managed HSM's into a managed HSM.")
        }
        call.concerns(objectID: table.vault.keysURL + name.spelling)
        if try table.head(name, in: call.lane.reader) != nil { throw table.exists(name) }
        try requireRoom(name, table, call)
        let records = try await adopt(stored, table, call)
        let rotation = Array(policy)
        let work = work
        do throws(VaultError) {
            let head = try await call.commit { transaction throws(VaultError) in
                let head = try table.restore(name, records, in: transaction)
                if !rotation.isEmpty {
                    try table.putCompanion(Self.rotationCompanion, of: name, rotation, in: transaction)
                }
                try KeySchedule(table).renew(head, isNew: false, in: transaction)
                for record in records { work.forget(record.version) }
                return head
            }
            return try KeyBundle(table.vault, head.name, head.current)
        } catch {
            for record in records {
                guard let key = try? KeyVersion(record), key.type.isHSM else { continue }
                try? work.provider(of: key.type).destroy(key.material, id: record.version.bytes)
            }
            throw error
        }
    }

    /// Brings the versions of a backup into their providers here.
    private func adopt(_ records: [ObjectRecord], _ table: ObjectTable, _ call: Call) async throws(VaultError)
        -> [ObjectRecord]
    {
        var adopted: [ObjectRecord] = []
        for var record in records {
            let key = try KeyVersion(record)
            _ = try KeyParameters.placed(key.type, in: table.vault)
            if key.type.isHSM {
                let version = record.version
                let material = try await work.make(nil, key.type, call) { provider throws(CryptoError) in
                    try provider.adopt(key.material, id: version.bytes, isExportable: key.isExportable)
                }
                record.payload =
                    KeyVersion(
                        type: key.type, operations: key.operations, material: material, isExportable: key.isExportable,
                        releasePolicy: key.releasePolicy, origin: key.origin, isManaged: key.isManaged
                    ).encoded()
            }
            adopted.append(record)
        }
        return adopted
    }
}
