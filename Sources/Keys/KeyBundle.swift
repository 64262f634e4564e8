import Domain
import Objects
import Operations

/// A version of a key as the API shows it: never a private part.
struct KeyBundle: OperationOutput {
    let vault: Vault
    let name: ObjectName
    let record: ObjectRecord
    let key: KeyVersion
    var attestation: KeyAttestation?

    init(_ vault: Vault, _ name: ObjectName, _ record: ObjectRecord) throws(VaultError) {
        self.vault = vault
        self.name = name
        self.record = record
        key = try KeyVersion(record)
    }

    func response(_ call: Call) -> Response {
        var writer = JSONWriter(reserving: 1_280)
        writer.object { write(to: &$0, call.apiVersion) }
        return Response(status: 200, body: writer.bytes)
    }

    func write(to bundle: inout JSONWriter, _ version: APIVersion) {
        bundle.object("key") { key.writeJWK(kid: (vault.keysURL, name.spelling, record.version), to: &$0) }
        KeyJSON.writeAttributes(record, key, vault, version, attestation: attestation, to: &bundle)
        KeyJSON.writeRest(record, key, to: &bundle)
    }
}

enum KeyJSON {
    static func writeAttributes(
        _ record: ObjectRecord, _ key: KeyVersion, _ vault: Vault, _ version: APIVersion,
        attestation: KeyAttestation? = nil, to bundle: inout JSONWriter
    ) {
        ObjectJSON.writeAttributes(record.attributes, vault, version, to: &bundle) { writer in
            if version >= .v7_2preview { writer.member("exportable", key.isExportable) }
            if version >= .v7_5preview1 { writer.member("hsmPlatform", key.type.isHSM ? "2" : "0") }
            attestation?.write(to: &writer)
        }
    }

    static func writeRest(_ record: ObjectRecord, _ key: KeyVersion, to bundle: inout JSONWriter) {
        if let tags = record.tags { ObjectJSON.writeTags(tags, to: &bundle) }
        if key.isManaged { bundle.member("managed", true) }
        if let policy = key.releasePolicy {
            bundle.object("release_policy") { writer in
                writer.member("contentType", policy.contentType)
                writer.member("data", Base64.encodeURL(policy.data))
                writer.member("immutable", policy.isImmutable)
            }
        }
    }
}

/// A deleted key: its newest version, and how long it can be recovered.
struct DeletedKeyBundle: OperationOutput {
    let bundle: KeyBundle
    let object: DeletedObject

    init(_ vault: Vault, _ object: DeletedObject) throws(VaultError) {
        bundle = try KeyBundle(vault, object.head.name, object.head.current)
        self.object = object
    }

    func response(_ call: Call) -> Response {
        .json { writer in
            ObjectJSON.writeDeletion(object, Keys.kind, bundle.vault, to: &writer)
            bundle.write(to: &writer, call.apiVersion)
        }
    }
}

/// `{"value":[…],"nextLink":…}`, the link null on the last page.
struct KeyList: OperationOutput {
    struct Item: Sendable {
        let name: ObjectName
        /// Part of the identifier in lists of versions only.
        var version: ObjectVersion?
        let record: ObjectRecord
        let key: KeyVersion
        var deleted: DeletedObject?

        init(_ name: ObjectName, _ record: ObjectRecord, version: ObjectVersion? = nil, deleted: DeletedObject? = nil)
            throws(VaultError)
        {
            self.name = name
            self.record = record
            self.version = version
            self.deleted = deleted
            key = try KeyVersion(record)
        }
    }

    let vault: Vault
    let items: [Item]
    let nextLink: String?

    func response(_ call: Call) -> Response {
        var writer = JSONWriter(reserving: 256 + items.count * 320)
        writer.object { list in
            list.array("value") { list in
                for item in items {
                    list.object { writer in
                        writer.member("kid", plain: vault.keysURL, item.name.spelling, item.version)
                        KeyJSON.writeAttributes(item.record, item.key, vault, call.apiVersion, to: &writer)
                        if let tags = item.record.tags { ObjectJSON.writeTags(tags, to: &writer) }
                        if item.key.isManaged { writer.member("managed", true) }
                        if let deleted = item.deleted {
                            ObjectJSON.writeDeletion(deleted, Keys.kind, vault, to: &writer)
                        }
                    }
                }
            }
            if let nextLink { list.member("nextLink", nextLink) } else { list.null("nextLink") }
        }
        return Response(status: 200, body: writer.bytes)
    }
}
