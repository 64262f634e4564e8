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

    /// - Parameter id: a GUID; a constant of the source, so a wrong one is a defect.
    init(
        name: String, id: StaticString, actions: [String] = [], notActions: [String] = [], dataActions: [String] = [],
        notDataActions: [String] = [], assignableRoles: [StaticString]? = nil, isOfPool: Bool = false
    ) {
        guard let id = GUID(String(describing: id)) else {
            preconditionFailure("role '\(name)' has no valid identifier")
        }
        self.name = name
        self.id = id
        self.actions = actions
        self.notActions = notActions
        self.dataActions = dataActions
        self.notDataActions = notDataActions
        self.isOfPool = isOfPool
        self.assignableRoles = assignableRoles.map { roles in Set(roles.compactMap { GUID(String(describing: $0)) }) }
        permissions = PermissionSet(
            Permission.allCases.filter { permission in
                let (granted, withheld) =
                    permission.isDataAction ? (dataActions, notDataActions) : (actions, notActions)
                let action = isOfPool ? permission.poolAction : permission.action
                guard let action else { return false }
                return granted.contains { Self.matches(action, pattern: $0) }
                    && !withheld.contains { Self.matches(action, pattern: $0) }
            })
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
