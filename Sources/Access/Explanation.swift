package import Domain

extension AccessControl {
    /// A role assignment of a principal, or of a group that it is in, and what it has to do with a question.
    package struct Considered: Sendable {
        package let assignment: RoleAssignment
        package let role: RoleDefinition
        /// Its scope is the one that is asked about, or contains it.
        package let reaches: Bool
        /// The role holds the permission.
        package let includes: Bool
        /// The role asks people for a second factor, and there was none.
        package let lacksMFA: Bool

        package var grants: Bool { reaches && includes && !lacksMFA }
    }

    /// Every assignment of a principal and its groups, those that grant first, then those that come near.
    package func considered(
        _ permissions: [Permission], for principal: Domain.Principal, reaches: (Scope) -> Bool
    ) -> [Considered] {
        let holders = Set([principal.objectID] + principal.groups)
        let demanding = demands.roles
        let found = all.filter { holders.contains($0.principalID) }.compactMap { assignment -> Considered? in
            guard let role = role(assignment.roleID) else { return nil }
            return Considered(
                assignment: assignment, role: role, reaches: reaches(assignment.scope),
                includes: permissions.contains { role.permissions.contains($0) },
                lacksMFA: principal.lacksMFA && demanding.contains(role.id))
        }
        func rank(_ one: Considered) -> Int { one.grants ? 0 : one.reaches && one.includes ? 1 : one.reaches ? 2 : 3 }
        return found.sorted { (rank($0), $0.assignment.id) < (rank($1), $1.assignment.id) }
    }

    /// The scopes that demand a second factor and contain one.
    package func demandingScopes(of scope: Scope) -> [String] {
        demands.scopes.filter { text in
            Scope(text).map { scope.key == $0.key || scope.key.hasPrefix($0.key + "/") } ?? false
        }
    }
}

extension AccessPolicies {
    /// The ids among these that have a policy, and whether it gives a permission to calls through an application.
    package func considered(_ permission: Permission, for principal: Principal) -> [Considered] {
        ([principal.objectID] + principal.groups).flatMap { id in
            held(by: id).map { held in
                Considered(
                    id: id, applicationID: held.applicationID, includes: held.permissions.contains(permission),
                    isThrough: held.applicationID == nil || held.applicationID == principal.applicationID)
            }
        }
    }

    /// A policy of a principal, or of a group that it is in.
    package struct Considered: Sendable {
        package let id: GUID
        /// It holds for calls through this application alone.
        package let applicationID: GUID?
        package let includes: Bool
        package let isThrough: Bool
    }
}
