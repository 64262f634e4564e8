import Barrier
import Domain
import Identity
import Operations

/// Whose tokens stand for an application.
///
/// - Source: Microsoft Graph v1.0, `federatedIdentityCredential`.
extension Graph {
    var federationOperations: [any AnyOperation] {
        let (read, write) = (Self.anywhere(.applicationsRead), Self.anywhere(.applicationsWrite))
        let list = "/v1.0/applications/{id}/federatedIdentityCredentials"
        return [
            Operation("FederatedCredentialList", .get, on: .graph, list, requires: read, run: listCredentials),
            Operation(
                "FederatedCredentialCreate", .post, on: .graph, list, requires: write, status: 201,
                run: createCredential),
            Operation(
                "FederatedCredentialGet", .get, on: .graph, list + "/{member}", requires: read, run: getCredential),
            Operation(
                "FederatedCredentialDelete", .delete, on: .graph, list + "/{member}", requires: write, status: 204,
                run: deleteCredential),
        ]
    }

    private func write(_ credential: FederatedCredential, to writer: inout JSONWriter) {
        writer.member("id", credential.id)
        writer.member("name", credential.name)
        writer.member("issuer", credential.issuer)
        writer.member("subject", credential.subject)
        writer.member("description", credential.description)
        writer.array("audiences") { list in for audience in credential.audiences { list.string(audience) } }
    }

    func listCredentials(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        list("federatedIdentityCredentials", try application(input.id).federated) { write($0, to: &$1) }
    }

    struct CredentialInput: OperationInput {
        let id: String
        let name: String
        let issuer: String
        let subject: String
        let audiences: [String]
        let description: String

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let name: String
                let issuer: String
                let subject: String
                let audiences: [String]?
                let description: String?
            }
            let body = try Body.fromJSON(request.body)
            id = request.parameter("id") ?? ""
            (name, issuer, subject) = (body.name, body.issuer, body.subject)
            audiences = body.audiences ?? [FederatedCredential.usualAudience]
            description = body.description ?? ""
            let isName =
                (1...120).contains(name.utf8.count)
                && name.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || "-_.".utf8.contains($0) }
            guard isName else {
                throw .badParameter(
                    "Property 'name' has invalid value: it must be 1 to 120 letters, digits, hyphens, underscores and full stops.\r\n"
                )
            }
            guard issuer.hasPrefix("https://"), (9...600).contains(issuer.utf8.count), !issuer.contains(" ") else {
                throw .badParameter("Property 'issuer' has invalid value: it must be an https address.\r\n")
            }
            guard (1...600).contains(subject.utf8.count) else {
                throw .badParameter("Property 'subject' has invalid value: it must be 1 to 600 bytes.\r\n")
            }
            guard audiences.count == 1, (1...600).contains(audiences[0].utf8.count), description.utf8.count <= 600
            else {
                throw .badParameter("Property 'audiences' has invalid value: there must be exactly one.\r\n")
            }
        }
    }

    func createCredential(_ input: CredentialInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let credential = FederatedCredential(
            id: call.lane.newGUID(), name: input.name, issuer: input.issuer, subject: input.subject,
            audiences: input.audiences, description: input.description)
        try await change(try application(input.id).id, call) { application throws(VaultError) in
            guard application.federated.count < FederatedCredential.most else {
                throw .badParameter("An application has at most \(FederatedCredential.most) federated credentials.")
            }
            guard !application.federated.contains(where: { $0.name == credential.name }) else {
                throw VaultError(
                    .conflict, "FederatedIdentityCredential with name '\(credential.name)' already exists.")
            }
            let isSame = application.federated.contains {
                $0.issuer.isSame(as: credential.issuer) && $0.subject.isSame(as: credential.subject)
                    && $0.audiences == credential.audiences
            }
            guard !isSame else {
                throw VaultError(
                    .conflict, "This issuer and subject stand for the application already, for this audience.")
            }
            application.federated.append(credential)
        }
        return JSONOutput(status: 201) { write(credential, to: &$0) }
    }

    private func find(_ input: ObjectInput) throws(VaultError) -> FederatedCredential {
        let all = try application(input.id).federated
        guard let found = all.first(where: { $0.id == GUID(input.member) || $0.name == input.member }) else {
            throw Self.absent("federatedIdentityCredential", input.member)
        }
        return found
    }

    func getCredential(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let credential = try find(input)
        return JSONOutput { write(credential, to: &$0) }
    }

    /// Tokens that it got are refused too.
    func deleteCredential(_ input: ObjectInput, _ call: Call) async throws(VaultError) -> NoContent {
        let credential = try find(input)
        try await change(try application(input.id).id, call) { application in
            application.federated.removeAll { $0.id == credential.id }
            application.tokenGeneration += 1
        }
        return NoContent()
    }

    private func change(
        _ id: GUID, _ call: Call, _ change: @escaping @Sendable (inout Application) throws(VaultError) -> Void
    ) async throws(VaultError) {
        call.concerns(objectID: "/strongroom/applications/\(id)")
        let changed = try await call.commit { transaction throws(VaultError) -> Application in
            guard var application = try ApplicationTable.application(id, in: transaction) else {
                throw Self.absent("application", id.description)
            }
            try change(&application)
            try ApplicationTable.put(application, in: transaction)
            return application
        }
        directory.reload(id, from: call.lane.reader, committed: changed)
    }
}
