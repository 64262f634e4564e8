import Domain
import Identity
import Operations
import StrongroomTesting
import Testing

struct SigningKeyRotationTests {
    private static func keyIDs(_ retention: Retention) async throws -> [String] {
        let response = try await retention.admin.send(
            .get, "/common/discovery/v2.0/keys", on: TestHouse.loginHost, version: nil)
        return response.json["keys"].array.compactMap { $0["kid"].string }
    }

    private static func status(_ token: String, _ retention: Retention) async throws -> UInt16 {
        try await retention.admin.send(.get, "/secrets", authorization: .header("Bearer " + token)).status
    }

    @Test("After 30 days a new key signs, and tokens of the old one hold on")
    func rotates() async throws {
        let retention = try await Retention.open()
        let first = try await Self.keyIDs(retention)
        #expect(first.count == 1)
        await retention.pass(.days(30) - .seconds(1))
        #expect(try await Self.keyIDs(retention) == first)
        let oldToken = try retention.admin.token(for: .vault)
        await retention.pass(.seconds(1))
        let second = try await Self.keyIDs(retention)
        #expect(second.count == 2)
        #expect(Set(second).isSuperset(of: first))
        #expect(try await Self.status(oldToken, retention) == 200)

        await retention.pass(.minutes(30))
        #expect(try await Self.status(oldToken, retention) == 200)
        let newToken = try retention.admin.token(for: .vault)
        #expect(newToken != oldToken)
        #expect(newToken.split(separator: ".").first != oldToken.split(separator: ".").first)
        #expect(try await Self.status(newToken, retention) == 200)
    }

    @Test("The old key is offered for two days and then no more")
    func overlap() async throws {
        let retention = try await Retention.open()
        let first = try await Self.keyIDs(retention)
        await retention.pass(.days(30))
        let both = try await Self.keyIDs(retention)
        await retention.pass(.days(2) - .nanoseconds(1))
        #expect(try await Self.keyIDs(retention) == both)
        await retention.pass(.nanoseconds(1))
        let left = try await Self.keyIDs(retention)
        #expect(left.count == 1)
        #expect(Set(left) == Set(both).subtracting(first))
    }

    @Test("One key follows another, each made once, and a restart changes none of it")
    func again() async throws {
        var retention = try await Retention.open()
        for _ in 1...2 {
            await retention.pass(.days(30))
            await retention.tick()
        }
        let keys = try await Self.keyIDs(retention)
        #expect(keys.count == 2)
        #expect(try retention.events("SigningKeyRotate").count == 2)
        let token = try retention.admin.token(for: .vault)
        retention = try await retention.reopened()
        await retention.tick()
        #expect(try await Self.keyIDs(retention) == keys)
        #expect(try await Self.status(token, retention) == 200)
        #expect(try retention.events("SigningKeyRotate").count == 2)
    }
}
