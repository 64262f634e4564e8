import Barrier
import Domain
import Objects
import Operations

struct RestoreSecret: OperationInput {
    let blob: [UInt8]

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let value: String
        }
        let text = try Body.fromJSON(request.body, limits: .restore(bytes: Secrets.restoreLimit)).value
        guard let blob = Base64.decodeURL(text) else { throw .invalid("value", "it is not base64url") }
        self.blob = blob
    }
}

struct SecretBackup: OperationOutput {
    let blob: [UInt8]

    func response(_ call: Call) -> Response { .json { $0.member("value", Base64.encodeURL(blob)) } }
}

extension Secrets {
    /// A sealed copy of a secret with all its versions, for any vault of a server that holds the same backup key.
    ///
    /// - Throws: `.secretNotFound`; `.badParameter` above 500 past versions.
    /// - Source: Azure REST "Backup Secret".
    func backup(_ input: NamedSecret, _ call: Call) async throws(VaultError) -> SecretBackup {
        let table = try table(call)
        let most = BackupEnvelope.mostPastVersions
        let (name, records) = try call.lane.reader.snapshot { () throws(VaultError) in
            guard let head = try table.head(input.name, in: call.lane.reader) else {
                throw table.notFound(input.name, nil)
            }
            guard try !SecretValue(head.current).isManaged else {
                throw VaultError(.forbiddenByVault, "The secret belongs to a certificate and is backed up with it.")
            }
            guard head.pastVersions <= most else {
                throw .badParameter("The secret has more than \(most) past versions and cannot be backed up.")
            }
            return (head.name, try table.allVersions(of: head, in: call.lane.reader, limit: most))
        }
        return SecretBackup(blob: try backups.seal(name, records))
    }

    /// Puts a backed-up secret into this vault: same name, same versions.
    ///
    /// - Throws: `.badParameter` for a blob that does not open; `.conflict` when the name is taken.
    /// - Source: Azure REST "Restore Secret".
    func restore(_ input: RestoreSecret, _ call: Call) async throws(VaultError) -> SecretBundle {
        let table = try table(call)
        let (name, records, _) = try backups.open(input.blob)
        call.concerns(objectID: "https://\(table.vault.authority)/secrets/\(name)")
        let head = try await call.commit { transaction throws(VaultError) in
            try table.restore(name, records, in: transaction)
        }
        return try SecretBundle(table.vault, head.name, head.current, showsValue: false)
    }
}
