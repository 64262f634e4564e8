import Domain
package import Identity
package import Operations

/// The directory on the `graph.` host: the part of Microsoft Graph that `az`, Terraform and the SDKs ask for names, groups and federated
/// credentials.
///
/// Lists come whole, on one page.
/// - Source: Microsoft Graph v1.0.
package struct Graph: Sendable {
    let authority: Authority
    let directory: Directory
    let passwords: PasswordWork

    package init(authority: Authority, directory: Directory, passwords: PasswordWork) {
        (self.authority, self.directory, self.passwords) = (authority, directory, passwords)
    }

    package var operations: [any AnyOperation] {
        principalOperations + userOperations + groupOperations + federationOperations
    }

    static func anywhere(_ permission: Permission) -> Requirement { .atScope(permission) { _ in nil } }

    // MARK: Objects

    /// What an object id stands for.
    enum Object: Sendable {
        case application(Application)
        case group(DirectoryGroup)
        case user(User)

        var id: GUID {
            switch self {
            case .application(let application): application.objectID
            case .group(let group): group.id
            case .user(let user): user.id
            }
        }
    }

    func object(_ id: GUID) -> Object? {
        directory.application(objectID: id).map { .application($0) } ?? directory.group(id).map { .group($0) }
            ?? directory.user(id).map { .user($0) }
    }

    func write(_ object: Object, to writer: inout JSONWriter) {
        switch object {
        case .application(let application): writeServicePrincipal(application, to: &writer)
        case .group(let group): write(group, to: &writer)
        case .user(let user): write(user, to: &writer)
        }
    }

    static func absent(_ kind: String, _ id: String) -> VaultError {
        VaultError(
            .directoryObjectNotFound,
            "Resource '\(id.prefix(128))' does not exist or one of its queried reference-property objects are not present (\(kind))."
        )
    }

    // MARK: Shapes

    func list<Item>(_ kind: String, _ items: [Item], _ write: (Item, inout JSONWriter) -> Void) -> JSONOutput {
        JSONOutput { document in
            document.member(named: "@odata.context", "\(authority.url(of: .graph))/v1.0/$metadata#\(kind)")
            document.array("value") { list in for item in items { list.object { write(item, &$0) } } }
        }
    }

    /// One object of a collection, by the id in the path.
    struct ObjectInput: OperationInput {
        let id: String
        let member: String

        init(_ request: Request) throws(VaultError) {
            id = request.parameter("id") ?? ""
            member = request.parameter("member") ?? ""
        }
    }
}

/// The part of OData filters that clients use: clauses joined by `or` or by `and`.
///
/// `displayName eq '…'`, `startswith(displayName,'…')`, `servicePrincipalNames/any(c:c eq '…')`
struct GraphFilter: Sendable {
    private struct Clause: Sendable {
        let name: String
        let value: String
        let isPrefix: Bool
    }

    private let clauses: [Clause]
    private let isAnyEnough: Bool

    /// - Parameter properties: the lower-case names of what may be filtered by.
    init(_ text: String, on properties: Set<String>) throws(VaultError) {
        guard text.utf8.count <= 4_096 else { throw Self.unknown(text) }
        var clauses: [Clause] = []
        var joined: Set<String> = []
        var rest = text[...]
        while let first = rest.firstIndex(where: { $0 != " " }) {
            rest = rest[first...]
            guard let open = rest.firstIndex(of: "'"), let clause = Self.clause(rest[..<open], rest[open...]) else {
                throw Self.unknown(text)
            }
            guard properties.contains(clause.found.name) else {
                throw .badParameter(
                    "The $filter names a property '\(clause.found.name.prefix(64))' that cannot be filtered by.")
            }
            clauses.append(clause.found)
            rest = clause.rest
            guard let next = rest.firstIndex(where: { $0 != " " }) else { break }
            rest = rest[next...]
            guard let word = rest.split(separator: " ").first?.lowercased(), ["or", "and"].contains(word) else {
                throw Self.unknown(text)
            }
            joined.insert(word)
            rest = rest.dropFirst(word.count)
            guard rest.contains(where: { $0 != " " }) else { throw Self.unknown(text) }
        }
        // Both in one filter would need rules of precedence.
        guard joined.count < 2 else { throw Self.unknown(text) }
        isAnyEnough = joined != ["and"]
        self.clauses = clauses
    }

    private static func clause(_ head: Substring, _ tail: Substring) -> (found: Clause, rest: Substring)? {
        let words = head.filter { $0 != " " }.lowercased()
        let body = tail.dropFirst()
        // A quote in a value is doubled.
        var value = ""
        var index = body.startIndex
        while index < body.endIndex {
            guard body[index] == "'" else {
                value.append(body[index])
                index = body.index(after: index)
                continue
            }
            let next = body.index(after: index)
            guard next < body.endIndex, body[next] == "'" else { break }
            value.append("'")
            index = body.index(after: next)
        }
        guard index < body.endIndex else { return nil }
        var rest = body[body.index(after: index)...]
        func closed() -> Bool {
            guard rest.first == ")" else { return false }
            rest = rest.dropFirst()
            return true
        }
        if words.hasPrefix("startswith("), words.hasSuffix(","), closed() {
            return (Clause(name: String(words.dropFirst(11).dropLast()), value: value, isPrefix: true), rest)
        }
        if let any = words.firstIndex(of: "/"), words.hasSuffix("eq"), words[any...].hasPrefix("/any("), closed() {
            return (Clause(name: String(words[..<any]), value: value, isPrefix: false), rest)
        }
        guard words.hasSuffix("eq"), words.utf8.dropLast(2).allSatisfy(\.isASCIILetter) else { return nil }
        return (Clause(name: String(words.dropLast(2)), value: value, isPrefix: false), rest)
    }

    private static func unknown(_ text: String) -> VaultError {
        .badParameter("The $filter '\(text.prefix(256))' is not supported: use name eq '…' or startswith(name,'…').")
    }

    /// - Parameter values: of an object, by the lower-case names of its properties.
    func holds(_ values: (String) -> [String]) -> Bool {
        var isAny = false
        for clause in clauses {
            let wanted = clause.value.lowercased()
            let fits = values(clause.name).contains {
                clause.isPrefix ? $0.lowercased().hasPrefix(wanted) : $0.lowercased() == wanted
            }
            if !fits, !isAnyEnough { return false }
            isAny = isAny || fits
        }
        return clauses.isEmpty || isAny
    }
}
