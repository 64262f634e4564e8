import Domain
import Operations
import Testing

struct CatalogTests {
    private static func operation(
        _ name: String, _ method: Request.Method, on host: Hosts = .vault, _ paths: String...
    ) -> any AnyOperation {
        // The initialiser takes its paths one by one.
        switch paths.count {
        case 1: Operation(name, method, on: host, paths[0], requires: .nothing, run: answer)
        default: Operation(name, method, on: host, paths[0], paths[1], requires: .nothing, run: answer)
        }
    }

    private static func answer(_ input: NoInput, _ call: Call) async throws(VaultError) -> NoContent { NoContent() }

    private let catalog = Catalog([
        operation("Get", .get, "/secrets/{secret-name}", "/secrets/{secret-name}/{secret-version}"),
        operation("Set", .put, "/secrets/{secret-name}"), operation("List", .get, "/secrets"),
        operation("Versions", .get, "/secrets/{secret-name}/versions"), operation("Restore", .post, "/secrets/restore"),
        operation("Backup", .post, "/secrets/{secret-name}/backup"), operation("Batch", .post, "/secrets:batchGet"),
        operation("Login", .post, on: .login, "/{tenant}/oauth2/token"),
        Operation(scheduled: "Purge", requires: .secretsPurge, destroys: true, run: answer),
    ])

    private func match(_ method: Request.Method?, _ path: String, on host: Hosts = .vault) -> String {
        switch catalog.match(host, method, path.split(separator: "/").map(String.init)) {
        case .operation(let operation, let parameters):
            ([operation.name] + parameters.map { "\($0.name)=\($0.value)" }).joined(separator: " ")
        case .methodNotAllowed(let methods): "only " + methods.map(\.rawValue).joined(separator: ",")
        case .none: "none"
        }
    }

    @Test(
        "A path and method mean an operation",
        arguments: [
            (.get, "/secrets/a", "Get secret-name=a"), (.get, "/secrets/a/b", "Get secret-name=a secret-version=b"),
            (.get, "/secrets", "List"),
            (.put, "/secrets/a", "Set secret-name=a"), (.get, "/secrets/a/versions", "Versions secret-name=a"),
            (.post, "/secrets/restore", "Restore"),
            (.post, "/secrets/a/backup", "Backup secret-name=a"), (.post, "/secrets:batchGet", "Batch"),
        ] as [(Request.Method, String, String)])
    func matches(_ method: Request.Method, _ path: String, _ expected: String) {
        #expect(match(method, path) == expected)
    }

    @Test(
        "Literals are matched in any case, and parameters keep theirs",
        arguments: [
            (.get, "/Secrets/Abc", "Get secret-name=Abc"), (.get, "/SECRETS/a/VERSIONS", "Versions secret-name=a"),
            (.post, "/secrets/Restore", "Restore"),
            (.post, "/Secrets:BATCHGET", "Batch"),
        ] as [(Request.Method, String, String)])
    func cases(_ method: Request.Method, _ path: String, _ expected: String) {
        #expect(match(method, path) == expected)
    }

    @Test(
        "A literal wins where it has the method, and leaves the others to the parameter",
        arguments: [
            (.post, "/secrets/restore", "Restore"), (.put, "/secrets/restore", "Set secret-name=restore"),
            (.get, "/secrets/restore", "Get secret-name=restore"),
            (.get, "/secrets/versions", "Get secret-name=versions"),
            (.get, "/secrets/versions/versions", "Versions secret-name=versions"),
            (.post, "/secrets/restore/backup", "Backup secret-name=restore"),
        ] as [(Request.Method, String, String)])
    func literals(_ method: Request.Method, _ path: String, _ expected: String) {
        #expect(match(method, path) == expected)
    }

    @Test(
        "A path that is there with other methods says which, in a fixed order",
        arguments: [
            (.delete, "/secrets/a", "only GET,PUT"), (.put, "/secrets", "only GET"),
            (.get, "/secrets/a/backup", "Get secret-name=a secret-version=backup"),
            (.delete, "/secrets/restore", "only GET,POST,PUT"), (nil, "/secrets/a", "only GET,PUT"),
            (nil, "/secrets/restore", "only GET,POST,PUT"),
        ] as [(Request.Method?, String, String)])
    func methods(_ method: Request.Method?, _ path: String, _ expected: String) {
        #expect(match(method, path) == expected)
    }

    @Test(
        "A path that leads nowhere is none",
        arguments: ["/", "/secret", "/secrets/a/b/c", "/keys/a", "/secrets:other", "/x/oauth2/token"])
    func none(_ path: String) {
        #expect(match(.get, path) == "none")
        #expect(match(nil, path) == "none")
    }

    @Test("Each host has routes of its own")
    func hosts() {
        #expect(match(.post, "/x/oauth2/token", on: .login) == "Login tenant=x")
        #expect(match(.get, "/secrets", on: .login) == "none")
        #expect(match(.get, "/secrets", on: .management) == "none")
    }

    @Test("A duty has a name and no route")
    func duties() {
        #expect(catalog.operation(named: "Purge")?.destroys == true)
        #expect(catalog.operation(named: "Purge")?.paths.isEmpty == true)
        #expect(catalog.operation(named: "purge") == nil)
    }
}
