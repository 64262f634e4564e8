import Domain
import Operations
import Testing

@testable import Certificates

struct CertificatePolicyTests {
    private func vault() throws -> Vault {
        Vault(
            name: try #require(VaultName("demo")), subscription: GUID(high: 1, low: 1), resourceGroup: "g",
            location: "l", retentionDays: 90, isPurgeProtected: false, authority: "demo.vault.localhost")
    }

    private func policy(_ json: String) throws -> CertificatePolicy { try CertificatePolicy.fromJSON(Array(json.utf8)) }

    @Test("Places are filled in wherever names stand")
    func filled() throws {
        let template = try policy(
            #"{"x509_props":{"subject":"CN={{cert-name}}.{{vault-name}}.example","sans":{"dns_names":["{{cert-name}}","fixed"],"upns":["{{cert-name}}@x"],"emails":["{{cert-name}}@y"],"uris":["https://{{cert-name}}"]}}}"#
        )
        let filled = try template.filled(in: try #require(ObjectName("Web")), try vault())
        #expect(filled.x509_props?.subject == "CN=Web.demo.example")
        #expect(filled.x509_props?.sans?.dns_names == ["Web", "fixed"])
        #expect(filled.x509_props?.sans?.upns == ["Web@x"] && filled.x509_props?.sans?.emails == ["Web@y"])
        #expect(filled.x509_props?.sans?.uris == ["https://Web"])
    }

    @Test("An unknown place is refused", arguments: ["CN={{name}}", "CN={{cert-name}}{{", "CN={{ cert-name }}"])
    func unknown(_ subject: String) throws {
        let template = try policy(#"{"x509_props":{"subject":"\#(subject)"}}"#)
        #expect(throws: VaultError.self) {
            try template.filled(in: try #require(ObjectName("web")), try vault())
        }
    }

    private func renewal(_ trigger: String, life: Int64) throws -> Int64? {
        let policy = try policy(
            #"{"issuer":{"name":"Self"},"lifetime_actions":[{"trigger":{\#(trigger)},"action":{"action_type":"AutoRenew"}}]}"#
        )
        let start = Timestamp(epochSeconds: 0)
        return policy.renewalTime(from: start, to: start + .seconds(life))?.epochSeconds
    }

    @Test("Renewal is due by days before the end or by a part of the life")
    func renewal() throws {
        let day: Int64 = 86_400
        #expect(try renewal(#""days_before_expiry":30"#, life: 365 * day) == 335 * day)
        #expect(try renewal(#""lifetime_percentage":80"#, life: 100 * day) == 80 * day)
        #expect(try renewal(#""lifetime_percentage":1"#, life: 100 * day) == day)
    }

    @Test(
        "What an issuer gives for less time than the days before its end is renewed after two thirds",
        arguments: [30, 31, 60, 3_000])
    func shortLived(_ days: Int64) throws {
        let day: Int64 = 86_400
        #expect(try renewal("\"days_before_expiry\":\(days)", life: 30 * day) == 20 * day)
    }
}
