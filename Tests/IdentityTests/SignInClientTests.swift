import Domain
import StrongroomTesting
import Testing

@testable import Identity

struct SignInClientTests {
    private static let cli = GUID("04b07795-8ddb-461a-bbee-02f9e1bf7b46")!

    private static func application(_ addresses: [String], isPublic: Bool = false) -> Application {
        var application = Application(
            id: GUID(high: 1, low: 2), objectID: GUID(high: 3, low: 4), displayName: "web", created: TestClock.start,
            secret: nil)
        application.signIn = SignInSettings(redirectAddresses: addresses, isPublic: isPublic)
        return application
    }

    @Test(
        "The Azure CLI is answered on loopback, whatever the port and the path",
        arguments: [
            ("http://localhost", true), ("http://localhost:8400", true), ("http://localhost:8400/", true),
            ("http://127.0.0.1:1/a/b?c=d", true), ("http://[::1]:65535/x", true), ("http://localhost:65536", false),
            ("http://localhost:", false), ("http://localhost.example.com", false),
            ("http://localhost@example.com", false),
            ("http://localhost:1@example.com/", false), ("https://localhost", false), ("http://127.0.0.2", false),
            ("http://localhost/#a", false), ("http://localhost/a\r\nb", false), ("http://LOCALHOST", false),
            ("", false),
        ])
    func loopback(_ address: String, _ isAllowed: Bool) throws {
        let client = try #require(SignInClient(Self.cli, in: Directory([])))
        #expect(client.isPublic)
        #expect(client.allows(redirect: address) == isAllowed)
    }

    @Test("Anything else is answered exactly where it is registered")
    func registered() throws {
        let application = Self.application(["https://app.example.com/callback", "http://localhost/back"])
        let client = try #require(SignInClient(application.id, in: Directory([application])))
        #expect(!client.isPublic)
        for (address, isAllowed) in [
            ("https://app.example.com/callback", true), ("https://app.example.com/callback/", false),
            ("https://app.example.com/callback?x=1", false), ("https://app.example.com:443/callback", false),
            ("http://app.example.com/callback", false), ("http://localhost:5000/back", true),
            ("http://localhost:5000/other", false), ("http://localhost", false),
        ] {
            #expect(client.allows(redirect: address) == isAllowed, "\(address)")
        }
    }

    @Test(
        "What cannot be registered",
        arguments: [
            "http://example.com/", "https://", "https://*.example.com/", "https://a@b/", "https://a/#b",
            "javascript:alert(1)",
            "https://:443/cb", "https://a:port/cb", "https://a:99999/cb", "https://a;script-src/cb", "https://a,b/cb",
            "https://a\"/cb", "https://a\\.evil.example/cb", "https://-a.example/cb", "https://a..b/cb", "https://a b/",
        ])
    func flaws(_ address: String) { #expect(SignInClient.flaw(ofRedirect: address) != nil) }

    @Test("A client that is disabled, a managed identity or nobody's way in is none")
    func none() {
        var application = Self.application(["https://a.example/cb"])
        application.isEnabled = false
        #expect(SignInClient(application.id, in: Directory([application])) == nil)
        application.isEnabled = true
        application.signIn = nil
        #expect(SignInClient(application.id, in: Directory([application])) == nil)
        #expect(SignInClient(GUID(high: 9, low: 9), in: Directory([])) == nil)
    }

    @Test(
        "Codes of devices as they are typed",
        arguments: [
            ("BCDF-GHJK", "BCDFGHJK"), (" bcdf ghjk ", "BCDFGHJK"), ("BCDFGHJ", nil), ("BCDFGHJA", nil),
            ("BCDFGHJKL", nil),
            ("", nil),
        ])
    func userCode(_ typed: String, _ code: String?) { #expect(DeviceSignIn.userCode(typed: typed) == code) }
}
