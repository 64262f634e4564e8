import Cryptography
import Domain
import FoundationEssentials
import Identity
import Operations

/// Operations of Azure Resource Manager that go on after their answer: how far they are, told under an address of their own.
///
/// - Source: Azure Resource Manager, asynchronous operations, `Location`.
extension Management {
    var operationResultOperations: [any AnyOperation] {
        let path = "/subscriptions/{subscription}/providers/Microsoft.KeyVault/locations/{location}"
        return [
            Operation(
                "OperationResultGet", .get, on: .management, path + "/operationResults/{operation}",
                requires: .perItem(.deletedVaultsRead), run: getOperationResult),
            Operation(
                "ManagedHSMOperationResultGet", .get, on: .management,
                path + "/managedHsmOperationResults/{operation}", requires: .perItem(.deletedPoolsRead),
                run: getOperationResult),
        ]
    }

    struct OperationResultInput: OperationInput {
        let place: SubscriptionInput
        let token: String

        init(_ request: Request) throws(VaultError) {
            place = try SubscriptionInput(request)
            token = request.parameter("operation") ?? ""
        }
    }

    /// Where an operation's end is told.
    func operationURL(
        _ name: VaultTable.Name, _ collection: String, at location: String, _ id: GUID, _ begin: Timestamp
    ) throws(VaultError) -> String {
        let token = try operationToken(name, id, begin)
        return authority.url(of: .management)
            + "/subscriptions/\(subscription)/providers/Microsoft.KeyVault/locations/\(location)/\(collection)/\(token)?api-version=\(APIVersion.management)"
    }

    /// Names an operation, so that its end can be told after the vault is gone: `<kind>.<name>.<id>.<second of its begin>.<tag>`.
    private func operationToken(_ name: VaultTable.Name, _ id: GUID, _ begin: Timestamp) throws(VaultError) -> String {
        let text = "\(name.service.rawValue).\(name.name).\(id).\(begin.epochSeconds)"
        return "\(text).\(Hex.encode(try operationTag(text)))"
    }

    private func operationTag(_ text: String) throws(VaultError) -> [UInt8] {
        do throws(CryptoError) {
            let tag = try engine.hmacSHA256(key: operationKey, Array("operation-result\u{0}\(text)".utf8))
            return Array(tag[..<16])
        } catch { throw .internal("an operation could not be named") }
    }

    func getOperationResult(_ input: OperationResultInput, _ call: Call) async throws(VaultError)
        -> OperationResultOutput
    {
        try requireOwn(input.place)
        let parts = input.token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 5, let service = Vault.Service(rawValue: String(parts[0])), let name = VaultName(parts[1]),
            let id = GUID(parts[2]), let begin = Int64(parts[3]), let tag = Hex.decode(String(parts[4])),
            constantTimeEqual(tag, try operationTag(parts[..<4].joined(separator: ".")))
        else {
            throw VaultError(.resourceNotFound, "The operation '\(input.token.prefix(64))' is not known.")
        }
        let entry = vaults.entry(name, service)
        let isRunning = entry?.settings.purge == id
        if !isRunning, let entry, entry.settings.incarnation == id { return try provisioningResult(entry, call) }
        return OperationResultOutput(isRunning: isRunning, begin: Timestamp(epochSeconds: begin), body: nil)
    }

    /// The end of provisioning is told by the pool itself, to who may see it.
    private func provisioningResult(_ entry: VaultTable.Entry, _ call: Call) throws(VaultError) -> OperationResultOutput
    {
        let settings = entry.settings
        guard settings.deleted == nil else {
            throw Self.isAbsent(Self.type(of: entry.vault), settings.name, settings.resourceGroup)
        }
        try requireVisible(entry, call)
        if settings.provisioning == .failed {
            throw VaultError(
                .conflict,
                "The managed HSM '\(settings.name)' could not be provisioned. \(settings.provisioningFailure ?? "")")
        }
        return OperationResultOutput(
            isRunning: settings.provisioning == .running, begin: settings.created?.at ?? call.now,
            body: JSONOutput { writePool(entry, to: &$0) })
    }

    struct OperationResultOutput: OperationOutput {
        let isRunning: Bool
        let begin: Timestamp
        /// What was made; nil for what went.
        let body: JSONOutput?

        func response(_ call: Call) -> Response {
            if let body {
                var response = body.response(call)
                if isRunning {
                    response.status = 202
                    response.headers.append(("Retry-After", "1"))
                }
                return response
            }
            var response = Response.json(isRunning ? 202 : 200) { result in
                result.member("createdDateTime", begin.iso8601)
                if !isRunning { result.member("lastActionDateTime", call.now.iso8601) }
                result.member("status", isRunning ? "NotStarted" : "Succeeded")
            }
            if isRunning { response.headers.append(("Retry-After", "1")) }
            return response
        }
    }
}
