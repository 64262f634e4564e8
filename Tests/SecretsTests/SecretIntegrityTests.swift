import Audit
import Domain
import House
import Operations
import Store
import StrongroomTesting
import Testing

/// Somebody with the database moves what is stored. The client gets an error, the log an alarm, and nobody a wrong value.
struct SecretIntegrityTests {
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        // Without a cache the next read goes to the file.
        house = try await TestHouse.open { $0.cacheBytes = 0 }
        admin = try await house.admin()
        _ = try await admin.set("a", "value-a")
        _ = try await admin.set("b", "value-b")
        _ = try await admin.set("a", "value-a", in: "other")
    }

    private static let key = "vault/demo/secret/a"

    enum Tampering: String, CaseIterable, Sendable {
        case flipped, truncated, emptied, swapped, fromAnotherVault, older, deletedAsLive
    }

    private func tamper(_ tampering: Tampering) async throws -> [UInt8]? {
        let own = try #require(try house.raw(Self.key))
        switch tampering {
        case .flipped: return own.prefix(own.count - 1) + [own[own.count - 1] ^ 1]
        case .truncated: return Array(own.dropLast(3))
        case .emptied: return []
        case .swapped: return try house.raw("vault/demo/secret/b")
        case .fromAnotherVault: return try house.raw("vault/other/secret/a")
        case .older:
            // An earlier version of the same secret, which is kept under another key.
            _ = try await admin.set("a", "newer")
            let history = try #require(try house.rawKeys("vault/demo/secret-version/a/").first)
            return try house.raw(history)
        case .deletedAsLive:
            _ = try await admin.delete("b")
            return try house.raw("vault/demo/deleted-secret/b")
        }
    }

    @Test("A record that was tampered with is an error and an alarm", arguments: Tampering.allCases)
    func tampered(_ tampering: Tampering) async throws {
        try house.overwrite(Self.key, with: try await tamper(tampering))
        for (method, target, body) in [
            (Request.Method.get, "/secrets/a", ""), (.patch, "/secrets/a", #"{"contentType":"x"}"#),
            (.put, "/secrets/a", #"{"value":"y"}"#),
            (.get, "/secrets", ""), (.post, "/secrets/a/backup", ""),
        ] {
            let response = try await admin.send(method, target, body)
            #expect(response.status == 500, "\(method) \(target)")
            #expect(response.errorCode == "InternalServerError")
            #expect(!String(decoding: response.body, as: UTF8.self).contains("vault/demo"))
        }
        let alarms = try house.audit().events.filter { $0.operationName == "RecordIntegrityAlarm" }
        #expect(alarms.count == 5)
        #expect(alarms.allSatisfy { $0.resultDescription.contains(Self.key) })
        // Others are not held up.
        if tampering != .deletedAsLive { #expect(try await admin.get("b").json["value"].string == "value-b") }
        #expect(try await admin.get("a", in: "other").json["value"].string == "value-a")
    }

    @Test("A grafted record of a name that never was is an error")
    func grafted() async throws {
        try house.overwrite("vault/demo/secret/new", with: try house.raw(Self.key))
        #expect(try await admin.get("new").status == 500)
    }

    @Test("Nothing that is stored is readable but names")
    func atRest() async throws {
        _ = try await admin.send(
            .put, "/secrets/named", #"{"value":"hush-hush","contentType":"secret/type","tags":{"hidden":"tag"}}"#)
        await house.close()
        for file in TestHouse.files {
            guard let bytes = try? house.folder.bytes(of: file) else { continue }
            let text = String(decoding: bytes.map { $0 < 0x80 ? $0 : 0x3F }, as: UTF8.self)
            for word in ["hush-hush", "secret/type", "hidden", "value-a"] {
                #expect(!text.contains(word), "\(word) in \(file)")
            }
        }
    }
}
