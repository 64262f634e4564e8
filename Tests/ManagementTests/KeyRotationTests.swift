import Audit
import Domain
import House
import Operations
import StrongroomTesting
import Testing

struct KeyRotationTests {
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
        _ = try await admin.set("old", "x")
    }

    private func rotate(_ target: String) async throws -> Response {
        try await admin.manage(.post, "/strongroom/barrier/rotate", #"{"target":"\#(target)"}"#)
    }

    /// The number of the data key that a record is sealed under.
    private func keyNumber(_ name: String, in vault: String = "demo") throws -> UInt8? {
        try house.raw("vault/\(vault)/secret/\(name)")?[4]
    }

    @Test(
        "Keys are rotated while serving, and everything opens before and after a restart",
        arguments: ["root", "system", "vault/demo", "VAULT/Demo"])
    func rotates(_ target: String) async throws {
        #expect(try await rotate(target).status == 200)
        #expect(try await admin.get("old").json["value"].string == "x")
        #expect(try await admin.set("new", "y").status == 200)
        let again = try await house.reopened()
        let caller = try await again.admin()
        #expect(try await caller.get("old").json["value"].string == "x")
        #expect(try await caller.get("new").json["value"].string == "y")
        #expect(try await caller.set("new", "z").status == 200)
        #expect(try again.audit().report.fault == nil)
    }

    @Test("A vault's new key seals what is written from then on, in that vault alone")
    func ownKey() async throws {
        _ = try await admin.set("a", "x", in: "other")
        let (old, other) = (try keyNumber("old"), try keyNumber("a", in: "other"))
        #expect(try await rotate("vault/demo").status == 200)
        _ = try await admin.set("new", "y")
        #expect(try keyNumber("old") == old)
        #expect(try keyNumber("new") != old)
        _ = try await admin.set("a", "y", in: "other")
        #expect(try keyNumber("a", in: "other") == other)
        _ = try await admin.set("old", "again")
        #expect(try keyNumber("old") == keyNumber("new"))
    }

    @Test("Reads and writes go on while keys are rotated many times")
    func whileServing() async throws {
        let template = try await HouseTemplate.shared.admin
        let callers = try (0..<4).map { _ in try Caller(template, in: house) }
        let failures = try await withThrowingTaskGroup(of: Int.self) { group in
            for (number, caller) in callers.enumerated() {
                group.addTask {
                    var failures = 0
                    for round in 0..<25 {
                        if try await caller.set("s\(number)", "\(round)").status != 200 { failures += 1 }
                        if try await caller.get("s\(number)").json["value"].string != "\(round)" { failures += 1 }
                    }
                    return failures
                }
            }
            for round in 0..<12 {
                let response = try await rotate(["root", "vault/demo", "system"][round % 3])
                #expect(response.status == 200)
            }
            return try await group.reduce(0, +)
        }
        #expect(failures == 0)
        #expect(try house.audit().report.fault == nil)
    }

    @Test("What is no target is refused", arguments: ["", "vault/absent", "vault/", "everything", "vault/demo/x"])
    func refused(_ target: String) async throws {
        #expect(try await rotate(target).status == 400)
    }

    @Test("A passphrase for a backup key is 12 to 1024 bytes")
    func passphrases() async throws {
        for (count, status) in [(11, 400), (12, 200), (1_025, 400)] as [(Int, UInt16)] {
            let body = #"{"passphrase":"\#(String(repeating: "p", count: count))"}"#
            #expect(try await admin.manage(.post, "/strongroom/backupKeys/export", body).status == status)
        }
    }
}
