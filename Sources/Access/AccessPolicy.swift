package import Domain

/// What one principal may do in a vault that uses access policies.
///
/// - Source: Azure REST "Vaults", `AccessPolicyEntry`.
package struct AccessPolicy: Sendable, Hashable, Codable {
    /// Names of permissions, by group, spelled as they were given.
    package struct Permissions: Sendable, Hashable, Codable {
        package var keys: [String]?
        package var secrets: [String]?
        package var certificates: [String]?
        package var storage: [String]?

        package init(keys: [String]?, secrets: [String]?, certificates: [String]?, storage: [String]?) {
            (self.keys, self.secrets, self.certificates, self.storage) = (keys, secrets, certificates, storage)
        }

        package subscript(group: PolicyPermission.Group) -> [String]? {
            get {
                switch group {
                case .keys: keys
                case .secrets: secrets
                case .certificates: certificates
                case .storage: storage
                }
            }
            set {
                switch group {
                case .keys: keys = newValue
                case .secrets: secrets = newValue
                case .certificates: certificates = newValue
                case .storage: storage = newValue
                }
            }
        }

        package var isEmpty: Bool { PolicyPermission.Group.allCases.allSatisfy { self[$0]?.isEmpty ?? true } }
    }

    package static let most = 1_024

    package let objectID: GUID
    /// When given, the policy holds only for calls through this application.
    package let applicationID: GUID?
    package var permissions: Permissions

    package init(objectID: GUID, applicationID: GUID?, permissions: Permissions) {
        (self.objectID, self.applicationID, self.permissions) = (objectID, applicationID, permissions)
    }

    /// Whether it is about the same principal: a vault holds one policy for each.
    package func isAbout(theSameAs other: AccessPolicy) -> Bool {
        objectID == other.objectID && applicationID == other.applicationID
    }

    private func gives(_ permission: PolicyPermission) -> Bool {
        (permissions[permission.group] ?? []).contains { name in
            let name = name.lowercased()
            return name == permission.name || name == "all"
        }
    }

    /// What the names come to.
    fileprivate var granted: PermissionSet {
        PermissionSet(Permission.allCases.filter { $0.policyPermissions.contains(where: gives) })
    }
}

/// The access policies of a vault, ready for decisions.
package struct AccessPolicies: Sendable {
    struct Held: Sendable {
        let applicationID: GUID?
        let permissions: PermissionSet
    }

    private var byObject: [GUID: [Held]] = [:]

    package init(_ policies: [AccessPolicy]) {
        for policy in policies {
            byObject[policy.objectID, default: []].append(
                Held(applicationID: policy.applicationID, permissions: policy.granted))
        }
    }

    func held(by id: GUID) -> [Held] { byObject[id] ?? [] }

    func grant(_ permission: Permission, to principal: Principal) -> Grant? {
        func gives(_ id: GUID) -> Bool {
            (byObject[id] ?? []).contains { held in
                (held.applicationID == nil || held.applicationID == principal.applicationID)
                    && held.permissions.contains(permission)
            }
        }
        let holds = gives(principal.objectID) || principal.groups.contains(where: gives)
        return holds ? Grant(permission: permission, assignmentID: nil) : nil
    }
}
