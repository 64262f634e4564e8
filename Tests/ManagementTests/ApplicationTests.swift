import Domain
import House
import Identity
import Operations
import StrongroomTesting
import Testing

struct ApplicationTests {
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
    }

    private func create(_ name: String = "app") async throws -> (client: Client, json: JSON) {
        let response = try await admin.manage(.post, "/strongroom/applications", #"{"displayName":"\#(name)"}"#)
        #expect(response.status == 201)
        let id = try #require(response.json["appId"].string.flatMap { GUID($0) })
        let objectID = try #require(response.json["objectId"].string.flatMap { GUID($0) })
        return (
            Client(id: id, objectID: objectID, password: try #require(response.json["password"].string)), response.json
        )
    }

    private func tokenStatus(_ client: Client, password: String? = nil) async throws -> UInt16 {
        try await admin.send(
            .post, "/\(house.house.instance.tenant)/oauth2/v2.0/token",
            "grant_type=client_credentials&client_id=\(client.id)&client_secret=\(password ?? client.password)&scope=https://vault.localhost:8443/.default",
            on: TestHouse.loginHost, version: nil, authorization: .none
        ).status
    }

    private func change(_ client: Client, _ what: String) async throws -> Response {
        try await admin.manage(.post, "/strongroom/applications/\(client.id)/\(what)")
    }

    @Test("An application is made with a password that is shown once and works")
    func creates() async throws {
        let (client, json) = try await create("Name é 🔑")
        #expect(json.members == ["appId", "displayName", "objectId", "password", "tenant", "enabled", "created"])
        #expect(json["tenant"].string == house.house.instance.tenant.description)
        #expect(try await tokenStatus(client) == 200)
        let list = try await admin.manage(.get, "/strongroom/applications")
        let listed = try #require(list.json["value"].array.first { $0["appId"].string == client.id.description })
        #expect(listed["displayName"].string == "Name é 🔑")
        #expect(listed["password"] == .null)
        #expect(!String(decoding: list.body, as: UTF8.self).contains(client.password))
    }

    @Test("A disabled application has neither token nor call from the next one on, until it is enabled")
    func disables() async throws {
        let caller = try await house.caller(roles: ["Key Vault Secrets User"])
        #expect(try await caller.get("absent").status == 404)
        #expect(try await change(caller.client, "disable").status == 200)
        #expect(try await caller.get("absent").status == 401)
        #expect(try await tokenStatus(caller.client) == 401)
        #expect(try await change(caller.client, "enable").json["enabled"].bool == true)
        #expect(try await caller.get("absent").status == 404)
        #expect(try await tokenStatus(caller.client) == 200)
    }

    @Test("A reset takes back the password and every token that it got")
    func resets() async throws {
        let caller = try await house.caller(roles: ["Key Vault Secrets User"])
        let token = "Bearer " + (try caller.token(for: .vault))
        #expect(try await caller.send(.get, "/secrets/absent", authorization: .header(token)).status == 404)
        let response = try await change(caller.client, "resetPassword")
        let password = try #require(response.json["password"].string)
        #expect(try await caller.send(.get, "/secrets/absent", authorization: .header(token)).status == 401)
        #expect(try await tokenStatus(caller.client) == 401)
        #expect(try await tokenStatus(caller.client, password: password) == 200)
        // And after a restart.
        let again = try await house.reopened()
        let later = try Caller(caller.client, in: again)
        #expect(try await later.send(.get, "/secrets/absent", authorization: .header(token)).status == 401)
        #expect(try await later.get("absent").status == 404)
    }

    @Test("A deleted application is gone from the next call on")
    func deletes() async throws {
        let caller = try await house.caller(roles: ["Key Vault Secrets User"])
        let token = "Bearer " + (try caller.token(for: .vault))
        #expect(try await admin.manage(.delete, "/strongroom/applications/\(caller.client.id)").status == 204)
        #expect(try await caller.send(.get, "/secrets/absent", authorization: .header(token)).status == 401)
        #expect(try await tokenStatus(caller.client) == 401)
        #expect(try await admin.manage(.delete, "/strongroom/applications/\(caller.client.id)").status == 404)
        #expect(try await change(caller.client, "enable").status == 404)
    }

    @Test(
        "What is no application is refused",
        arguments: [
            #"{}"#, #"{"displayName":""}"#, #"{"displayName":7}"#, #"{"displayName":"a\nb"}"#,
            #"{"displayName":"\#(String(repeating: "x", count: 121))"}"#,
        ])
    func refused(_ body: String) async throws {
        #expect(try await admin.manage(.post, "/strongroom/applications", body).status == 400)
        #expect(try await admin.manage(.post, "/strongroom/applications/nonsense/disable").status == 400)
    }

    @Test("Applications are for those who administer them")
    func permission() async throws {
        for (role, read, write) in [
            ("Reader", 200, 403), ("Contributor", 403, 403), ("User Access Administrator", 200, 201),
        ] as [(String, UInt16, UInt16)] {
            let caller = try await house.caller(role, roles: [role])
            #expect(try await caller.manage(.get, "/strongroom/applications").status == read, "\(role)")
            #expect(
                try await caller.manage(.post, "/strongroom/applications", #"{"displayName":"x"}"#).status == write,
                "\(role)")
        }
    }
}
