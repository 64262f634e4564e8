import Domain
import House
import Operations
import StrongroomTesting
import Testing

struct AuditOperationTests {
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
        for number in 0..<5 {
            _ = try await admin.set("s\(number)", "x", in: number.isMultiple(of: 2) ? "demo" : "other")
        }
    }

    @Test("The log verifies while the server runs, and names the first record that was tampered with")
    func verifies() async throws {
        let whole = try await admin.manage(.get, "/strongroom/audit/verification")
        #expect(whole.status == 200)
        #expect(whole.json["isWhole"].bool == true)
        let rows = try house.rawKeys("audit/")
        let row = try #require(try house.raw(rows[3]))
        try house.overwrite(rows[3], with: Array(row.dropLast()))
        let broken = try await admin.manage(.get, "/strongroom/audit/verification")
        #expect(broken.json["isWhole"].bool == false)
        let sequence = try #require(broken.json["firstBrokenRecord"]["sequence"].integer)
        #expect(rows[3].hasSuffix(String(sequence, radix: 16)))
    }

    private func export(_ query: String = "") async throws -> [JSON] {
        try await admin.manage(.get, "/strongroom/audit/events\(query)").json["value"].array
    }

    @Test("The log is exported as AuditEvent records, filtered by vault and time")
    func exports() async throws {
        #expect(try await export("?vault=demo").count { $0["operationName"].string == "SecretSet" } == 3)
        #expect(try await export("?vault=OTHER").count { $0["operationName"].string == "SecretSet" } == 2)
        #expect(try await export("?since=2030-01-01").isEmpty)
        #expect(try await export("?until=2020-01-01").isEmpty)
        let event = try #require(try await export().last { $0["operationName"].string == "SecretSet" })
        #expect(event["category"].string == "AuditEvent")
        #expect(event["resultType"].string == "Success")
        #expect(event["identity"]["claim"]["appid"].string == admin.client.id.description)
    }

    @Test(
        "A query that makes no sense is refused", arguments: ["since=x", "until=x", "vault=a/b", "after=x", "after=-1"])
    func refused(_ query: String) async throws {
        #expect(try await admin.manage(.get, "/strongroom/audit/events?\(query)").status == 400)
    }

    @Test("The log is for those who may read it")
    func permission() async throws {
        let reader = try await house.caller("reader", roles: ["Reader"])
        let officer = try await house.caller("officer", roles: ["Key Vault Secrets Officer"])
        for target in ["/strongroom/audit/events", "/strongroom/audit/verification"] {
            #expect(try await reader.manage(.get, target).status == 200)
            #expect(try await officer.manage(.get, target).status == 403)
        }
    }
}
