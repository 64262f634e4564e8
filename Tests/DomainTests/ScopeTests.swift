import Domain
import Testing

struct ScopeTests {
    private static let subscription = "/subscriptions/f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    private static let vault = subscription + "/resourceGroups/Group_1/providers/Microsoft.KeyVault/vaults/demo"

    @Test(
        "A scope says its level",
        arguments: [
            (subscription, Scope.Level.subscription), (subscription + "/resourceGroups/Group_1", .resourceGroup),
            (vault, .vault),
            (vault + "/secrets/Name", .object), (vault + "/keys/name", .object),
            (vault + "/certificates/name", .object),
        ])
    func levels(_ text: String, _ level: Scope.Level) {
        #expect(Scope(text)?.level == level)
        #expect(Scope(text)?.description == text)
        #expect(Scope(text + "/") == Scope(text))
        #expect(Scope(text.uppercased()) == Scope(text.lowercased()))
    }

    @Test(
        "Anything else is no scope",
        arguments: [
            "", "/", "//", subscription.dropFirst().description, "/subscriptions", "/subscriptions/",
            "/subscriptions/nonsense",
            subscription + "/resourceGroups", subscription + "/resourceGroups/", subscription + "/resourceGroups/ends.",
            subscription + "/resourceGroups/a b", subscription + "/groups/g", subscription + "//resourceGroups/g",
            subscription + "/resourceGroups/g/providers/Microsoft.KeyVault",
            subscription + "/resourceGroups/g/providers/Microsoft.Compute/vaults/demo",
            subscription + "/resourceGroups/../providers/Microsoft.KeyVault/vaults/demo", vault + "/secrets",
            vault + "/secrets/", vault + "/secrets/a/b",
            vault + "/secrets/..", vault + "/things/name", vault + "//secrets/name", vault + "/secrets/a%2Fb",
            vault + "-", vault + "/secrets/name//",
        ])
    func refuses(_ text: String) {
        #expect(Scope(text) == nil)
    }

    @Test("A scope that is built reads back as itself")
    func built() throws {
        let subscription = try #require(GUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"))
        let vault = Scope.vault(try #require(VaultName("demo")), group: "Group_1", subscription: subscription)
        let scopes = [
            Scope.subscription(subscription), .resourceGroup("Group_1", in: subscription), vault,
            vault.object(try #require(ObjectName("Name")), in: "secrets"),
        ]
        for scope in scopes { #expect(Scope(scope.description) == scope) }
        #expect(vault.description == Self.vault)
    }

    @Test(
        "A resource group has a name of 1 to 90 characters",
        arguments: [("a", true), ("a.b-c_(d)", true), ("", false), (".", false), ("é", false)])
    func resourceGroups(_ name: String, _ isName: Bool) {
        #expect(Scope.isResourceGroupName(name) == isName)
        #expect(Scope.isResourceGroupName(String(repeating: "x", count: 90)))
        #expect(!Scope.isResourceGroupName(String(repeating: "x", count: 91)))
    }
}
