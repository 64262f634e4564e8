package import Domain

/// A validated request of one operation: made once from the request, trusted after.
package protocol OperationInput: Sendable {
    init(_ request: Request) throws(VaultError)
}

/// What an operation answers.
package protocol OperationOutput: Sendable {
    func response(_ call: Call) -> Response
}

/// The kinds of hosts that serve an operation.
package struct Hosts: OptionSet, Sendable, Hashable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let vault = Hosts(rawValue: 1)
    package static let managedHSM = Hosts(rawValue: 2)
    package static let login = Hosts(rawValue: 4)
    package static let management = Hosts(rawValue: 8)
    package static let graph = Hosts(rawValue: 16)

    package static let named: [(kind: Hosts, name: String)] = [
        (.vault, "vault"), (.managedHSM, "managedhsm"), (.login, "login"), (.management, "management"),
        (.graph, "graph"),
    ]

    package var names: [String] { Self.named.filter { contains($0.kind) }.map(\.name) }
}

/// What a caller needs before the handler runs.
package enum Requirement: Sendable {
    /// No token: the operation authenticates by itself or tells nothing.
    case nothing
    /// A permission on the vault or the object that the path names; the second is tried when the first is not held.
    case permission(Permission, or: Permission? = nil)
    /// Authenticated; the handler asks for the permission item by item.
    case perItem(Permission)
    /// A permission at the scope that the path names; `nil` names the server's subscription.
    case atScope(Permission, scope: @Sendable (Request) throws(VaultError) -> Scope?)

    package var permission: Permission? {
        switch self {
        case .nothing: nil
        case .permission(let permission, _), .perItem(let permission), .atScope(let permission, _): permission
        }
    }
}

/// An operation, declared once: routing, authorisation, audit name, documentation and coverage are read from it.
package struct Operation<Input: OperationInput, Output: OperationOutput>: AnyOperation {
    package let name: String
    package let method: Request.Method?
    package let hosts: Hosts
    package let paths: [String]
    package let requirement: Requirement
    package let since: APIVersion?
    package let status: UInt16
    package let bodyLimit: Int
    package let destroys: Bool
    package let isElsewhere: Bool
    package let needsActivation: Bool
    private let run: @Sendable (Input, Call) async throws(VaultError) -> Output

    /// - Parameters:
    ///   - name: the audit name.
    ///   - paths: templates such as `/secrets/{secret-name}`; several when one operation has several spellings.
    ///   - since: the first api-version that has it; nil when the host asks for none.
    ///   - status: of a success.
    ///   - bodyLimit: bytes.
    ///   - needsActivation: not to be had of a pool whose security domain was not downloaded.
    package init(
        _ name: String, _ method: Request.Method, on hosts: Hosts = .vault, _ paths: String...,
        requires requirement: Requirement,
        since: APIVersion? = nil, status: UInt16 = 200, bodyLimit: Int = 1 << 20,
        needsActivation: Bool = true,
        run: @escaping @Sendable (Input, Call) async throws(VaultError) -> Output
    ) {
        self.name = name
        self.method = method
        self.hosts = hosts
        self.paths = paths
        self.requirement = requirement
        self.since = since
        self.status = status
        self.bodyLimit = bodyLimit
        destroys = false
        isElsewhere = false
        self.needsActivation = needsActivation
        self.run = run
    }

    /// A duty that falls due: dispatched by name, without a route, otherwise equal.
    ///
    /// - Parameters:
    ///   - destroys: it removes what cannot be had back, so that a wrong clock must not hurry it.
    ///   - isElsewhere: it waits for a server that is not ours, so that others must not wait for it.
    package init(
        scheduled name: String, requires permission: Permission, destroys: Bool = false, isElsewhere: Bool = false,
        run: @escaping @Sendable (Input, Call) async throws(VaultError) -> Output
    ) {
        self.name = name
        method = nil
        hosts = .vault
        paths = []
        requirement = .permission(permission)
        since = nil
        status = 200
        bodyLimit = 0
        self.destroys = destroys
        self.isElsewhere = isElsewhere
        needsActivation = false
        self.run = run
    }

    package func respond(_ request: Request, _ call: Call) async throws(VaultError) -> Response {
        let input = try Input(request)
        let output = try await run(input, call)
        return output.response(call)
    }
}

package protocol AnyOperation: Sendable {
    var name: String { get }
    var method: Request.Method? { get }
    var hosts: Hosts { get }
    var paths: [String] { get }
    var requirement: Requirement { get }
    var since: APIVersion? { get }
    var status: UInt16 { get }
    var bodyLimit: Int { get }
    var destroys: Bool { get }
    var isElsewhere: Bool { get }
    var needsActivation: Bool { get }

    func respond(_ request: Request, _ call: Call) async throws(VaultError) -> Response
}

/// For operations that take nothing but their path.
package struct NoInput: OperationInput {
    package init(_ request: Request) {}
}

/// For operations that answer 204.
package struct NoContent: OperationOutput {
    package init() {}
    package func response(_ call: Call) -> Response { Response(status: 204) }
}

/// For operations that answer a JSON object which they write themselves.
package struct JSONOutput: OperationOutput {
    let status: UInt16
    let body: [UInt8]

    package init(status: UInt16 = 200, _ write: (inout JSONWriter) -> Void) {
        var writer = JSONWriter()
        writer.object(write)
        (self.status, body) = (status, writer.bytes)
    }

    private init(empty status: UInt16) { (self.status, body) = (status, []) }

    /// `{"value":[…]}`
    package static func list(_ write: (inout JSONWriter) -> Void) -> JSONOutput {
        JSONOutput { $0.array("value", write) }
    }

    /// 204.
    package static let nothing = JSONOutput(empty: 204)

    package func response(_ call: Call) -> Response { Response(status: status, body: body) }
}
