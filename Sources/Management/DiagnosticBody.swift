import Domain

/// The properties of a diagnostic setting, checked and in their full form.
struct DiagnosticBody {
    struct Category: Sendable {
        let name: String
        let isMetric: Bool
        let groups: [String]
    }

    static func categories(isPool: Bool) -> [Category] {
        let audit = Category(name: "AuditEvent", isMetric: false, groups: ["audit", "allLogs"])
        let policy = Category(name: "AzurePolicyEvaluationDetails", isMetric: false, groups: ["allLogs"])
        let metrics = Category(name: "AllMetrics", isMetric: true, groups: [])
        return isPool ? [audit, metrics] : [audit, policy, metrics]
    }

    private static let destinations = [
        "workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId", "serviceBusRuleId",
    ]

    let properties: JSONValue

    /// - Throws: `.badParameter` that names the member.
    init(_ given: JSONValue, isPool: Bool) throws(VaultError) {
        guard given.isObject else { throw Self.wrong("properties", "it must be an object") }
        var members: [String: JSONValue] = [:]
        for name in Self.destinations + ["eventHubName", "logAnalyticsDestinationType"] {
            guard let value = given[name], value != .null else { continue }
            guard let text = value.text, text.utf8.count <= 1_024 else {
                throw Self.wrong("properties." + name, "it must be text")
            }
            if Self.destinations.contains(name), !text.isEmpty {
                guard text.lowercased().hasPrefix("/subscriptions/") else {
                    throw Self.wrong("properties." + name, "it must be the id of a resource")
                }
            }
            members[name] = value
        }
        guard Self.destinations.contains(where: { members[$0]?.text?.isEmpty == false }) else {
            throw .badParameter(
                "A diagnostic setting needs a destination: workspaceId, storageAccountId, eventHubAuthorizationRuleId or "
                    + "marketplacePartnerId.")
        }
        let categories = Self.categories(isPool: isPool)
        let logs = try Self.settings(given["logs"], "logs", categories.filter { !$0.isMetric })
        let metrics = try Self.settings(given["metrics"], "metrics", categories.filter(\.isMetric))
        guard !logs.isEmpty || !metrics.isEmpty else {
            throw .badParameter("A diagnostic setting needs at least one log or metric.")
        }
        (members["logs"], members["metrics"]) = (.array(logs), .array(metrics))
        properties = .object(members)
    }

    private static func wrong(_ path: String, _ text: String) -> VaultError {
        .badParameter("Property '\(path)' has invalid value: \(text).\r\n")
    }

    private static func settings(_ given: JSONValue?, _ path: String, _ categories: [Category]) throws(VaultError)
        -> [JSONValue]
    {
        guard let given, given != .null else { return [] }
        guard let elements = given.elements else { throw wrong("properties." + path, "it must be an array") }
        var seen: Set<String> = []
        var settings: [JSONValue] = []
        for element in elements {
            guard case .bool(let isEnabled)? = element["enabled"] else {
                throw wrong("properties.\(path).enabled", "it must be true or false")
            }
            var members: [String: JSONValue] = ["enabled": .bool(isEnabled)]
            func name(_ member: String) throws(VaultError) -> String? {
                guard let value = element[member], value != .null else { return nil }
                guard let text = value.text else { throw wrong("properties.\(path).\(member)", "it must be text") }
                return text
            }
            let category = try name("category")
            let group = try name("categoryGroup")
            guard (category == nil) != (group == nil) else {
                throw wrong("properties." + path, "each needs either a category or a categoryGroup")
            }
            if let category {
                guard let known = categories.first(where: { $0.name.lowercased() == category.lowercased() }) else {
                    throw wrong(
                        "properties.\(path).category",
                        "'\(category.prefix(64))' is none of \(categories.map(\.name).joined(separator: ", "))")
                }
                members["category"] = .string(known.name)
            }
            if let group {
                guard path == "logs" else {
                    throw wrong("properties.\(path).categoryGroup", "metrics have no groups")
                }
                let known = Set(categories.flatMap(\.groups)).first { $0.lowercased() == group.lowercased() }
                guard let known else {
                    throw wrong(
                        "properties.\(path).categoryGroup", "'\(group.prefix(64))' is neither audit nor allLogs")
                }
                members["categoryGroup"] = .string(known)
            }
            guard seen.insert((category ?? group ?? "").lowercased()).inserted else {
                throw wrong("properties." + path, "a category is named twice")
            }
            if let retention = element["retentionPolicy"], retention != .null {
                // The service has retired it: what is kept is the destination's affair.
                guard retention["enabled"] == .bool(false) else {
                    throw wrong(
                        "properties.\(path).retentionPolicy",
                        "retention by diagnostic settings is retired; set it at the destination")
                }
            }
            members["retentionPolicy"] = .object(["enabled": .bool(false), "days": .integer(0)])
            settings.append(.object(members))
        }
        return settings
    }
}
