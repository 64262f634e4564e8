package import Domain

/// Names and addresses of the identity side: the tenant, the issuer, and the resources a token can be for.
package struct Authority: Sendable {
    /// What a token opens, by the host that receives it.
    package enum Resource: Sendable, CaseIterable { case vault, managedHSM, management, graph }

    package let tenant: GUID
    /// `https://login.<suffix>[:port]`, without a trailing slash.
    package let loginURL: String
    private let localResources: [Resource: String]

    /// - Parameter suffix: the host suffix with its port, such as `localhost:8443`.
    package init(tenant: GUID, suffix: String) {
        self.tenant = tenant
        loginURL = "https://login." + suffix
        localResources = [
            .vault: "https://vault." + suffix, .managedHSM: "https://managedhsm." + suffix,
            .management: "https://management." + suffix, .graph: "https://graph." + suffix,
        ]
    }

    /// `iss` of the tokens we sign.
    package var issuer: String { "\(loginURL)/\(tenant)/" }

    /// `iss` of what tells a client who signed in.
    package var issuer2: String { "\(loginURL)/\(tenant)/v2.0" }

    package func url(of resource: Resource) -> String { localResources[resource] ?? "" }

    /// Audiences accepted for a resource: ours, and Azure's own for the same service.
    package func audiences(of resource: Resource) -> [String] {
        switch resource {
        case .vault: [url(of: .vault), "https://vault.azure.net"]
        case .managedHSM: [url(of: .managedHSM), "https://managedhsm.azure.net"]
        case .management:
            [url(of: .management), "https://management.azure.com", "https://management.core.windows.net"]
        case .graph: [url(of: .graph), "https://graph.microsoft.com"]
        }
    }

    /// Which resource an audience means; a trailing slash is part of the audience and changes nothing.
    package func resource(ofAudience audience: String) -> Resource? {
        let bare = audience.hasSuffix("/") ? String(audience.dropLast()) : audience
        return Resource.allCases.first { audiences(of: $0).contains(bare.lowercased()) }
    }

    /// The value of `WWW-Authenticate` for a call without a token.
    package func challenge(for resource: Resource) -> String {
        #"Bearer authorization="\#(loginURL)/\#(tenant)", resource="\#(url(of: resource))""#
    }
}
