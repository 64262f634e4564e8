import Domain
import House
import Operations
import StrongroomTesting
import Testing

struct SecretBackupTests {
    private let house: TestHouse
    private let admin: Caller

    init() async throws {
        house = try await TestHouse.open()
        admin = try await house.admin()
    }

    private func backup(_ name: String, of other: Caller? = nil) async throws -> String {
        try #require(try await (other ?? admin).send(.post, "/secrets/\(name)/backup").json["value"].string)
    }

    private func restore(_ blob: String, in vault: String = "other", by other: Caller? = nil) async throws -> Response {
        try await (other ?? admin).send(
            .post, "/secrets/restore", #"{"value":"\#(blob)"}"#, on: TestHouse.vaultHost(vault))
    }

    @Test("A secret comes back in another vault with all its versions as they were")
    func roundTrip() async throws {
        for number in 0..<5 {
            let body =
                #"{"value":"v\#(number)","contentType":"t\#(number)","tags":{"n":"\#(number)"},"attributes":{"exp":\#(2_000_000_000 + number)}}"#
            _ = try await admin.send(.put, "/secrets/MixedCase", body)
            house.clock.advance(by: .seconds(1))
        }
        let original = try await admin.observe(["MixedCase"])
        let restored = try await restore(try await backup("mixedcase"))
        #expect(restored.status == 200)
        #expect(restored.json["value"] == .null)
        #expect(restored.json["id"].string?.hasPrefix("https://other.vault.localhost:8443/secrets/MixedCase/") == true)
        #expect(try await admin.observe(["MixedCase"], in: "other") == original)
        for vault in ["demo", "other"] {
            let list = try await admin.send(.get, "/secrets/mixedcase/versions", on: TestHouse.vaultHost(vault))
            #expect(
                list.json["value"].array.map { $0["attributes"]["created"].integer }
                    == list.json["value"].array.map { $0["attributes"]["updated"].integer })
        }
        let versions = try await ["demo", "other"].asyncMap { vault in
            try await admin.send(.get, "/secrets/mixedcase/versions", on: TestHouse.vaultHost(vault)).json["value"]
                .array.compactMap {
                    $0["id"].string?.split(separator: "/").last
                }
        }
        #expect(versions[0] == versions[1])
    }

    @Test("A name that is taken, or held by a deleted secret, is not restored over")
    func taken() async throws {
        _ = try await admin.set("a", "x")
        let blob = try await backup("a")
        let taken = try await restore(blob, in: "demo")
        #expect(taken.status == 409 && taken.errorCode == "Conflict")
        _ = try await admin.delete("a")
        let deleted = try await restore(blob, in: "demo")
        #expect(deleted.status == 409 && deleted.errorCode == "Conflict/ObjectIsDeletedButRecoverable")
        _ = try await admin.change("a", .purge)
        #expect(try await restore(blob, in: "demo").status == 200)
        #expect(try await admin.get("a").json["value"].string == "x")
    }

    @Test("A blob shows nothing of what is in it and is never the same twice")
    func opaque() async throws {
        _ = try await admin.set("a", "hush-hush")
        let (first, second) = (try await backup("a"), try await backup("a"))
        #expect(first != second)
        let bytes = try #require(Base64.decodeURL(first))
        #expect(!String(decoding: bytes, as: UTF8.self).contains("hush"))
    }

    @Test("A blob with any byte changed, cut or added is refused")
    func altered() async throws {
        _ = try await admin.set("a", "x")
        let bytes = try #require(Base64.decodeURL(try await backup("a")))
        for position in stride(from: 0, to: bytes.count, by: 5) {
            var altered = bytes
            altered[position] ^= 1
            #expect(try await restore(Base64.encodeURL(altered)).status == 400, "byte \(position)")
            #expect(try await restore(Base64.encodeURL(bytes.prefix(position))).status == 400, "cut at \(position)")
        }
        #expect(try await restore(Base64.encodeURL(bytes + [0])).status == 400)
        for nonsense in ["", "x", "!!!!", "AAAA"] { #expect(try await restore(nonsense).status == 400) }
        #expect(try await admin.get("a", in: "other").status == 404)
        #expect(try await restore(Base64.encodeURL(bytes)).status == 200)
    }

    @Test("A server without the backup key refuses the blob, and takes it once it has the key")
    func otherServer() async throws {
        _ = try await admin.set("a", "travels")
        let blob = try await backup("a")
        let other = try await TestHouse.open(in: try TemporaryFolder())
        let stranger = try await other.caller(roles: House.allRoles)
        #expect(try await restore(blob, in: "demo", by: stranger).status == 400)

        let passphrase = "a passphrase for the journey"
        let exported = try await admin.manage(
            .post, "/strongroom/backupKeys/export", #"{"passphrase":"\#(passphrase)"}"#)
        #expect(exported.status == 200)
        let file = String(decoding: exported.body, as: UTF8.self)
        let wrong = try await stranger.manage(
            .post, "/strongroom/backupKeys/import", #"{"passphrase":"not the passphrase","file":\#(file)}"#)
        #expect(wrong.status == 400)
        #expect(try await restore(blob, in: "demo", by: stranger).status == 400)
        let imported = try await stranger.manage(
            .post, "/strongroom/backupKeys/import", #"{"passphrase":"\#(passphrase)","file":\#(file)}"#)
        #expect(imported.status == 200)
        #expect(try await restore(blob, in: "demo", by: stranger).status == 200)
        #expect(try await stranger.get("a").json["value"].string == "travels")
        // Its own key seals on: the first server, without that key, takes nothing from it.
        #expect(try await restore(try await backup("a", of: stranger), in: "other").status == 400)
    }

    @Test("What was restored can be deleted, purged and restored again")
    func again() async throws {
        _ = try await admin.set("a", "x")
        let blob = try await backup("a")
        for _ in 0..<3 {
            #expect(try await restore(blob).status == 200)
            #expect(try await admin.delete("a", in: "other").status == 200)
            #expect(try await admin.change("a", .purge, in: "other").status == 204)
        }
    }
}

extension Array {
    fileprivate func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}
