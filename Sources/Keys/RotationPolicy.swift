import Domain
import FoundationEssentials
import Objects
import Operations

/// When a key is rotated, when its owner is told of its end, and how long a rotated version lives.
///
/// - Source: Azure REST, KeyRotationPolicy; "Configure cryptographic key auto-rotation" for the rules.
struct RotationPolicy: Sendable, Codable {
    struct Period: Sendable, Codable {
        /// As the client wrote it.
        let text: String
        let value: CalendarPeriod

        init?(_ text: String) {
            guard let value = CalendarPeriod(text) else { return nil }
            (self.text, self.value) = (text, value)
        }

        init(from decoder: any Decoder) throws {
            let text = try decoder.singleValueContainer().decode(String.self)
            guard let period = Period(text) else {
                throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no period"))
            }
            self = period
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(text)
        }

        /// Days when counted from a fixed day; what the rules compare.
        var seconds: Int64 {
            let start = Timestamp(epochSeconds: 0)
            return value.end(after: start).epochSeconds
        }
    }

    enum Trigger: Sendable, Codable {
        case afterCreate(Period)
        case beforeExpiry(Period)

        var period: Period {
            switch self {
            case .afterCreate(let period), .beforeExpiry(let period): period
            }
        }
    }

    var rotate: Trigger?
    var notify: Trigger?
    var expiryTime: Period?
    let created: Int64
    var updated: Int64

    /// What a vault's key has before a policy was ever set.
    static let usualNotice = Period("P30D")

    private static let day: Int64 = 86_400

    /// - Throws: `.badParameter` naming the rule that is broken.
    func validate(in service: Vault.Service) throws(VaultError) {
        if let expiryTime, expiryTime.seconds < 28 * Self.day {
            throw .invalid("attributes.expiryTime", "it must be at least P28D")
        }
        for period in [expiryTime, rotate?.period, notify?.period] {
            guard let period, period.seconds > 100 * 366 * Self.day else { continue }
            throw .invalid("attributes.expiryTime", "a period can be at most P100Y")
        }
        try validateRotation(service)
        guard let notify else { return }
        guard service == .vault else { throw .invalid("lifetimeActions", "a managed HSM has no action notify") }
        guard case .beforeExpiry = notify else {
            throw .invalid("lifetimeActions", "the action notify takes the trigger timeBeforeExpiry only")
        }
    }

    private func validateRotation(_ service: Vault.Service) throws(VaultError) {
        guard let rotate else { return }
        let least = service == .managedHSM ? 28 * Self.day : 7 * Self.day
        switch rotate {
        case .afterCreate(let period):
            guard period.seconds >= least else {
                throw .invalid("lifetimeActions", "a rotation must be at least \(least / Self.day) days after creation")
            }
            if let expiryTime, expiryTime.seconds - period.seconds < 7 * Self.day {
                throw .invalid("lifetimeActions", "a rotation must be at least 7 days before expiry")
            }
        case .beforeExpiry(let period):
            guard let expiryTime else {
                throw .invalid("lifetimeActions", "timeBeforeExpiry needs attributes.expiryTime")
            }
            guard period.seconds >= 7 * Self.day else {
                throw .invalid("lifetimeActions", "a rotation must be at least 7 days before expiry")
            }
            guard expiryTime.seconds - period.seconds >= least else {
                throw .invalid("lifetimeActions", "a rotation must be at least \(least / Self.day) days after creation")
            }
        }
    }

    /// When a version of a key is to be rotated; nil when never.
    func rotationTime(of attributes: ObjectAttributes) -> Timestamp? {
        switch rotate {
        case nil: nil
        case .afterCreate(let period): period.value.end(after: Timestamp(epochSeconds: attributes.created))
        case .beforeExpiry(let period):
            attributes.expires.map { period.value.start(before: Timestamp(epochSeconds: $0)) }
        }
    }

    // MARK: The record

    func encoded() throws(VaultError) -> [UInt8] {
        guard let bytes = try? JSONEncoder().encode(self) else { throw .internal("a policy could not be encoded") }
        return [1] + Array(bytes)
    }

    init(record: [UInt8], at key: String) throws(VaultError) {
        guard record.first == 1, let policy = try? JSONDecoder().decode(Self.self, from: Data(record.dropFirst()))
        else {
            throw .integrity(record: key)
        }
        self = policy
    }

    init(created: Int64) {
        self.created = created
        updated = created
        notify = Self.usualNotice.map { .beforeExpiry($0) }
    }
}
