/// Who makes a call, as proven by a token (or, for duties of the server itself, by being the server).
package struct Principal: Hashable, Sendable {
    package enum Kind: UInt8, Sendable { case application, user, system }

    package let kind: Kind
    /// `oid`: what role assignments name.
    package let objectID: GUID
    /// `appid` or `azp`: the client that holds the token.
    package let applicationID: GUID
    package let tenant: GUID
    /// `iss` as the token had it.
    package let issuer: String
    /// The groups it is in, nested ones too.
    package let groups: [GUID]
    /// A person who signed in by a password alone.
    package let lacksMFA: Bool

    package init(
        kind: Kind, objectID: GUID, applicationID: GUID, tenant: GUID, issuer: String, groups: [GUID] = [],
        lacksMFA: Bool = false
    ) {
        self.groups = groups
        self.lacksMFA = lacksMFA
        self.kind = kind
        self.objectID = objectID
        self.applicationID = applicationID
        self.tenant = tenant
        self.issuer = issuer
    }

    /// The server acting by itself on a duty that fell due.
    package static func system(tenant: GUID) -> Principal {
        Principal(
            kind: .system, objectID: GUID(high: 0, low: 1), applicationID: GUID(high: 0, low: 1), tenant: tenant,
            issuer: "strongroom")
    }

    /// How error texts of the service name a caller.
    package var callerText: String {
        let count = groups.isEmpty ? "" : "numgroups=\(groups.count);"
        return "appid=\(applicationID);oid=\(objectID);\(count)iss=\(issuer)"
    }

    /// The same in the groups that it is in now.
    package func `in`(_ groups: [GUID]) -> Principal {
        Principal(
            kind: kind, objectID: objectID, applicationID: applicationID, tenant: tenant, issuer: issuer,
            groups: groups,
            lacksMFA: lacksMFA)
    }

    /// The same as if a code had been given too.
    package var withMFA: Principal {
        Principal(
            kind: kind, objectID: objectID, applicationID: applicationID, tenant: tenant, issuer: issuer, groups: groups
        )
    }
}
