import Domain
import Objects
import Operations
import StrongroomTesting
import Testing

@testable import Keys

struct RotationPolicyTests {
    /// `after P30D`, `before P30D`, or nothing.
    private static func trigger(_ text: String?) -> RotationPolicy.Trigger? {
        guard let text else { return nil }
        let parts = text.split(separator: " ")
        guard let period = RotationPolicy.Period(String(parts[1])) else { return nil }
        return parts[0] == "after" ? .afterCreate(period) : .beforeExpiry(period)
    }

    private static func policy(rotate: String?, notify: String?, expiry: String?) -> RotationPolicy {
        var policy = RotationPolicy(created: 0)
        policy.rotate = trigger(rotate)
        policy.notify = trigger(notify)
        policy.expiryTime = expiry.flatMap { RotationPolicy.Period($0) }
        return policy
    }

    struct Rule: Sendable, CustomTestStringConvertible {
        let rotate, notify, expiry: String?
        let isTaken: Bool
        var testDescription: String { "rotate \(rotate ?? "-") notify \(notify ?? "-") expiry \(expiry ?? "-")" }

        init(_ rotate: String?, _ notify: String?, _ expiry: String?, _ isTaken: Bool) {
            (self.rotate, self.notify, self.expiry, self.isTaken) = (rotate, notify, expiry, isTaken)
        }
    }

    static let vaultRules: [Rule] = [
        Rule(nil, nil, nil, true), Rule(nil, "before P30D", nil, true),
        // The life of a version is at least 28 days.
        Rule(nil, nil, "P28D", true), Rule(nil, nil, "P27D", false), Rule(nil, nil, "P4W", true),
        Rule(nil, nil, "P1M", true), Rule(nil, nil, "PT672H", true), Rule(nil, nil, "PT671H", false),
        Rule(nil, nil, "P0D", false), Rule(nil, nil, "P100Y", true), Rule(nil, nil, "P101Y", false),
        // A rotation is 7 days after creation.
        Rule("after P7D", nil, nil, true), Rule("after P6D", nil, nil, false), Rule("after PT167H", nil, nil, false),
        Rule("after PT168H", nil, nil, true), Rule("after P0D", nil, nil, false), Rule("after P18M", nil, nil, true),
        Rule("after P200Y", nil, nil, false),
        // … and 7 days before expiry.
        Rule("after P21D", nil, "P28D", true), Rule("after P22D", nil, "P28D", false),
        Rule("after P28D", nil, "P28D", false), Rule("after P48M", nil, "P2Y", false),
        Rule("before P7D", nil, "P28D", true), Rule("before P6D", nil, "P28D", false),
        Rule("before P21D", nil, "P28D", true), Rule("before P22D", nil, "P28D", false),
        Rule("before P30D", nil, "P48M", true), Rule("before P90D", nil, "P28D", false),
        // Before an expiry that there is not.
        Rule("before P30D", nil, nil, false),
        // A notice is before expiry.
        Rule(nil, "after P30D", nil, false), Rule(nil, "before P30D", "P90D", true),
        Rule("after P30D", "before P30D", "P90D", true), Rule("after P18M", "before P30D", "P48M", true),
    ]

    @Test("The rules of a vault", arguments: vaultRules)
    func ofVaults(_ rule: Rule) { expect(rule, in: .vault) }

    static let poolRules: [Rule] = [
        Rule(nil, nil, nil, true), Rule(nil, nil, "P28D", true), Rule(nil, nil, "P27D", false),
        // A pool rotates no more often than every 28 days.
        Rule("after P28D", nil, nil, true), Rule("after P27D", nil, nil, false), Rule("after P7D", nil, nil, false),
        Rule("before P7D", nil, "P35D", true), Rule("before P8D", nil, "P35D", false),
        Rule("before P30D", nil, "P58D", true), Rule("before P30D", nil, "P57D", false),
        Rule("before P30D", nil, nil, false),
        // It tells nobody.
        Rule(nil, "before P30D", nil, false), Rule("after P30D", "before P30D", "P90D", false),
    ]

    @Test("The rules of a pool", arguments: poolRules)
    func ofPools(_ rule: Rule) { expect(rule, in: .managedHSM) }

    private func expect(_ rule: Rule, in service: Vault.Service) {
        let policy = Self.policy(rotate: rule.rotate, notify: rule.notify, expiry: rule.expiry)
        do {
            try policy.validate(in: service)
            #expect(rule.isTaken)
        } catch {
            #expect(!rule.isTaken && error.code == .badParameter, "\(error.message)")
        }
    }

    // MARK: When

    private func attributes(created: Int64, expires: Int64?) -> ObjectAttributes {
        ObjectAttributes(isEnabled: true, notBefore: nil, expires: expires, created: created, updated: created)
    }

    @Test(
        "A version is rotated a period after it was made, or before it ends",
        arguments: [
            ("after P30D", nil, "2027-02-14T08:00:00Z"), ("after P1M", nil, "2027-02-15T08:00:00Z"),
            ("after P1Y", nil, "2028-01-15T08:00:00Z"), ("before P30D", "2027-12-31T00:00:00Z", "2027-12-01T00:00:00Z"),
            ("before P1M", "2027-03-31T00:00:00Z", "2027-02-28T00:00:00Z"), ("before P30D", nil, nil), (nil, nil, nil),
            ("after P30D", "2027-01-20T00:00:00Z", "2027-02-14T08:00:00Z"),
        ] as [(String?, String?, String?)])
    func time(_ trigger: String?, _ expires: String?, _ expected: String?) throws {
        let policy = Self.policy(rotate: trigger, notify: nil, expiry: nil)
        let end = try expires.map { try #require(Timestamp(iso8601: $0)).epochSeconds }
        #expect(
            policy.rotationTime(of: attributes(created: start, expires: end))
                == expected.flatMap { Timestamp(iso8601: $0) })
    }

    // MARK: The record

    @Test("A policy comes back as it was, with the client's own spelling of its periods", arguments: vaultRules)
    func roundTrip(_ rule: Rule) throws {
        let policy = Self.policy(rotate: rule.rotate, notify: rule.notify, expiry: rule.expiry)
        let bytes = try policy.encoded()
        let again = try RotationPolicy(record: bytes, at: "x")
        #expect(again.expiryTime?.text == rule.expiry)
        func text(_ trigger: RotationPolicy.Trigger?) -> String? {
            switch trigger {
            case .afterCreate(let period): "after \(period.text)"
            case .beforeExpiry(let period): "before \(period.text)"
            case nil: nil
            }
        }
        #expect(text(again.rotate) == rule.rotate && text(again.notify) == rule.notify)
        for damaged in [[], [1], Array(bytes.dropLast()), [2] + Array(bytes.dropFirst()), Array(bytes.dropFirst())]
            as [[UInt8]]
        {
            #expect(throws: VaultError.self) { try RotationPolicy(record: damaged, at: "x") }
        }
    }

    // MARK: On the wire

    static let refusals: [(String, String)] = [
        (#"{"lifetimeActions":[{"trigger":{},"action":{"type":"Rotate"}}]}"#, "lifetimeActions"),
        (
            #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D","timeBeforeExpiry":"P30D"},"action":{"type":"Rotate"}}]}"#,
            "lifetimeActions"
        ),
        (#"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D"}}]}"#, "lifetimeActions"),
        (#"{"lifetimeActions":[{"action":{"type":"Rotate"}}]}"#, "lifetimeActions"),
        (
            #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D"},"action":{"type":"Delete"}}]}"#,
            "lifetimeActions"
        ),
        (
            #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"30 days"},"action":{"type":"Rotate"}}]}"#,
            "timeAfterCreate"
        ),
        (
            #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P30D"},"action":{"type":"Rotate"}},{"trigger":{"timeAfterCreate":"P40D"},"action":{"type":"rotate"}}]}"#,
            "lifetimeActions"
        ),
        (
            #"{"lifetimeActions":[{"trigger":{"timeBeforeExpiry":"P30D"},"action":{"type":"Notify"}},{"trigger":{"timeBeforeExpiry":"P40D"},"action":{"type":"Notify"}}]}"#,
            "lifetimeActions"
        ),
        (#"{"attributes":{"expiryTime":"P27D"}}"#, "attributes.expiryTime"),
        (#"{"attributes":{"expiryTime":"-P90D"}}"#, "attributes.expiryTime"),
        (#"{"attributes":{"expiryTime":90}}"#, "expiryTime"), (#"{"lifetimeActions":{}}"#, "lifetimeActions"),
        ("[]", ""), ("", ""),
    ]

    @Test("A policy that is none is refused, and names what is wrong")
    func refuses() async throws {
        let admin = try await TestHouse.open().admin()
        try await admin.create("a")
        for (body, member) in Self.refusals {
            let response = try await admin.setPolicy("a", body)
            #expect(response.status == 400 && response.errorCode == "BadParameter", "\(body)")
            #expect(response.message.contains(member), "\(body)")
        }
        let policy = try await admin.key(.get, "/keys/a/rotationpolicy").json
        #expect(policy["attributes"].members.isEmpty)
        #expect(policy["lifetimeActions"].array.count == 1)
        #expect(policy["lifetimeActions"][0]["trigger"]["timeBeforeExpiry"].string == "P30D")
        #expect(policy["lifetimeActions"][0]["action"]["type"].string == "Notify")
        #expect(policy["id"].string == "https://demo.vault.localhost:8443/keys/a/rotationpolicy")
    }

    @Test("A policy is set, kept in its parts and shown in the service's spelling")
    func set() async throws {
        let house = try await TestHouse.open()
        let admin = try await house.admin()
        try await admin.create("a")
        #expect(try await admin.setPolicy("absent", "{}").status == 404)
        let first = try await admin.setPolicy(
            "a",
            #"{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P18M"},"action":{"type":"rotate"}},{"trigger":{"timeBeforeExpiry":"P45D"},"action":{"type":"NOTIFY"}}],"attributes":{"expiryTime":"P48M"}}"#
        )
        #expect(first.status == 200)
        let actions = first.json["lifetimeActions"].array
        #expect(actions.map { $0["action"]["type"].string } == ["Rotate", "Notify"])
        #expect(actions[0]["trigger"].members == ["timeAfterCreate"])
        #expect(actions[1]["trigger"]["timeBeforeExpiry"].string == "P45D")
        #expect(first.json["attributes"]["expiryTime"].string == "P48M")
        #expect(first.json["attributes"]["created"].integer == start)
        house.clock.advance(by: .seconds(10))
        // What is left out stays.
        let second = try await admin.setPolicy("a", #"{"attributes":{"expiryTime":"P5Y"}}"#)
        #expect(second.json["lifetimeActions"] == first.json["lifetimeActions"])
        #expect(second.json["attributes"]["expiryTime"].string == "P5Y")
        #expect(second.json["attributes"]["created"].integer == start)
        #expect(second.json["attributes"]["updated"].integer == start + 10)
        // A list of actions is taken whole, but a vault keeps its notice.
        let third = try await admin.setPolicy("a", #"{"lifetimeActions":[]}"#)
        #expect(third.json["lifetimeActions"].array.map { $0["action"]["type"].string } == ["Notify"])
        #expect(third.json["lifetimeActions"][0]["trigger"]["timeBeforeExpiry"].string == "P45D")
        #expect(third.json["attributes"]["expiryTime"].string == "P5Y")
        #expect(try await admin.key(.get, "/keys/a/rotationpolicy").body == third.body)
        // It belongs to the key and not to a version.
        try await admin.create("a")
        #expect(try await admin.key(.get, "/keys/a/rotationpolicy").body == third.body)
        #expect(try await admin.key(.get, "/keys/a/rotationpolicy", version: "7.2").status == 400)
    }
}
