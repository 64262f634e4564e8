import Domain
import Objects
import Operations

struct SetSecret: OperationInput {
    let name: ObjectName
    let value: SensitiveBytes
    let parameters: SecretParameters

    init(_ request: Request) throws(VaultError) {
        try self.init(try request.objectName("secret-name"), try SecretParameters.fromFlatJSON(request.body))
    }

    init(_ name: ObjectName, _ given: SecretParameters) throws(VaultError) {
        self.name = name
        parameters = try given.validated()
        guard let text = parameters.value else { throw .badParameter("The request body lacks the member 'value'.") }
        guard text.utf8.count <= SecretValue.largestValue else {
            throw .invalid("value", "it is longer than \(SecretValue.largestValue) bytes")
        }
        value = SensitiveBytes(text.utf8)
        try AttributeParameters.requireOrder(parameters.attributes?.nbf, parameters.attributes?.exp)
    }
}

extension Secrets {
    /// Makes a new version of a secret, or the secret. Tags, content type and attributes of earlier versions are not inherited.
    ///
    /// - Throws: `.badParameter`; `.deletedButRecoverable` when a deleted secret has the name.
    /// - Source: Azure REST "Set Secret".
    func set(_ input: SetSecret, _ call: Call) async throws(VaultError) -> SecretBundle {
        try await add(input, call).bundle
    }

    /// - Parameter firstStatus: of the record of a call that made the secret, not only a version; nil for the operation's own.
    func add(_ input: SetSecret, _ call: Call, firstStatus: UInt16? = nil) async throws(VaultError) -> (
        bundle: SecretBundle, isFirst: Bool
    ) {
        let table = try table(call)
        let now = call.now.epochSeconds
        let record = ObjectRecord(
            version: call.lane.newVersion(),
            attributes: ObjectAttributes(input.parameters.attributes, at: now),
            tags: input.parameters.tags?.sorted,
            payload: SecretValue(value: input.value, contentType: input.parameters.contentType).encoded())
        let head = try await call.commit(
            refusal: { head in head.pastVersions == 0 ? firstStatus.map { (status: $0, description: "") } : nil }
        ) { transaction throws(VaultError) in
            try table.append(record, to: input.name, in: transaction, after: Self.requireUnmanaged)
        }
        return (try SecretBundle(table.vault, head.name, record, showsValue: true), head.pastVersions == 0)
    }
}
