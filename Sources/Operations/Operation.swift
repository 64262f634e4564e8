package import Domain

/// A validated request of one operation: made once from the request, trusted after.
package protocol OperationInput: Sendable {
    init(_ request: Request) throws(VaultError)
}

/// What an operation answers.
package protocol OperationOutput: Sendable {
    func response(_ call: Call) -> Response
}

/// The kind of host that serves an operation.
package enum HostKind: String, Sendable, CaseIterable { case vault, login, management }

/// What a caller needs before the handler runs.
package enum Requirement: Sendable {
    /// No token: the operation authenticates by itself or tells nothing.
    case nothing
    /// A permission on the vault or the object that the path names.
    case permission(Permission)
    /// Authenticated; the handler asks for the permission item by item.
    case perItem(Permission)
    /// A permission at the scope that the path names; `nil` names the server's subscription.
    case atScope(Permission, scope: @Sendable (Request) throws(VaultError) -> Scope?)

    package var permission: Permission? {
        switch self {
        case .nothing: nil
        case .permission(let permission), .perItem(let permission), .atScope(let permission, _): permission
        }
    }
}

/// An operation, declared once: routing, authorisation, audit name, documentation and coverage are read from it.
package struct Operation<Input: OperationInput, Output: OperationOutput>: AnyOperation {
    package let name: String
    package let method: Request.Method?
    package let host: HostKind
    package let paths: [String]
    package let requirement: Requirement
    package let since: APIVersion?
    package let status: UInt16
    package let bodyLimit: Int
    package let destroys: Bool
    private let run: @Sendable (Input, Call) async throws(VaultError) -> Output

    /// - Parameters:
    ///   - name: the audit name.
    ///   - paths: templates such as `/secrets/{secret-name}`; several when one operation has several spellings.
    ///   - since: the first api-version that has it; nil when the host asks for none.
    ///   - status: of a success.
    ///   - bodyLimit: bytes.
    package init(
        _ name: String, _ method: Request.Method, on host: HostKind = .vault, _ paths: String...,
        requires requirement: Requirement,
        since: APIVersion? = nil, status: UInt16 = 200, bodyLimit: Int = 1 << 20,
        run: @escaping @Sendable (Input, Call) async throws(VaultError) -> Output
    ) {
        self.name = name
        self.method = method
        self.host = host
        self.paths = paths
        self.requirement = requirement
        self.since = since
        self.status = status
        self.bodyLimit = bodyLimit
        destroys = false
        self.run = run
    }

    /// A duty that falls due: dispatched by name, without a route, otherwise equal.
    ///
    /// - Parameter destroys: it removes what cannot be had back, so that a wrong clock must not hurry it.
    package init(
        scheduled name: String, requires permission: Permission, destroys: Bool = false,
        run: @escaping @Sendable (Input, Call) async throws(VaultError) -> Output
    ) {
        self.name = name
        method = nil
        host = .vault
        paths = []
        requirement = .permission(permission)
        since = nil
        status = 200
        bodyLimit = 0
        self.destroys = destroys
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
    var host: HostKind { get }
    var paths: [String] { get }
    var requirement: Requirement { get }
    var since: APIVersion? { get }
    var status: UInt16 { get }
    var bodyLimit: Int { get }
    var destroys: Bool { get }

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
