import Domain
import Objects
import Operations

struct NamedSecret: OperationInput {
    let name: ObjectName

    init(_ request: Request) throws(VaultError) { name = try request.objectName("secret-name") }
}

extension Secrets {
    /// Soft-deletes a secret with all its versions.
    ///
    /// - Source: Azure REST "Delete Secret".
    func delete(_ input: NamedSecret, _ call: Call) async throws(VaultError) -> DeletedSecretBundle {
        let table = try table(call)
        let now = call.now
        let object = try await call.commit { transaction throws(VaultError) in
            if let head = try table.head(input.name, in: transaction) { try Self.requireUnmanaged(head) }
            return try table.delete(input.name, at: now, in: transaction)
        }
        return try DeletedSecretBundle(table.vault, object)
    }

    /// - Throws: `.secretNotFound`.
    /// - Source: Azure REST "Get Deleted Secret".
    func getDeleted(_ input: NamedSecret, _ call: Call) async throws(VaultError) -> DeletedSecretBundle {
        let table = try table(call)
        guard let object = try table.deleted(input.name, in: call.lane.reader) else {
            throw table.deletedNotFound(input.name)
        }
        return try DeletedSecretBundle(table.vault, object)
    }

    /// Brings a deleted secret back with all its versions.
    ///
    /// - Throws: `.secretNotFound`.
    /// - Source: Azure REST "Recover Deleted Secret".
    func recover(_ input: NamedSecret, _ call: Call) async throws(VaultError) -> SecretBundle {
        let table = try table(call)
        let head = try await call.commit { transaction throws(VaultError) in
            if let object = try table.deleted(input.name, in: transaction) { try Self.requireUnmanaged(object.head) }
            return try table.recover(input.name, in: transaction)
        }
        return try SecretBundle(table.vault, head.name, head.current, showsValue: false)
    }

    /// Removes a deleted secret for good.
    ///
    /// - Throws: `.secretNotFound`; `.forbiddenByVault` under purge protection.
    /// - Source: Azure REST "Purge Deleted Secret".
    func purge(_ input: NamedSecret, _ call: Call) async throws(VaultError) -> NoContent {
        let table = try table(call)
        try await call.commit { transaction throws(VaultError) in
            if let object = try table.deleted(input.name, in: transaction) { try Self.requireUnmanaged(object.head) }
            try table.purge(input.name, in: transaction)
        }
        return NoContent()
    }

    /// The duty written at deletion. Does nothing when the secret was recovered or purged meanwhile.
    func purgeIfDue(_ input: NamedSecret, _ call: Call) async throws(VaultError) -> NoContent {
        let table = try table(call)
        let now = call.now
        call.concerns(objectID: "https://\(table.vault.authority)/secrets/\(input.name)")
        _ = try await call.commit { transaction throws(VaultError) in
            try table.purgeIfDue(input.name, at: now, in: transaction)
        }
        return NoContent()
    }

    /// The secret of a certificate changes and goes with it.
    static func requireUnmanaged(_ head: ObjectHead) throws(VaultError) { try requireUnmanaged(head.current) }

    static func requireUnmanaged(_ record: ObjectRecord) throws(VaultError) {
        guard try SecretValue(record).isManaged else { return }
        throw VaultError(.forbiddenByVault, "The secret belongs to a certificate and is changed with it.")
    }
}
