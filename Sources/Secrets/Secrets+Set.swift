import Domain
import Objects
import Operations

struct SetSecret: OperationInput {
    let name: ObjectName
    let value: SensitiveBytes
    let parameters: SecretParameters

    init(_ request: Request) throws(VaultError) {
        name = try request.objectName("secret-name")
        parameters = try SecretParameters.fromJSON(request.body).validated()
        guard let text = parameters.value else { throw .badParameter("The request body lacks the member 'value'.") }
        guard text.utf8.count <= SecretValue.largestValue else {
            throw SecretParameters.invalid("value", "it is longer than \(SecretValue.largestValue) bytes")
        }
        value = SensitiveBytes(text.utf8)
        try SecretParameters.requireOrder(parameters.attributes?.nbf, parameters.attributes?.exp)
    }
}

extension Secrets {
    /// Makes a new version of a secret, or the secret. Tags, content type and attributes of earlier versions are not inherited.
    ///
    /// - Throws: `.badParameter`; `.deletedButRecoverable` when a deleted secret has the name.
    /// - Source: Azure REST "Set Secret".
    func set(_ input: SetSecret, _ call: Call) async throws(VaultError) -> SecretBundle {
        let table = try table(call)
        let now = call.now.epochSeconds
        let attributes = input.parameters.attributes
        let record = ObjectRecord(
            version: call.lane.newVersion(),
            attributes: ObjectAttributes(
                isEnabled: attributes?.enabled ?? true, notBefore: attributes?.nbf, expires: attributes?.exp,
                created: now, updated: now),
            tags: input.parameters.sortedTags,
            payload: SecretValue(value: input.value, contentType: input.parameters.contentType).encoded())
        let head = try await call.commit { transaction throws(VaultError) in
            try table.append(record, to: input.name, in: transaction)
        }
        return try SecretBundle(table.vault, head.name, record, showsValue: true)
    }
}
