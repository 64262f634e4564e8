import Audit
import Domain
import House
import Operations
import StrongroomTesting
import Testing

/// Changing, deleting, recovering and purging keys.
struct KeyLifeTests {
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
    }

    // MARK: Update

    @Test("A change takes what it names and leaves the rest", arguments: ["", "/version"])
    func update(_ path: String) async throws {
        let made = try await admin.create(
            "a", #"{"kty":"RSA","tags":{"k":"v"},"attributes":{"exp":4000000000}}"#)
        let target = "/keys/a" + (path.isEmpty ? "" : "/" + made.keyVersion)
        house.clock.advance(by: .seconds(5))
        let operations = try await admin.key(.patch, target, #"{"key_ops":["sign","verify"]}"#)
        #expect(operations.status == 200)
        #expect(operations.json["key"]["key_ops"].array.compactMap(\.string) == ["sign", "verify"])
        #expect(operations.json["tags"]["k"].string == "v")
        #expect(operations.json["attributes"]["exp"].integer == 4_000_000_000)
        #expect(operations.json["attributes"]["created"].integer == start)
        #expect(operations.json["attributes"]["updated"].integer == start + 5)
        #expect(operations.json["key"].publicKey == made.json["key"].publicKey)
        let tags = try await admin.key(.patch, target, #"{"tags":{"l":"w"}}"#)
        #expect(tags.json["tags"] == .object(["l": .string("w")]))
        #expect(tags.json["key"]["key_ops"] == operations.json["key"]["key_ops"])
        #expect(try await admin.key(.patch, target, #"{"tags":{}}"#).json["tags"] == .object([:]))
        #expect(try await admin.key(.patch, target, "{}").status == 200)
        let disabled = try await admin.key(.patch, target, #"{"attributes":{"enabled":false,"nbf":10}}"#)
        #expect(disabled.json["attributes"]["enabled"].bool == false)
        #expect(disabled.json["attributes"]["nbf"].integer == 10)
        #expect(try await admin.key(.get, target).body == disabled.body)
    }

    @Test(
        "What cannot be changed is refused, and nothing is",
        arguments: [
            #"{"key_ops":["encrypt","nothing"]}"#, #"{"key_ops":["import"]}"#, #"{"key_ops":["export"]}"#,
            #"{"attributes":{"exportable":true}}"#, #"{"release_policy":{"data":"e30"}}"#,
            #"{"attributes":{"exp":5}}"#, #"{"attributes":{"nbf":4000000000}}"#, #"{"tags":{"":"v"}}"#, "[]", "",
            #"{"tags":{"k":"x"},"key_ops":["nothing"]}"#,
        ])
    func refused(_ body: String) async throws {
        let made = try await admin.create("a", #"{"kty":"RSA","attributes":{"nbf":10,"exp":4000000000}}"#)
        house.clock.advance(by: .seconds(5))
        let response = try await admin.key(.patch, "/keys/a", body)
        #expect(response.status == 400 && response.errorCode == "BadParameter")
        #expect(try await admin.key(.get, "/keys/a").body == made.body)
    }

    @Test("What is not there cannot be changed")
    func absent() async throws {
        #expect(try await admin.key(.patch, "/keys/a", "{}").errorCode == "KeyNotFound")
        try await admin.create("a")
        let version = String(repeating: "0", count: 32)
        #expect(try await admin.key(.patch, "/keys/a/\(version)", "{}").errorCode == "KeyNotFound")
        #expect(try await admin.key(.get, "/keys/a/\(version)").errorCode == "KeyNotFound")
        #expect(try await admin.key(.get, "/keys/a/nonsense").status == 400)
    }

    // MARK: Deletion

    @Test("A deleted key shows its newest version and how long it can be had back")
    func delete() async throws {
        try await admin.create("A")
        let newest = try await admin.create("a", #"{"kty":"EC","crv":"P-384","tags":{"k":"v"}}"#)
        let deleted = try await admin.key(.delete, "/keys/a")
        #expect(deleted.status == 200)
        #expect(deleted.json["key"] == newest.json["key"] && deleted.json["tags"] == newest.json["tags"])
        #expect(deleted.json["recoveryId"].string == "https://demo.vault.localhost:8443/deletedkeys/A")
        #expect(deleted.json["deletedDate"].integer == start)
        #expect(deleted.json["scheduledPurgeDate"].integer == start + 90 * day)
        #expect(try await admin.key(.get, "/deletedkeys/a").body == deleted.body)
        #expect(try await admin.key(.get, "/keys/a").errorCode == "KeyNotFound")
        #expect(try await admin.key(.get, "/keys/a/versions").json["value"].array.isEmpty)
        #expect(try await admin.key(.delete, "/keys/a").errorCode == "KeyNotFound")
        for verb in ["sign", "rotate", "backup"] {
            let response = try await admin.key(
                .post, "/keys/a/\(verb)",
                #"{"alg":"ES384","value":"\#(Base64.encodeURL([UInt8](repeating: 1, count: 48)))"}"#)
            #expect(response.errorCode == "KeyNotFound", "\(verb)")
        }
    }

    @Test("A recovered key is as it was, and works")
    func recover() async throws {
        let first = try await admin.create("a")
        let second = try await admin.create("a")
        _ = try await admin.key(.delete, "/keys/a")
        let recovered = try await admin.key(.post, "/deletedkeys/a/recover")
        #expect(recovered.status == 200 && recovered.body == second.body)
        #expect(try await admin.key(.get, "/keys/a/\(first.keyVersion)").body == first.body)
        #expect(try await admin.key(.get, "/deletedkeys/a").status == 404)
        #expect(try await admin.key(.post, "/deletedkeys/a/recover").errorCode == "KeyNotFound")
        let body = #"{"alg":"ES256","value":"\#(Base64.encodeURL([UInt8](repeating: 1, count: 32)))"}"#
        for version in [first, second] {
            #expect(try await admin.key(.post, "/keys/a/\(version.keyVersion)/sign", body).status == 200)
        }
    }

    @Test("A purged key is gone, and its name can be had anew")
    func purge() async throws {
        let made = try await admin.create("a")
        #expect(try await admin.key(.delete, "/deletedkeys/a").status == 404)
        _ = try await admin.key(.delete, "/keys/a")
        let purged = try await admin.key(.delete, "/deletedkeys/a")
        #expect(purged.status == 204 && purged.body.isEmpty)
        #expect(try await admin.key(.get, "/deletedkeys/a").status == 404)
        #expect(try await admin.key(.delete, "/deletedkeys/a").status == 404)
        #expect(try await admin.create("a").json["key"].publicKey != made.json["key"].publicKey)
        #expect(try await admin.versions(of: "a").count == 1)
    }

    @Test("Under purge protection a key goes when its retention has run out, and not before")
    func protected() async throws {
        let host = TestHouse.vaultHost("locked")
        try await admin.create("a", on: host)
        _ = try await admin.key(.delete, "/keys/a", on: host)
        #expect(try await admin.key(.delete, "/deletedkeys/a", on: host).status == 403)
        await house.pass(.days(90) - .seconds(1))
        #expect(try await admin.key(.get, "/deletedkeys/a", on: host).status == 200)
        await house.pass(.seconds(1))
        #expect(try await admin.key(.get, "/deletedkeys/a", on: host).status == 404)
        #expect(try house.rawKeys("vault/locked/").isEmpty)
        let events = try house.events("KeyPurgeIfDue")
        #expect(events.map(\.status) == [200])
    }

    @Test("A key and a secret of one name have nothing to do with one another")
    func besideSecrets() async throws {
        try await admin.create("a")
        _ = try await admin.set("a", "secret")
        _ = try await admin.key(.delete, "/keys/a")
        _ = try await admin.key(.delete, "/deletedkeys/a")
        #expect(try await admin.get("a").json["value"].string == "secret")
        try await admin.create("a")
        _ = try await admin.delete("a")
        #expect(try await admin.key(.get, "/keys/a").status == 200)
    }

    // MARK: Lists

    @Test("Lists show what there is in order, page by page, without anything twice")
    func lists() async throws {
        let names = (0..<12).map { "key-\($0 < 10 ? "0" : "")\($0)" }
        for name in names.shuffled() { try await admin.create(name, #"{"kty":"EC","tags":{"n":"\#(name)"}}"#) }
        for _ in 0..<6 { try await admin.create("key-03") }
        for name in ["gone-2", "gone-1"] {
            try await admin.create(name)
            _ = try await admin.key(.delete, "/keys/\(name)")
        }
        func pages(_ path: String, _ size: Int) async throws -> [JSON] {
            var target = path + "?maxresults=\(size)"
            var all: [JSON] = []
            while true {
                let page = try await admin.key(.get, target)
                #expect(page.status == 200 && page.json["value"].array.count <= size)
                all += page.json["value"].array
                guard let link = page.json["nextLink"].string else { break }
                #expect(link.hasPrefix("https://demo.vault.localhost:8443\(path)?"))
                target = String(link.dropFirst("https://demo.vault.localhost:8443".count))
            }
            return all
        }
        for size in [1, 5, 12, 25] {
            let keys = try await pages("/keys", size)
            #expect(keys.compactMap { $0["kid"].string?.split(separator: "/").last.map(String.init) } == names)
            #expect(keys.allSatisfy { $0["key"] == .null && $0["attributes"]["enabled"].bool == true })
            #expect(keys.first?["tags"]["n"].string == "key-00" && keys[3]["tags"] == .null)
            let versions = try await pages("/keys/key-03/versions", size)
            let texts = versions.compactMap { $0["kid"].string }
            #expect(texts.count == 7 && texts == texts.sorted() && Set(texts).count == 7)
            let deleted = try await pages("/deletedkeys", size)
            #expect(
                deleted.compactMap { $0["kid"].string?.split(separator: "/").last.map(String.init) } == [
                    "gone-1", "gone-2",
                ])
            #expect(deleted.allSatisfy { $0["recoveryId"] != .null && $0["scheduledPurgeDate"] != .null })
        }
        let empty = try await admin.key(.get, "/keys/absent/versions")
        #expect(String(decoding: empty.body, as: UTF8.self) == #"{"value":[],"nextLink":null}"#)
        for target in ["/keys?maxresults=0", "/keys?maxresults=26", "/keys?$skiptoken=x"] {
            #expect(try await admin.key(.get, target).status == 400, "\(target)")
        }
    }

    // MARK: Backup

    private func restore(_ blob: String, on host: String = TestHouse.vaultHost("other")) async throws -> Response {
        try await admin.key(.post, "/keys/restore", #"{"value":"\#(blob)"}"#, on: host)
    }

    @Test("A backup brings back every version with its policy, and the keys work")
    func backup() async throws {
        var made: [Response] = []
        for body in [
            #"{"kty":"RSA"}"#, #"{"kty":"EC"}"#, #"{"kty":"EC","tags":{"k":"v"},"attributes":{"exp":4000000000}}"#,
        ] {
            made.append(try await admin.create("MixedCase", body))
            house.clock.advance(by: .seconds(1))
        }
        _ = try await admin.setPolicy("MixedCase", #"{"attributes":{"expiryTime":"P90D"}}"#)
        let blob = try #require(try await admin.key(.post, "/keys/mixedcase/backup").json["value"].string)
        let host = TestHouse.vaultHost("other")
        let restored = try await restore(blob)
        #expect(restored.status == 200, "\(restored.message)")
        #expect(
            restored.json["key"]["kid"].string?.hasPrefix("https://other.vault.localhost:8443/keys/MixedCase/") == true)
        for version in made {
            let there = try await admin.key(.get, "/keys/MixedCase/\(version.keyVersion)", on: host)
            #expect(there.json["key"].publicKey == version.json["key"].publicKey)
            for member in ["created", "updated", "exp", "enabled"] {
                #expect(there.json["attributes"][member] == version.json["attributes"][member])
            }
            #expect(there.json["tags"] == version.json["tags"])
        }
        let policy = try await admin.key(.get, "/keys/MixedCase/rotationpolicy", on: host).json
        #expect(policy["attributes"]["expiryTime"].string == "P90D")
        let body = #"{"alg":"ES256","value":"\#(Base64.encodeURL([UInt8](repeating: 1, count: 32)))"}"#
        #expect(try await admin.key(.post, "/keys/MixedCase/sign", body, on: host).status == 200)
        // Onto a name that is taken it does not come.
        #expect(try await restore(blob).errorCode == "Conflict")
        _ = try await admin.key(.delete, "/keys/MixedCase", on: host)
        #expect(try await restore(blob).errorCode == "Conflict/ObjectIsDeletedButRecoverable")
        _ = try await admin.key(.delete, "/deletedkeys/MixedCase", on: host)
        #expect(try await restore(blob).status == 200)
    }

    @Test("A blob that was changed, or is a secret's, is refused")
    func altered() async throws {
        try await admin.create("a")
        let blob = try #require(try await admin.key(.post, "/keys/a/backup").json["value"].string)
        let bytes = try #require(Base64.decodeURL(blob))
        for position in stride(from: 0, to: bytes.count, by: 11) {
            var other = bytes
            other[position] ^= 1
            #expect(try await restore(Base64.encodeURL(other)).status == 400, "byte \(position)")
            #expect(try await restore(Base64.encodeURL(bytes.prefix(position))).status == 400, "cut at \(position)")
        }
        for nonsense in ["", "!", "AAAA"] { #expect(try await restore(nonsense).status == 400) }
        _ = try await admin.set("s", "x")
        let secret = try #require(try await admin.send(.post, "/secrets/s/backup").json["value"].string)
        #expect(try await restore(secret).status == 400)
        let crossed = try await admin.send(
            .post, "/secrets/restore", #"{"value":"\#(blob)"}"#, on: TestHouse.vaultHost("other"))
        #expect(crossed.status == 400)
        #expect(try await admin.key(.post, "/keys/absent/backup").errorCode == "KeyNotFound")
        #expect(try await restore(blob).status == 200)
    }
}
