import Domain

/// The properties of policies, checked and in their full form.
enum PolicyRules {
    private static let types = ["string", "array", "object", "boolean", "integer", "float", "datetime"]

    private static func wrong(_ path: String, _ text: String) -> VaultError {
        .badParameter("Property 'properties.\(path)' has invalid value: \(text).\r\n")
    }

    private static func texts(_ given: JSONValue, _ limits: [(name: String, most: Int)]) throws(VaultError)
        -> [String: JSONValue]
    {
        guard given.isObject else {
            throw .badParameter("Property 'properties' has invalid value: it must be an object.\r\n")
        }
        var members: [String: JSONValue] = [:]
        for (name, most) in limits {
            guard let value = given[name], value != .null else { continue }
            guard let text = value.text, text.utf16.count <= most else {
                throw wrong(name, "it must be text of at most \(most) characters")
            }
            members[name] = value
        }
        if let metadata = given["metadata"], metadata != .null {
            guard metadata.isObject else { throw wrong("metadata", "it must be an object") }
            members["metadata"] = metadata
        }
        return members
    }

    static func definition(_ given: JSONValue) throws(VaultError) -> JSONValue {
        var members = try texts(given, [("displayName", 128), ("description", 512), ("mode", 128), ("version", 32)])
        if let type = given["policyType"], type != .null,
            !["custom", "notspecified"].contains(type.text?.lowercased() ?? "")
        {
            throw wrong("policyType", "only custom definitions can be made")
        }
        members["policyType"] = .string("Custom")
        members["mode"] = members["mode"] ?? .string("Indexed")
        guard let rule = given["policyRule"], rule["if"]?.isObject == true, let then = rule["then"],
            then["effect"]?.text?.isEmpty == false
        else { throw wrong("policyRule", "it must hold 'if', an object, and 'then' with an 'effect'") }
        members["policyRule"] = rule
        if let parameters = given["parameters"], parameters != .null {
            guard let declared = parameters.members else { throw wrong("parameters", "it must be an object") }
            for (name, parameter) in declared {
                guard let type = parameter["type"]?.text, types.contains(type.lowercased()) else {
                    throw wrong(
                        "parameters.\(name.prefix(64)).type", "it must be one of \(types.joined(separator: ", "))")
                }
                if let allowed = parameter["allowedValues"], allowed.elements == nil {
                    throw wrong("parameters.\(name.prefix(64)).allowedValues", "it must be an array")
                }
            }
            members["parameters"] = parameters
        }
        return .object(members)
    }

    static func assignment(_ given: JSONValue, at scope: Scope) throws(VaultError) -> JSONValue {
        var members = try texts(
            given,
            [("displayName", 128), ("description", 512), ("policyDefinitionId", 1_024), ("definitionVersion", 32)])
        guard members["policyDefinitionId"] != nil else { throw wrong("policyDefinitionId", "it is missing") }
        var mode = "Default"
        if let wanted = given["enforcementMode"], wanted != .null { mode = wanted.text ?? "" }
        guard let known = ["Default", "DoNotEnforce"].first(where: { $0.lowercased() == mode.lowercased() }) else {
            throw wrong("enforcementMode", "it must be Default or DoNotEnforce")
        }
        members["enforcementMode"] = .string(known)
        for name in ["notScopes", "nonComplianceMessages", "resourceSelectors", "overrides"] {
            guard let value = given[name], value != .null else { continue }
            guard value.elements != nil else { throw wrong(name, "it must be an array") }
            members[name] = value
        }
        for excluded in members["notScopes"]?.elements ?? [] {
            guard let text = excluded.text, let inner = Scope(text), inner.key.hasPrefix(scope.key + "/") else {
                throw wrong("notScopes", "each must be a scope below the one that is assigned to")
            }
        }
        if let parameters = given["parameters"], parameters != .null {
            guard let values = parameters.members, values.values.allSatisfy({ $0["value"] != nil }) else {
                throw wrong("parameters", "each must be an object with a 'value'")
            }
            members["parameters"] = parameters
        }
        members["scope"] = .string(scope.description)
        return .object(members)
    }

    private static func isOf(_ type: String, _ value: JSONValue) -> Bool {
        switch (type, value) {
        case ("string", .string), ("array", .array), ("object", .object), ("boolean", .bool), ("integer", .integer),
            ("float", .integer), ("float", .number):
            true
        case ("datetime", .string(let text)): Timestamp(iso8601: text) != nil
        default: false
        }
    }

    /// Whether the values are those that the definition asks for.
    static func check(_ given: JSONValue?, against declared: JSONValue?) throws(VaultError) {
        let (values, parameters) = (given?.members ?? [:], declared?.members ?? [:])
        for (name, value) in values {
            guard let parameter = parameters.first(where: { $0.key.lowercased() == name.lowercased() })?.value else {
                throw wrong("parameters.\(name.prefix(64))", "the policy definition has no such parameter")
            }
            guard let type = parameter["type"]?.text?.lowercased(), let shown = value["value"], isOf(type, shown) else {
                throw wrong(
                    "parameters.\(name.prefix(64))", "its value is not of the type that the definition declares")
            }
            if let allowed = parameter["allowedValues"]?.elements, let chosen = value["value"],
                !allowed.contains(chosen)
            {
                throw wrong("parameters.\(name.prefix(64))", "it is none of the allowed values")
            }
        }
        for (name, parameter) in parameters where parameter["defaultValue"] == nil {
            guard values.contains(where: { $0.key.lowercased() == name.lowercased() }) else {
                throw wrong("parameters.\(name.prefix(64))", "the policy definition asks for it, and it is missing")
            }
        }
    }
}
