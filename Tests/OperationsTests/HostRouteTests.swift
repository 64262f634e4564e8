import Domain
import Operations
import Testing

struct HostRouteTests {
    private func word(_ route: HostRoute) -> String {
        switch route {
        case .vault(let name, let label): "vault \(name.map { "\($0)" } ?? "nil") \(label)"
        case .managedHSM: "hsm"
        case .login: "login"
        case .management: "management"
        case .graph: "graph"
        case .console: "console"
        case .unknown: "unknown"
        }
    }

    @Test(
        "A host name says what it stands for",
        arguments: [
            ("demo.vault.localhost", "vault demo demo"), ("my-vault.vault.localhost", "vault my-vault my-vault"),
            ("x.vault.localhost", "vault nil x"),
            ("demohsm.managedhsm.localhost", "hsm"), ("login.localhost", "login"),
            ("management.localhost", "management"), ("graph.localhost", "graph"),
            ("console.localhost", "console"), ("localhost", "unknown"), ("", "unknown"), (".localhost", "unknown"),
            ("vault.localhost", "unknown"),
            (".vault.localhost", "unknown"), ("a.demo.vault.localhost", "unknown"),
            ("demo.vault.localhost.", "unknown"),
            ("demo.vault.localhos", "unknown"), ("demo.vaultlocalhost", "unknown"),
            ("demo.vault.notlocalhost", "unknown"),
            ("demo.keys.localhost", "unknown"), ("login.login.localhost", "unknown"), ("127.0.0.1", "unknown"),
            ("[::1]", "unknown"),
        ])
    func routes(_ host: String, _ expected: String) {
        #expect(word(HostRoute(host, suffix: "localhost")) == expected)
    }

    @Test("A suffix may have several labels")
    func longSuffix() {
        #expect(word(HostRoute("demo.vault.kv.example.org", suffix: "kv.example.org")) == "vault demo demo")
        #expect(word(HostRoute("demo.vault.example.org", suffix: "kv.example.org")) == "unknown")
    }
}
