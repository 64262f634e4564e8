package import Domain

/// A named set of actions. Patterns may hold `*`, which stands for any run of characters.
package struct RoleDefinition: Sendable {
    package let name: String
    package let id: GUID
    package let actions: [String]
    package let notActions: [String]
    package let dataActions: [String]
    package let notDataActions: [String]
    /// What the patterns come to, for the permissions this server knows.
    package let permissions: PermissionSet
    /// A local role of managed HSM pools: it holds inside a pool and nowhere else, and no other role holds there.
    package let isOfPool: Bool
    /// The roles that a holder may assign and take away; nil for any. The service words this as a condition.
    package let assignableRoles: Set<GUID>?
    package let description: String
    /// Where it may be assigned: `/` for everywhere.
    package let assignableScopes: [String]
    /// Made by somebody, and not by the service.
    package let isCustom: Bool
    /// The pool that a local role was made in; nil for every pool.
    package let pool: VaultName?

    /// A role that somebody made.
    package init(
        name: String, id: GUID, description: String, patterns: Patterns, assignableScopes: [String], pool: VaultName?
    ) {
        self.init(
            name: name, id: id, description: description, patterns: patterns, assignableRoles: nil,
            assignableScopes: assignableScopes, isCustom: true, isOfPool: pool != nil, pool: pool)
    }

    /// What a role allows and what it takes back, for the management plane and for data.
    package struct Patterns: Sendable, Hashable, Codable {
        package var actions: [String] = []
        package var notActions: [String] = []
        package var dataActions: [String] = []
        package var notDataActions: [String] = []

        package init(actions: [String], notActions: [String], dataActions: [String], notDataActions: [String]) {
            self.actions = actions
            self.notActions = notActions
            self.dataActions = dataActions
            self.notDataActions = notDataActions
        }
    }

    /// - Parameter id: a GUID; a constant of the source, so a wrong one is a defect.
    init(
        name: String, id: StaticString, actions: [String] = [], notActions: [String] = [], dataActions: [String] = [],
        notDataActions: [String] = [], assignableRoles: [StaticString]? = nil, isOfPool: Bool = false
    ) {
        guard let id = GUID(String(describing: id)) else {
            preconditionFailure("role '\(name)' has no valid identifier")
        }
        self.init(
            name: name, id: id, description: "",
            patterns: Patterns(
                actions: actions, notActions: notActions, dataActions: dataActions, notDataActions: notDataActions),
            assignableRoles: assignableRoles.map { roles in
                Set(roles.compactMap { GUID(String(describing: $0)) })
            }, assignableScopes: ["/"], isCustom: false, isOfPool: isOfPool, pool: nil)
    }

    private init(
        name: String, id: GUID, description: String, patterns: Patterns, assignableRoles: Set<GUID>?,
        assignableScopes: [String], isCustom: Bool, isOfPool: Bool, pool: VaultName?
    ) {
        self.name = name
        self.id = id
        self.description = description
        self.assignableScopes = assignableScopes
        self.isCustom = isCustom
        self.isOfPool = isOfPool
        self.pool = pool
        self.assignableRoles = assignableRoles
        (actions, notActions) = (patterns.actions, patterns.notActions)
        (dataActions, notDataActions) = (patterns.dataActions, patterns.notDataActions)
        permissions = PermissionSet(
            Permission.allCases.filter { permission in
                let (granted, withheld) =
                    permission.isDataAction
                    ? (patterns.dataActions, patterns.notDataActions) : (patterns.actions, patterns.notActions)
                let action = isOfPool ? permission.poolAction : permission.action
                guard let action else { return false }
                return granted.contains { Self.matches(action, pattern: $0) }
                    && !withheld.contains { Self.matches(action, pattern: $0) }
            })
    }

    /// Whether it may be assigned at a scope.
    package func isAssignable(at scope: Scope) -> Bool {
        assignableScopes.contains { text in
            let key = text.lowercased()
            return key == "/" || scope.key == key || scope.key.hasPrefix(key + "/")
        }
    }

    /// Whether `action` fits `pattern`, without regard to case.
    package static func matches(_ action: String, pattern: String) -> Bool {
        var rest = Array(action.lowercased().utf8)[...]
        let parts = pattern.lowercased().utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false)
        guard parts.count > 1 else { return rest.elementsEqual(parts[0]) }
        guard rest.starts(with: parts[0]) else { return false }
        rest = rest.dropFirst(parts[0].count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            let start = rest.indices.first { rest[$0...].starts(with: part) }
            guard let start else { return false }
            rest = rest[(start + part.count)...]
        }
        let tail = parts[parts.count - 1]
        return rest.count >= tail.count && rest.suffix(tail.count).elementsEqual(tail)
    }
}

extension BuiltInRoles {
    private static let byID = Dictionary(uniqueKeysWithValues: all.map { ($0.id, $0) })
    private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name.lowercased(), $0) })

    package static func role(_ id: GUID) -> RoleDefinition? { byID[id] }

    /// By name, without regard to case, or by GUID.
    package static func role(named text: String) -> RoleDefinition? {
        GUID(text).flatMap { byID[$0] } ?? byName[text.lowercased()]
    }
}
