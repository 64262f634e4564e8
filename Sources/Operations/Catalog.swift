import Domain

/// All operations, and which of them a request means.
package struct Catalog: Sendable {
    package let operations: [any AnyOperation]
    private let roots: [Hosts: Node]
    private let byName: [String: any AnyOperation]

    /// - Precondition: no two operations share a route or a name; a clash is a defect found at every start.
    package init(_ operations: [any AnyOperation]) {
        self.operations = operations
        var roots: [Hosts: Node] = [:]
        var byName: [String: any AnyOperation] = [:]
        for operation in operations {
            precondition(
                byName.updateValue(operation, forKey: operation.name) == nil,
                "two operations are called \(operation.name)")
            guard let method = operation.method else { continue }
            for path in operation.paths {
                let segments = path.split(separator: "/").map(String.init)
                let names = segments.filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
                let route = Route(operation: operation, names: names)
                for (kind, _) in Hosts.named where operation.hosts.contains(kind) {
                    roots[kind] = (roots[kind] ?? Node()).inserting(route, method, segments[...])
                }
            }
        }
        self.roots = roots
        self.byName = byName
    }

    package func operation(named name: String) -> (any AnyOperation)? { byName[name] }

    package enum Match {
        case operation(any AnyOperation, parameters: [(name: String, value: String)])
        case methodNotAllowed([Request.Method])
        case none
    }

    package func match(_ host: Hosts, _ method: Request.Method?, _ path: [String]) -> Match {
        guard let root = roots[host] else { return .none }
        var values: [String] = []
        if let method, let route = root.find(method, path[...], &values) {
            return .operation(route.operation, parameters: zip(route.names, values).map { ($0, $1) })
        }
        let allowed = Request.Method.allCases.filter { root.find($0, path[...], &values) != nil }
        return allowed.isEmpty ? .none : .methodNotAllowed(allowed.sorted { $0.rawValue < $1.rawValue })
    }

    private struct Route: Sendable {
        let operation: any AnyOperation
        let names: [String]
    }

    /// A trie over segments. A literal wins over a parameter where both lead to the method asked for.
    private final class Node: Sendable {
        let literals: [String: Node]
        let parameter: Node?
        let routes: [Request.Method: Route]

        init(literals: [String: Node] = [:], parameter: Node? = nil, routes: [Request.Method: Route] = [:]) {
            (self.literals, self.parameter, self.routes) = (literals, parameter, routes)
        }

        func find(_ method: Request.Method, _ path: ArraySlice<String>, _ values: inout [String]) -> Route? {
            guard let segment = path.first else { return routes[method] }
            // Most clients write literals as they are declared; only the others pay for lower-casing.
            if let next = literals[segment] ?? (segment.hasUppercase ? literals[segment.lowercased()] : nil),
                let route = next.find(method, path.dropFirst(), &values)
            {
                return route
            }
            guard let parameter else { return nil }
            values.append(segment)
            if let route = parameter.find(method, path.dropFirst(), &values) { return route }
            values.removeLast()
            return nil
        }

        func inserting(_ route: Route, _ method: Request.Method, _ path: ArraySlice<String>) -> Node {
            guard let segment = path.first else {
                precondition(routes[method] == nil, "two operations share a route: \(route.operation.name)")
                return Node(literals: literals, parameter: parameter, routes: routes.merging([method: route]) { $1 })
            }
            if segment.hasPrefix("{") {
                let next = (parameter ?? Node()).inserting(route, method, path.dropFirst())
                return Node(literals: literals, parameter: next, routes: routes)
            }
            let key = segment.lowercased()
            let next = (literals[key] ?? Node()).inserting(route, method, path.dropFirst())
            return Node(literals: literals.merging([key: next]) { $1 }, parameter: parameter, routes: routes)
        }
    }
}

extension String {
    fileprivate var hasUppercase: Bool {
        for byte in utf8 where byte.isASCIIUpper { return true }
        return false
    }
}
