import Domain
import Identity
import Testing

struct AuthorityTests {
    private let authority = Authority(tenant: GUID(high: 1, low: 2), suffix: "localhost:8443")

    @Test("The challenge names the tenant's login and the resource, port included")
    func challenge() {
        #expect(
            authority.challenge(for: .vault)
                == #"Bearer authorization="https://login.localhost:8443/00000000-0000-0001-0000-000000000002", resource="https://vault.localhost:8443""#
        )
        #expect(authority.challenge(for: .managedHSM).contains(#"resource="https://managedhsm.localhost:8443""#))
    }

    @Test("The issuer ends in a slash, as that of the service does")
    func issuer() {
        #expect(authority.issuer == "https://login.localhost:8443/00000000-0000-0001-0000-000000000002/")
    }

    @Test(
        "An audience means a resource",
        arguments: [
            ("https://vault.localhost:8443", .vault), ("https://vault.localhost:8443/", .vault),
            ("https://vault.azure.net", .vault),
            ("https://VAULT.azure.net/", .vault), ("https://managedhsm.azure.net", .managedHSM),
            ("https://managedhsm.localhost:8443", .managedHSM),
            ("https://management.localhost:8443", .management), ("https://management.azure.com/", .management),
            ("https://management.core.windows.net/", .management), ("https://vault.localhost", nil),
            ("https://vault.azure.net//", nil),
            ("http://vault.azure.net", nil), ("https://vault.azure.net.evil.example", nil), ("", nil), ("/", nil),
            ("vault.azure.net", nil),
        ] as [(String, Authority.Resource?)])
    func audiences(_ audience: String, _ resource: Authority.Resource?) {
        #expect(authority.resource(ofAudience: audience) == resource)
    }
}
