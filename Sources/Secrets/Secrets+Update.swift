import Domain
import Objects
import Operations

struct UpdateSecret: OperationInput {
    let name: ObjectName
    let version: ObjectVersion?
    let parameters: SecretParameters

    init(_ request: Request) throws(VaultError) {
        try self.init(
            try request.objectName("secret-name"), try request.objectVersion("secret-version"),
            try SecretParameters.fromFlatJSON(request.body))
    }

    init(_ name: ObjectName, _ version: ObjectVersion?, _ given: SecretParameters) throws(VaultError) {
        (self.name, self.version) = (name, version)
        parameters = try given.validated()
        guard parameters.value == nil else {
            throw .invalid("value", "the value of a version cannot be changed; set a new version")
        }
    }
}

extension Secrets {
    /// Changes attributes, content type and tags of one version. What the body leaves out stays; tags are replaced as a whole.
    ///
    /// - Throws: `.secretNotFound`; `.badParameter` when exp would not be after nbf.
    /// - Source: Azure REST "Update Secret".
    func update(_ input: UpdateSecret, _ call: Call) async throws(VaultError) -> SecretBundle {
        let table = try table(call)
        let now = call.now.epochSeconds
        let (head, record) = try await call.commit { transaction throws(VaultError) in
            try table.update(input.name, version: input.version, in: transaction) { record throws(VaultError) in
                let changes = input.parameters
                try Self.requireUnmanaged(record)
                try record.attributes.apply(changes.attributes, at: now)
                if let tags = changes.tags?.sorted { record.tags = tags }
                if let contentType = changes.contentType {
                    var secret = try SecretValue(record)
                    secret.contentType = contentType
                    record.payload = secret.encoded()
                }
            }
        }
        var bundle = try SecretBundle(table.vault, head.name, record, showsValue: false)
        bundle.alwaysShowsTags = true
        return bundle
    }
}
