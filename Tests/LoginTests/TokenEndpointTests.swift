import Audit
import Domain
import House
import Operations
import StrongroomTesting
import Testing

struct TokenEndpointTests {
    private let house: TestHouse
    private let client: Caller
    private let tenant: GUID

    init() async throws {
        house = try await TestHouse.open()
        client = try await house.caller(roles: ["Key Vault Secrets Officer"])
        tenant = house.house.instance.tenant
    }

    private func form(_ changes: [String: String?] = [:]) -> String {
        var fields: [String: String] = [
            "grant_type": "client_credentials", "client_id": client.client.id.description,
            "client_secret": client.client.password,
            "scope": "https%3A%2F%2Fvault.localhost%3A8443%2F.default",
        ]
        for (name, value) in changes { fields[name] = value }
        return fields.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "&")
    }

    private func ask(_ body: String, path: String? = nil) async throws -> Response {
        try await client.send(
            .post, path ?? "/\(tenant)/oauth2/v2.0/token", body, on: TestHouse.loginHost, version: nil)
    }

    @Test("A client's secret gets a token that opens the vault")
    func version2() async throws {
        let response = try await ask(form())
        #expect(response.status == 200)
        #expect(response.json["token_type"].string == "Bearer")
        #expect(response.json["expires_in"].integer == 3_599)
        let token = try #require(response.json["access_token"].string)
        #expect(try await client.send(.get, "/secrets", authorization: .header("Bearer " + token)).status == 200)
    }

    @Test("The first version of the endpoint takes a resource and answers in texts")
    func version1() async throws {
        let response = try await ask(
            form(["scope": nil, "resource": "https://vault.azure.net"]), path: "/\(tenant)/oauth2/token")
        #expect(response.status == 200)
        #expect(response.json["expires_in"].string == "3599")
        #expect(response.json["expires_on"].string == String(house.clock.now.epochSeconds + 3_600))
        #expect(response.json["resource"].string == "https://vault.azure.net")
        let token = try #require(response.json["access_token"].string)
        #expect(try await client.send(.get, "/secrets", authorization: .header("Bearer " + token)).status == 200)
    }

    @Test(
        "A request that is not right gets the error that clients know",
        arguments: [
            (["client_secret": "wrong"], 401, "invalid_client"),
            (["client_id": "00000000-0000-0000-0000-000000000000"], 401, "invalid_client"),
            (["client_secret": nil], 401, "invalid_client"), (["client_id": nil], 400, "invalid_request"),
            (["grant_type": "password"], 400, "unsupported_grant_type"),
            (["grant_type": nil], 400, "unsupported_grant_type"),
            (["scope": "https%3A%2F%2Fevil.example%2F.default"], 400, "invalid_resource"),
            (["scope": nil], 400, "invalid_resource"),
            (["scope": "openid"], 400, "invalid_resource"),
        ] as [([String: String?], UInt16, String)])
    func errors(_ changes: [String: String?], _ status: UInt16, _ code: String) async throws {
        let response = try await ask(form(changes))
        #expect(response.status == status)
        #expect(response.json["error"].string == code)
        #expect(response.json["error_description"].string?.hasPrefix("AADSTS") == true)
        #expect(response.json["access_token"] == .null)
    }

    @Test("Another tenant is not known here", arguments: ["00000000-0000-0000-0000-000000000000", "nonsense"])
    func tenants(_ tenant: String) async throws {
        let response = try await ask(form(), path: "/\(tenant)/oauth2/v2.0/token")
        #expect(response.status == 400 && response.json["error"].string == "invalid_tenant")
    }

    @Test(
        "A form that is broken or says something twice is refused",
        arguments: ["client_id=%zz", "client_id=%4", "client_id=%ff", "client_id=a&client_id=b"])
    func brokenForms(_ body: String) async throws {
        #expect(try await ask("grant_type=client_credentials&" + body).status == 400)
    }

    @Test("Tries that fail are slowed down, the same for every spelling of the client, and recorded")
    func throttles() async throws {
        let id = client.client.id.description
        for number in 0..<10 {
            let spelling = number.isMultiple(of: 2) ? id : id.uppercased()
            #expect(try await ask(form(["client_id": spelling, "client_secret": "wrong"])).status == 401)
        }
        let throttled = try await ask(form())
        #expect(throttled.status == 429)
        #expect(throttled.header("Retry-After") != nil)
        house.clock.advance(by: .seconds(10))
        #expect(try await ask(form()).status == 200)
        let events = try house.audit().events.filter { $0.operationName == "TokenIssue" }
        #expect(events.map(\.status) == [UInt16](repeating: 401, count: 10) + [429, 200])
        #expect(events.last?.principal?.applicationID == client.client.id)
    }

    @Test("Discovery names the endpoints and the issuer of the tokens", arguments: ["common", "organizations", nil])
    func discovery(_ name: String?) async throws {
        let tenant = name ?? tenant.description
        let response = try await client.send(
            .get, "/\(tenant)/v2.0/.well-known/openid-configuration", on: TestHouse.loginHost, version: nil)
        #expect(response.status == 200)
        let base = "https://login.localhost:8443/\(self.tenant)"
        #expect(response.json["token_endpoint"].string == base + "/oauth2/v2.0/token")
        #expect(response.json["jwks_uri"].string == base + "/discovery/v2.0/keys")
        #expect(response.json["issuer"].string?.hasPrefix(base) == true)
        let keys = try await client.send(.get, "/\(tenant)/discovery/v2.0/keys", on: TestHouse.loginHost, version: nil)
        let key = keys.json["keys"][0]
        #expect(key["kty"].string == "RSA" && key["alg"].string == "RS256" && key["use"].string == "sig")
        #expect(key.members.isSuperset(of: ["n", "e", "kid"]))
        #expect(key.members.isDisjoint(with: ["d", "p", "q", "dp", "dq", "qi"]))
    }

    @Test("An authority says of itself that it can be trusted")
    func instance() async throws {
        let response = try await client.send(.get, "/common/discovery/instance", on: TestHouse.loginHost, version: nil)
        #expect(response.status == 200)
        #expect(response.json["metadata"][0]["aliases"][0].string == "login.localhost:8443")
    }
}
