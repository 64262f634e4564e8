package import Domain
package import Operations

/// What the bundles of all kinds of objects have in common on the wire.
package enum ObjectJSON {
    /// - Parameter more: attributes of one kind only, after the common ones.
    package static func writeAttributes(
        _ attributes: ObjectAttributes, _ vault: Vault, _ version: APIVersion, to bundle: inout JSONWriter,
        more: (inout JSONWriter) -> Void = { _ in }
    ) {
        bundle.object("attributes") { writer in
            writer.member("enabled", attributes.isEnabled)
            if let time = attributes.notBefore { writer.member("nbf", time) }
            if let time = attributes.expires { writer.member("exp", time) }
            writer.member("created", attributes.created)
            writer.member("updated", attributes.updated)
            writer.member("recoveryLevel", vault.recoveryLevel)
            if version >= .v7_1preview { writer.member("recoverableDays", vault.retentionDays) }
            more(&writer)
        }
    }

    package static func writeTags(_ tags: [ObjectRecord.Tag], to bundle: inout JSONWriter) {
        bundle.object("tags") { writer in
            for tag in tags { writer.member(named: tag.name, tag.value) }
        }
    }

    package static func writeDeletion(
        _ object: DeletedObject, _ kind: ObjectKind, _ vault: Vault, to bundle: inout JSONWriter
    ) {
        bundle.member("recoveryId", "https://\(vault.authority)/deleted\(kind.collection)/\(object.head.name)")
        bundle.member("deletedDate", object.deleted)
        bundle.member("scheduledPurgeDate", object.scheduledPurge)
    }
}

extension Array {
    /// `map` that keeps the type of the error.
    package func mapTyped<Value, Failure: Error>(_ transform: (Element) throws(Failure) -> Value) throws(Failure)
        -> [Value]
    {
        var values: [Value] = []
        values.reserveCapacity(count)
        for element in self { values.append(try transform(element)) }
        return values
    }
}
