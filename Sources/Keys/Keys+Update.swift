import Domain
import Objects
import Operations

struct UpdateKey: OperationInput {
    let name: ObjectName
    let version: ObjectVersion?
    fileprivate let body: Body

    fileprivate struct Body: Decodable {
        let key_ops: [String]?
        let attributes: AttributeParameters?
        let tags: TagParameters?
        let release_policy: KeyParameters.Policy?
    }

    init(_ request: Request) throws(VaultError) {
        name = try request.objectName("key-name")
        version = try request.objectVersion("key-version")
        body = try Body.fromJSON(request.body)
        try body.attributes?.validate()
        try body.tags?.validate(longest: KeyParameters.longestTag)
    }
}

extension Keys {
    /// Changes operations, attributes, tags and the release policy of one version. What the body leaves out stays.
    ///
    /// - Throws: `.keyNotFound`; `.badParameter` for what cannot be changed.
    /// - Source: Azure REST "Update Key".
    func update(_ input: UpdateKey, _ call: Call) async throws(VaultError) -> KeyBundle {
        let table = try table(call)
        let now = call.now.epochSeconds
        let changes = input.body
        let work = work
        let (head, record) = try await call.commit { transaction throws(VaultError) in
            let (head, record) = try table.update(input.name, version: input.version, in: transaction) {
                record throws(VaultError) in
                var key = try KeyVersion(record)
                if key.isManaged {
                    throw VaultError(.forbiddenByVault, "The key belongs to a certificate and is changed with it.")
                }
                try Self.apply(changes, to: &key)
                try record.attributes.apply(changes.attributes, at: now)
                if let tags = changes.tags { record.tags = tags.sorted }
                record.payload = key.encoded()
            }
            if record.version == head.current.version {
                try KeySchedule(table).renew(head, isNew: false, in: transaction)
            }
            if !record.attributes.isEnabled { work.forget(record.version) }
            return (head, record)
        }
        return try KeyBundle(table.vault, head.name, record)
    }

    private static func apply(_ changes: UpdateKey.Body, to key: inout KeyVersion) throws(VaultError) {
        if let exportable = changes.attributes?.exportable, exportable != key.isExportable {
            throw .invalid("attributes.exportable", "it is fixed when a key is made")
        }
        if let operations = try KeyParameters.operations(
            changes.key_ops, for: key.type, isExportable: key.isExportable)
        {
            guard operations.contains(.import) == key.operations.contains(.import) else {
                throw .invalid("key_ops", "a key is made for 'import', or never does it")
            }
            key.operations = operations
        }
        guard let policy = changes.release_policy else { return }
        guard key.isExportable, let old = key.releasePolicy else {
            throw .invalid("release_policy", "it is for keys with the attribute 'exportable'")
        }
        let new = try policy.parsed()
        guard !old.isImmutable || new == old else {
            throw .invalid("release_policy", "it is immutable")
        }
        key.releasePolicy = new
    }
}
