import Audit
import Cryptography
import Domain
import House
import Operations
import ProviderOpenSSL
import StrongroomTesting
import Testing

/// Laws that hold for every order of calls.
struct KeySequenceTests {
    /// What the server should hold of one name.
    private struct Key {
        struct Version: Hashable {
            let id: String
            let publicKey: PublicKey
            var isEnabled = true
            var expires: Int64?
        }
        /// The last one is current.
        var versions: [Version]
        var isDeleted = false
        /// Days after which the policy rotates.
        var rotatesAfter: Int64?
        var created: Int64

        /// The duties that follow, by the rules of a vault.
        func duties(_ name: String) -> [KeyDuty] {
            guard let current = versions.last, !isDeleted, current.isEnabled else { return [] }
            var duties: [KeyDuty] = []
            if let rotatesAfter { duties.append(.rotate(name, created + rotatesAfter * day)) }
            if let end = current.expires {
                duties += [.near(name, max(end - 30 * day, created)), .expired(name, end)]
            }
            return duties
        }
    }

    @Test(
        "No order of calls tells the server from its model, nor its duties from those that follow",
        arguments: 0..<8 as Range<UInt64>)
    func random(_ seed: UInt64) async throws {
        let house = try await TestHouse.open()
        let admin = try await house.admin()
        var random = SplitMix64(seed)
        var model: [String: Key] = [:]
        var backups: [String: (blob: String, key: Key)] = [:]
        let names = ["a", "b", "c-3"]
        for step in 0..<60 {
            let name = names[Int.random(in: 0..<3, using: &random)]
            let spelling = Bool.random(using: &random) ? name.uppercased() : name
            let isLive = model[name].map { !$0.isDeleted }
            var response: Response
            var expected: UInt16
            house.clock.advance(by: .seconds(1))
            let now = house.clock.now.epochSeconds
            switch Int.random(in: 0..<14, using: &random) {
            case 0...3:
                let end = Bool.random(using: &random) ? now + Int64.random(in: 1...200, using: &random) * day : nil
                response = try await admin.create(
                    spelling, #"{"kty":"EC"\#(end.map { #","attributes":{"exp":\#($0)}"# } ?? "")}"#)
                expected = isLive == false ? 409 : 200
                if response.status == 200, let publicKey = response.json["key"].publicKey {
                    var key = model[name] ?? Key(versions: [], created: now)
                    key.versions.append(.init(id: response.keyVersion, publicKey: publicKey, expires: end))
                    key.created = now
                    model[name] = key
                }
            case 4, 5:
                let isEnabled = Bool.random(using: &random)
                let end = now + Int64.random(in: 1...200, using: &random) * day
                response = try await admin.key(
                    .patch, "/keys/\(spelling)", #"{"attributes":{"enabled":\#(isEnabled),"exp":\#(end)}}"#)
                expected = isLive == true ? 200 : 404
                if response.status == 200, let last = model[name]?.versions.indices.last {
                    model[name]?.versions[last].isEnabled = isEnabled
                    model[name]?.versions[last].expires = end
                }
            case 6:
                let days = Int64.random(in: 7...90, using: &random)
                response = try await admin.setPolicy(
                    spelling,
                    #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P\#(days)D"},"action":{"type":"Rotate"}}]}"#)
                expected = isLive == true ? 200 : 404
                if response.status == 200 { model[name]?.rotatesAfter = days }
            case 7:
                response = try await admin.key(.post, "/keys/\(spelling)/rotate")
                expected = isLive == true ? 200 : 404
                if response.status == 200, let publicKey = response.json["key"].publicKey {
                    model[name]?.versions.append(.init(id: response.keyVersion, publicKey: publicKey))
                    model[name]?.created = now
                }
            case 8, 9:
                response = try await admin.key(.delete, "/keys/\(spelling)")
                expected = isLive == true ? 200 : 404
                if response.status == 200 { model[name]?.isDeleted = true }
            case 10:
                response = try await admin.key(.post, "/deletedkeys/\(spelling)/recover")
                expected = isLive == false ? 200 : 404
                if response.status == 200 { model[name]?.isDeleted = false }
            case 11:
                response = try await admin.key(.delete, "/deletedkeys/\(spelling)")
                expected = isLive == false ? 204 : 404
                if response.status == 204 { model[name] = nil }
            case 12:
                response = try await admin.key(.post, "/keys/\(spelling)/backup")
                expected = isLive == true ? 200 : 404
                if let blob = response.json["value"].string, let key = model[name] { backups[name] = (blob, key) }
            default:
                guard let backup = backups[name] else { continue }
                response = try await admin.key(.post, "/keys/restore", #"{"value":"\#(backup.blob)"}"#)
                expected = model[name] == nil ? 200 : 409
                if response.status == 200 { model[name] = backup.key }
            }
            #expect(response.status == expected, "step \(step) on \(name): \(response.message)")
            let duties = model.flatMap { $0.value.duties($0.key) }
            #expect(Set(try house.keyDuties()) == Set(duties), "step \(step)")
            #expect(try house.keyDuties().count == duties.count, "step \(step)")
        }
        try await expect(model, names, admin)
        // All of it is on the disk.
        let again = try await house.reopened()
        try await expect(model, names, try await again.admin())
        #expect(try again.audit().report.fault == nil)
    }

    /// Every version that should be there is, with its own key, and no other.
    private func expect(_ model: [String: Key], _ names: [String], _ admin: Caller) async throws {
        let software = try OpenSSLProvider(try CryptoEngine())
        let digest = [UInt8](repeating: 3, count: 32)
        for name in names {
            let live = model[name].flatMap { $0.isDeleted ? nil : $0 }
            let listed = try await admin.key(.get, "/keys/\(name)/versions").json["value"].array
            #expect(
                Set(listed.compactMap { $0["kid"].string?.split(separator: "/").last.map(String.init) })
                    == Set(live?.versions.map(\.id) ?? []))
            #expect(
                try await (admin.key(.get, "/deletedkeys/\(name)").status == 200)
                    == (model[name]?.isDeleted == true))
            for version in live?.versions ?? [] {
                let body = #"{"alg":"ES256","value":"\#(Base64.encodeURL(digest))"}"#
                let signed = try await admin.key(.post, "/keys/\(name)/\(version.id)/sign", body)
                guard version.isEnabled else {
                    #expect(signed.errorCode == "Forbidden/KeyDisabled")
                    continue
                }
                let signature = try #require(signed.bytes("value"))
                #expect(
                    try software.openPublic(version.publicKey).verify(
                        digest, signature: signature, .ecdsa(.p256)))
            }
        }
    }

    @Test("Many clients that make or rotate one key at once leave a version each, and the duties of the last")
    func concurrent() async throws {
        let house = try await TestHouse.open()
        let admin = try await HouseTemplate.shared.admin
        let callers = try (0..<12).map { _ in try Caller(admin, in: house) }
        try await callers[0].create("shared")
        _ = try await callers[0].setPolicy("shared", #"{"attributes":{"expiryTime":"P90D"}}"#)
        let made = try await withThrowingTaskGroup(of: String.self) { group in
            for (number, caller) in callers.enumerated() {
                group.addTask {
                    number.isMultiple(of: 2)
                        ? try await caller.create(
                            "shared", #"{"kty":"EC","attributes":{"exp":\#(start + Int64(100 + number) * day)}}"#
                        ).keyVersion : try await caller.key(.post, "/keys/shared/rotate").keyVersion
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(made.count == 12 && !made.contains(""))
        #expect(try await callers[0].versions(of: "shared").count == 13)
        let newest = try await callers[0].key(.get, "/keys/shared")
        #expect(made.contains(newest.keyVersion))
        let end = try #require(newest.json["attributes"]["exp"].integer)
        #expect(Set(try house.keyDuties()) == [.near("shared", end - 30 * day), .expired("shared", end)])
        #expect(try house.audit().report.fault == nil)
    }

    @Test("A key is used while it is changed, and every signature is of a version that there was")
    func usedMeanwhile() async throws {
        let house = try await TestHouse.open()
        let admin = try await HouseTemplate.shared.admin
        let software = try OpenSSLProvider(try CryptoEngine())
        let first = try await Caller(admin, in: house).create("shared")
        let digest = [UInt8](repeating: 3, count: 32)
        let body = #"{"alg":"ES256","value":"\#(Base64.encodeURL(digest))"}"#
        let signatures = try await withThrowingTaskGroup(of: [(String, [UInt8])].self) { group in
            for _ in 0..<4 {
                let caller = try Caller(admin, in: house)
                group.addTask {
                    var made: [(String, [UInt8])] = []
                    for _ in 0..<25 {
                        let signed = try await caller.key(.post, "/keys/shared/sign", body)
                        guard let signature = signed.bytes("value"), let kid = signed.json["kid"].string else {
                            Issue.record("\(signed.status) \(signed.message)")
                            continue
                        }
                        made.append((kid, signature))
                    }
                    return made
                }
            }
            let changer = try Caller(admin, in: house)
            group.addTask {
                for _ in 0..<10 { try await changer.create("shared") }
                return []
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(signatures.count == 100)
        let reader = try Caller(admin, in: house)
        var keys: [String: PublicKey] = [
            first.json["key"]["kid"].string ?? "": try #require(first.json["key"].publicKey)
        ]
        for (kid, signature) in signatures {
            if keys[kid] == nil {
                let path = kid.split(separator: "/").suffix(3).reduce("") { $0 + "/" + $1 }
                keys[kid] = try await reader.key(.get, path).json["key"].publicKey
            }
            let publicKey = try #require(keys[kid])
            #expect(try software.openPublic(publicKey).verify(digest, signature: signature, .ecdsa(.p256)))
        }
    }
}
