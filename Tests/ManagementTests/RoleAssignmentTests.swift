import Access
import Domain
import House
import Operations
import StrongroomTesting
import Testing

struct RoleAssignmentTests {
    private let house: TestHouse
    private let admin: Caller
    private let client: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
        client = try await house.caller()
        for vault in ["demo", "other"] { for name in ["a", "b"] { _ = try await admin.set(name, "x", in: vault) } }
    }

    private func role(_ name: String) throws -> GUID { try #require(BuiltInRoles.role(named: name)).id }

    private func assign(
        _ role: String = "Key Vault Secrets User", at scope: String, id: UInt64 = 1, by other: Caller? = nil
    ) async throws -> Response {
        try await (other ?? admin).assign(try self.role(role), to: client.client, at: scope, id: GUID(high: 1, low: id))
    }

    private func path(_ scope: String, _ id: UInt64 = 1) -> String {
        Caller.assignment(GUID(high: 1, low: id), at: scope)
    }

    enum Place: CaseIterable, Sendable { case subscription, resourceGroup, vault, object }

    private func scope(_ place: Place) -> String {
        switch place {
        case .subscription: house.subscription
        case .resourceGroup: house.resourceGroup
        case .vault: house.scope(ofVault: "demo")
        case .object: house.scope(ofVault: "demo") + "/secrets/a"
        }
    }

    @Test("A role is in force for the very next call and out of it for the very next call", arguments: Place.allCases)
    func instant(_ place: Place) async throws {
        func reach() async throws -> [UInt16] {
            [
                try await client.get("a").status, try await client.get("b").status,
                try await client.get("a", in: "other").status,
            ]
        }
        let expected: [UInt16] =
            switch place {
            case .subscription, .resourceGroup: [200, 200, 200]
            case .vault: [200, 200, 403]
            case .object: [200, 403, 403]
            }
        #expect(try await reach() == [403, 403, 403])
        #expect(try await assign(at: scope(place)).status == 201)
        #expect(try await reach() == expected)
        #expect(try await client.set("a", "y").status == 403)
        let again = try await house.reopened()
        let reopenedClient = try Caller(client.client, in: again)
        #expect(try await reopenedClient.get("a").status == 200)
        #expect(try await again.admin().manage(.delete, path(scope(place))).status == 200)
        #expect(try await reopenedClient.get("a").status == 403)
    }

    @Test("An assignment is shown as it was made, at its own scope only")
    func shown() async throws {
        let scope = house.scope(ofVault: "demo")
        let made = try await assign(at: scope)
        #expect(made.json["name"].string == GUID(high: 1, low: 1).description)
        #expect(made.json["id"].string == path(scope))
        #expect(made.json["type"].string == "Microsoft.Authorization/roleAssignments")
        #expect(made.json["properties"]["principalId"].string == client.client.objectID.description)
        #expect(made.json["properties"]["scope"].string == scope)
        #expect(
            made.json["properties"]["roleDefinitionId"].string?.hasSuffix(
                try role("Key Vault Secrets User").description) == true)
        #expect(try await admin.manage(.get, path(scope)).json == made.json)
        #expect(try await admin.manage(.get, path(house.subscription)).status == 404)
        #expect(try await admin.manage(.delete, path(house.subscription)).status == 404)
        #expect(try await client.get("a").status == 200)
    }

    @Test("The same assignment twice is one, another of its name is refused, and the same under another name too")
    func conflicts() async throws {
        let scope = house.scope(ofVault: "demo")
        #expect(try await assign(at: scope).status == 201)
        #expect(try await assign(at: scope).status == 200)
        let other = try await assign("Key Vault Reader", at: scope)
        #expect(other.status == 409 && other.errorCode == "Conflict")
        let renamed = try await assign(at: scope, id: 2)
        #expect(renamed.status == 409 && renamed.errorCode == "RoleAssignmentExists")
    }

    @Test("A list shows what is at, above and below a scope, and one principal's if asked")
    func lists() async throws {
        let scopes = [
            house.subscription, house.scope(ofVault: "demo"), house.scope(ofVault: "demo") + "/secrets/a",
            house.scope(ofVault: "other"),
        ]
        for (number, scope) in scopes.enumerated() {
            #expect(try await assign(at: scope, id: UInt64(number + 10)).status == 201)
        }
        func listed(_ scope: String) async throws -> Set<String> {
            let filter = "principalId eq '\(client.client.objectID)'"
            let response = try await admin.manage(
                .get, scope + "/providers/Microsoft.Authorization/roleAssignments?$filter=\(filter)")
            return Set(response.json["value"].array.compactMap { $0["properties"]["scope"].string })
        }
        #expect(try await listed(house.subscription) == Set(scopes))
        #expect(try await listed(scopes[1]) == Set(scopes.prefix(3)))
        #expect(try await listed(scopes[3]) == [scopes[0], scopes[3]])
        let all = try await admin.manage(
            .get, house.subscription + "/providers/Microsoft.Authorization/roleAssignments")
        #expect(all.json["value"].array.count == scopes.count + House.allRoles.count)
        #expect(
            try await admin.manage(
                .get, house.subscription + "/providers/Microsoft.Authorization/roleAssignments?$filter=nonsense"
            ).status == 400)
    }

    @Test(
        "Only who may assign roles there can",
        arguments: [
            ("Reader", 403), ("Contributor", 403), ("User Access Administrator", 201), ("Owner", 201),
            ("Key Vault Administrator", 403), ("Key Vault Data Access Administrator", 201),
        ] as [(String, UInt16)])
    func permission(_ role: String, _ status: UInt16) async throws {
        let assigner = try await house.caller("assigner", roles: [role])
        #expect(try await assign(at: house.scope(ofVault: "demo"), by: assigner).status == status)
    }

    @Test("Who may assign roles on vaults cannot make themselves an owner")
    func escalation() async throws {
        let assigner = try await house.caller("assigner", roles: ["Key Vault Data Access Administrator"])
        for role in ["Owner", "Contributor", "User Access Administrator", "Key Vault Data Access Administrator"] {
            let response = try await assigner.assign(
                try self.role(role), to: assigner.client, at: house.subscription, id: GUID(high: 2, low: 2))
            #expect(response.status == 403, "\(role)")
        }
    }

    @Test("Who may assign roles at one vault cannot elsewhere")
    func scopeOfAssigning() async throws {
        let assigner = try await house.caller("assigner")
        let given = try await admin.assign(
            try role("User Access Administrator"), to: assigner.client, at: house.scope(ofVault: "demo"),
            id: GUID(high: 3, low: 3))
        #expect(given.status == 201)
        #expect(try await assign(at: house.scope(ofVault: "demo"), by: assigner).status == 201)
        #expect(try await assign(at: house.scope(ofVault: "other"), id: 2, by: assigner).status == 403)
        #expect(try await assign(at: house.subscription, id: 3, by: assigner).status == 403)
    }

    @Test("What is no assignment is refused")
    func refused() async throws {
        let scope = house.scope(ofVault: "demo")
        func put(_ path: String, role: String, principal: String) async throws -> UInt16 {
            try await admin.manage(
                .put, path, #"{"properties":{"roleDefinitionId":"\#(role)","principalId":"\#(principal)"}}"#
            ).status
        }
        let (role, principal) = (try role("Key Vault Reader").description, client.client.objectID.description)
        #expect(try await put(path(scope), role: role, principal: "nonsense") == 400)
        #expect(try await put(path(scope), role: "nonsense", principal: principal) == 404)
        #expect(try await put(path(scope), role: GUID(high: 0, low: 0).description, principal: principal) == 404)
        #expect(
            try await put(
                scope + "/providers/Microsoft.Authorization/roleAssignments/nonsense", role: role, principal: principal)
                == 400)
        #expect(try await put(path(scope + "/things/a"), role: role, principal: principal) == 400)
        #expect(try await admin.manage(.put, path(scope), "{}").status == 400)
        #expect(try await put(path(scope), role: role, principal: principal) == 201)
    }
}
