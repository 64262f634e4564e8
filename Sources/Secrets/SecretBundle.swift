import Domain
import Objects
import Operations

/// A version of a secret as the API shows it.
struct SecretBundle: OperationOutput {
    let vault: Vault
    let name: ObjectName
    let record: ObjectRecord
    var secret: SecretValue
    /// The value goes out with set and get only.
    let showsValue: Bool
    /// Shown in another form than it is kept in.
    var isConverted = false
    /// A PATCH answers with tags even when there never were any.
    var alwaysShowsTags = false

    init(_ vault: Vault, _ name: ObjectName, _ record: ObjectRecord, showsValue: Bool) throws(VaultError) {
        self.vault = vault
        self.name = name
        self.record = record
        self.showsValue = showsValue
        secret = try SecretValue(record)
    }

    func response(_ call: Call) -> Response {
        var writer = JSONWriter(reserving: 512 + (showsValue ? secret.value.count : 0))
        writer.object { write(to: &$0, call.apiVersion) }
        return Response(status: 200, body: writer.bytes)
    }

    func write(to bundle: inout JSONWriter, _ version: APIVersion) {
        if showsValue { bundle.member("value", secret.value) }
        if let contentType = secret.contentType { bundle.member("contentType", contentType) }
        bundle.member("id", plain: vault.secretsURL, name.spelling, record.version)
        if secret.isManaged {
            bundle.member("kid", plain: vault.keysURL, name.spelling, record.version)
        }
        ObjectJSON.writeAttributes(record.attributes, vault, version, to: &bundle)
        if let tags = record.tags ?? (alwaysShowsTags ? [] : nil) { ObjectJSON.writeTags(tags, to: &bundle) }
        if secret.isManaged { bundle.member("managed", true) }
        if version >= .v2025_07_01, let previous = secret.previous {
            bundle.member("previousVersion", previous.description)
        }
    }

    /// Changes with every change of this version, and with every new version.
    var entityTag: String {
        var text: [UInt8] = []
        text.reserveCapacity(48)
        text.append(UInt8(ascii: "\""))
        record.version.value.appendDigits(to: &text)
        text.append(UInt8(ascii: "-"))
        text.append(contentsOf: String(record.revision).utf8)
        if isConverted { text.append(contentsOf: "-pem".utf8) }
        text.append(UInt8(ascii: "\""))
        return String(decoding: text, as: UTF8.self)
    }
}

/// A secret in a list: no value.
enum SecretItem {
    static func write(
        _ name: ObjectName, version shown: ObjectVersion?, _ record: ObjectRecord, _ secret: SecretValue,
        _ vault: Vault, _ version: APIVersion, to list: inout JSONWriter,
        deleted: DeletedObject? = nil
    ) {
        list.object { item in
            item.member("id", plain: vault.secretsURL, name.spelling, shown)
            if let contentType = secret.contentType { item.member("contentType", contentType) }
            ObjectJSON.writeAttributes(record.attributes, vault, version, to: &item)
            if let tags = record.tags { ObjectJSON.writeTags(tags, to: &item) }
            if secret.isManaged { item.member("managed", true) }
            if let deleted { ObjectJSON.writeDeletion(deleted, Secrets.kind, vault, to: &item) }
        }
    }
}

/// A deleted secret: its newest version without the value, and how long it can be recovered.
struct DeletedSecretBundle: OperationOutput {
    let vault: Vault
    let object: DeletedObject
    let secret: SecretValue

    init(_ vault: Vault, _ object: DeletedObject) throws(VaultError) {
        self.vault = vault
        self.object = object
        secret = try SecretValue(object.head.current)
    }

    func response(_ call: Call) -> Response {
        .json { bundle in
            ObjectJSON.writeDeletion(object, Secrets.kind, vault, to: &bundle)
            if let contentType = secret.contentType { bundle.member("contentType", contentType) }
            bundle.member("id", plain: vault.secretsURL, object.head.name.spelling, object.head.current.version)
            ObjectJSON.writeAttributes(object.head.current.attributes, vault, call.apiVersion, to: &bundle)
            if let tags = object.head.current.tags { ObjectJSON.writeTags(tags, to: &bundle) }
        }
    }
}
