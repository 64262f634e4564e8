import Audit
import Domain
import Operations
import StrongroomTesting
import Testing

/// Laws that hold for every order of calls.
struct SecretSequenceTests {
    @Test(
        "No order of set, update, delete, recover, purge and restore tells the server from its model",
        arguments: 0..<16 as Range<UInt64>)
    func random(_ seed: UInt64) async throws {
        let house = try await TestHouse.open()
        let admin = try await house.admin()
        var random = SplitMix64(seed)
        var model = SecretModel()
        var backups: [String: (blob: String, secret: SecretModel.Secret)] = [:]
        let names = ["a", "B", "c-3"]
        for step in 0..<80 {
            let name = names[Int.random(in: 0..<3, using: &random)]
            // In any case: a name is the same object however it is spelled.
            let spelling = Bool.random(using: &random) ? name.lowercased() : name.uppercased()
            if Int.random(in: 0..<8, using: &random) == 0 {
                let response = try await admin.send(.post, "/secrets/\(spelling)/backup")
                #expect((response.status == 200) == (model.secrets[name]?.isDeleted == false), "step \(step)")
                if let blob = response.json["value"].string, let secret = model.secrets[name] {
                    backups[name] = (blob, secret)
                }
                continue
            }
            let change: SecretModel.Change =
                switch Int.random(in: 0..<10, using: &random) {
                case 0...3: .set(value: "value-\(step)")
                case 4: .setContentType("type/\(step)")
                case 5, 6: .delete
                case 7: .recover
                case 8: .purge
                default: backups[name].map { .restore($0.secret) } ?? .set(value: "other-\(step)")
                }
            let expected = model.apply(change, to: name)
            let response = try await admin.change(spelling, change, backup: backups[name]?.blob ?? "")
            #expect(response.status == expected, "step \(step): \(change) of \(name)")
        }
        #expect(try await admin.observe(names) == model)
        // All of it is on the disk.
        let again = try await house.reopened()
        var recovered = model
        for (name, secret) in model.secrets where secret.isDeleted { _ = recovered.apply(.recover, to: name) }
        #expect(try await again.admin().observe(names) == recovered)
        #expect(try again.audit().report.fault == nil)
    }

    @Test("Many clients that set one name at once leave one version each, and one of them current")
    func concurrent() async throws {
        let house = try await TestHouse.open()
        let admin = try await HouseTemplate.shared.admin
        let callers = try (0..<16).map { _ in try Caller(admin, in: house) }
        let ids = try await withThrowingTaskGroup(of: String?.self) { group in
            for (number, caller) in callers.enumerated() {
                group.addTask { try await caller.set("shared", "v\(number)").json["id"].string }
            }
            return try await group.reduce(into: []) { ids, id in ids += [id].compactMap { $0 } }
        }
        #expect(Set(ids).count == 16)
        let list = try await callers[0].send(.get, "/secrets/shared/versions?maxresults=25")
        #expect(Set(list.json["value"].array.compactMap { $0["id"].string }) == Set(ids))
        #expect(ids.contains(try await callers[0].get("shared").json["id"].string ?? ""))
    }
}
