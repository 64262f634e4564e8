package import Domain
import Operations

/// That a vault or a pool may be reached by a private endpoint: a listener of its own, which the configuration names. Whoever manages the
/// vault approves it.
package struct PrivateEndpointConnection: Sendable, Codable, Hashable {
    enum Status: String, Sendable, Codable, CaseIterable {
        case pending = "Pending"
        case approved = "Approved"
        case rejected = "Rejected"
        case disconnected = "Disconnected"
    }

    let name: String
    /// The listener, in lower case.
    let endpoint: String
    /// The identifier of the private endpoint as a client gave it; its last part is the listener's name.
    let endpointID: String
    var status: Status
    var description: String
    /// Changes with every change.
    var revision: Int

    /// Asked for by the configuration.
    package init(pendingTo endpoint: String, _ id: String) {
        self.init(
            name: endpoint, endpoint: endpoint, endpointID: id, status: .pending,
            description: "Asked for by the configuration of the server.", revision: 1)
    }

    init(name: String, endpoint: String, endpointID: String, status: Status, description: String, revision: Int) {
        // Identifiers of Azure Resource Manager are alike in every case.
        (self.name, self.endpoint, self.endpointID) = (name, endpoint.lowercased(), endpointID)
        (self.status, self.description, self.revision) = (status, description, revision)
    }

    /// Where a private endpoint would be a resource.
    package static func identifier(of endpoint: String, subscription: GUID, group: String) -> String {
        "/subscriptions/\(subscription)/resourceGroups/\(group)/providers/Microsoft.Network/privateEndpoints/\(endpoint)"
    }

    /// Letters, digits, hyphen, underscore and full stop; 1 to 80.
    package static func isName(_ text: some StringProtocol) -> Bool {
        (1...80).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || "-_.".utf8.contains($0) }
    }
}

/// What a client wants of a connection.
struct PrivateEndpointBody: Decodable, Sendable {
    struct Properties: Decodable, Sendable {
        struct Endpoint: Decodable, Sendable { let id: String? }
        struct State: Decodable, Sendable {
            let status: String?
            let description: String?
            let actionsRequired: String?
        }
        let privateEndpoint: Endpoint?
        let privateLinkServiceConnectionState: State?
    }

    let properties: Properties?

    func status() throws(VaultError) -> PrivateEndpointConnection.Status? {
        guard let text = properties?.privateLinkServiceConnectionState?.status else { return nil }
        guard
            let status = PrivateEndpointConnection.Status.allCases.first(where: {
                $0.rawValue.lowercased() == text.lowercased()
            })
        else {
            throw VaultBody.wrong(
                "privateLinkServiceConnectionState.status",
                "it must be 'Pending', 'Approved', 'Rejected' or 'Disconnected'")
        }
        return status
    }

    func description() throws(VaultError) -> String? {
        guard let text = properties?.privateLinkServiceConnectionState?.description else { return nil }
        guard text.utf8.count <= 512, text.isPrintable else {
            throw VaultBody.wrong(
                "privateLinkServiceConnectionState.description", "it is at most 512 bytes of printable text")
        }
        return text
    }

    /// The listener's name, and the identifier that ends in it.
    func endpoint() throws(VaultError) -> (name: String, id: String)? {
        guard let id = properties?.privateEndpoint?.id else { return nil }
        guard id.utf8.count <= 1_024, id.isPrintable, let last = id.split(separator: "/").last,
            PrivateEndpointConnection.isName(last)
        else { throw VaultBody.wrong("privateEndpoint.id", "it is not the identifier of a private endpoint") }
        return (last.lowercased(), id)
    }
}
