import Access
import Domain
import Operations

/// A role as a client writes it; on the management plane and, with other words for what it allows, in a pool.
///
/// - Source: Azure REST "Role Definitions - Create Or Update", 2022-04-01; Managed HSM "Role Definitions", 7.2.
struct RoleDefinitionBody: Decodable, Sendable {
    struct Permission: Decodable, Sendable {
        let actions: [String]?
        let notActions: [String]?
        let dataActions: [String]?
        let notDataActions: [String]?
    }

    struct Properties: Decodable, Sendable {
        let roleName: String?
        let description: String?
        let type: String?
        let permissions: [Permission]?
        let assignableScopes: [String]?
    }

    let properties: Properties

    private static let mostActions = 1_000

    /// - Parameters:
    ///   - scopes: where it may be assigned, already checked.
    ///   - pool: the pool it belongs to; nil for the management plane.
    func role(_ id: GUID, scopes: [String], pool: VaultName?) throws(VaultError) -> RoleDefinition {
        let name = properties.roleName ?? ""
        let isPrintable = name.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        // A local role of a pool may be nameless.
        guard
            (pool != nil && name.isEmpty)
                || (isPrintable && (1...128).contains(name.count) && !name.allSatisfy(\.isWhitespace))
        else { throw Self.wrong("roleName", "it must be 1 to 128 characters") }
        guard (properties.description ?? "").count <= 1_024 else {
            throw Self.wrong("description", "it must be at most 1,024 characters")
        }
        if let type = properties.type, !type.isEmpty, type.lowercased() != "customrole" {
            throw Self.wrong("type", "only a 'CustomRole' can be made")
        }
        let given = properties.permissions ?? []
        guard given.count == 1 || (pool != nil && given.isEmpty) else {
            throw Self.wrong("permissions", "there must be exactly one")
        }
        let patterns = RoleDefinition.Patterns(
            actions: given.first?.actions ?? [], notActions: given.first?.notActions ?? [],
            dataActions: given.first?.dataActions ?? [], notDataActions: given.first?.notDataActions ?? [])
        for (member, list) in [
            ("actions", patterns.actions), ("notActions", patterns.notActions), ("dataActions", patterns.dataActions),
            ("notDataActions", patterns.notDataActions),
        ] { try Self.check(list, member) }
        guard pool != nil || !patterns.actions.isEmpty || !patterns.dataActions.isEmpty else {
            throw Self.wrong("permissions", "the role allows nothing")
        }
        guard pool == nil || (patterns.actions.isEmpty && patterns.notActions.isEmpty) else {
            throw Self.wrong("permissions.actions", "a local role of a pool has dataActions only")
        }
        return RoleDefinition(
            name: name, id: id, description: properties.description ?? "", patterns: patterns, assignableScopes: scopes,
            pool: pool)
    }

    private static func check(_ list: [String], _ member: String) throws(VaultError) {
        guard list.count <= mostActions else {
            throw wrong("permissions.\(member)", "at most \(mostActions) are allowed")
        }
        for action in list {
            let isWord = action.utf8.allSatisfy {
                $0.isASCIILetter || $0.isASCIIDigit || "/*.-_".utf8.contains($0)
            }
            guard isWord, (1...256).contains(action.utf8.count), action == "*" || action.contains("/") else {
                throw wrong("permissions.\(member)", "'\(action.prefix(64))' is not an action")
            }
        }
    }

    static func wrong(_ property: String, _ reason: String) -> VaultError {
        .badParameter("Property 'properties.\(property)' has invalid value: \(reason).\r\n")
    }
}
