import Domain
import FoundationEssentials
import Operations

/// Where an order at an authority stands: kept with the pending certificate, written before each step.
struct ACMEOrder: Codable, Sendable {
    /// What is to be done next.
    enum Stage: String, Codable, Sendable {
        case account, order, challenges, publish, answer, check, finalise, fetch

        /// For whoever waits.
        var text: String {
            switch self {
            case .account: "An account is being made at the authority."
            case .order: "An order is being made at the authority."
            case .challenges: "The authority's challenges are being read."
            case .publish: "The challenges are being published."
            case .answer: "The authority is asked to check the challenges."
            case .check: "The authority is checking the challenges."
            case .finalise: "The order is being finalised."
            case .fetch: "The certificate is being fetched."
            }
        }
    }

    /// A challenge that was chosen (RFC 8555 §8).
    struct Challenge: Codable, Sendable {
        enum Kind: String, Codable, Sendable {
            case http = "http-01"
            case dns = "dns-01"
        }
        let kind: Kind
        /// The name without the wildcard.
        let name: String
        let authorization: String
        let address: String
        let token: String
        /// What stands behind the token, or in the record.
        let response: String
    }

    private(set) var format = 1
    /// Names the records of its challenges.
    let identifier: GUID
    /// Seconds since 1970.
    let begun: Int64
    var stage = Stage.account
    /// Steps that did not come off since one did.
    var failures = 0
    /// How often the authority had forgotten the account.
    var losses = 0
    /// Where to go on when there is an account again; nil for a new order.
    var resume: Stage?
    /// How often the authority was asked whether it is ready.
    var questions = 0
    var address: String?
    var authorizations: [String] = []
    var finalize: String?
    var challenges: [Challenge] = []

    /// An order that takes longer is given up.
    static let mostTime: Duration = .days(7)

    init(identifier: GUID, begun: Timestamp) {
        self.identifier = identifier
        self.begun = begun.epochSeconds
    }

    init(_ bytes: [UInt8]) throws(VaultError) {
        guard let order = try? JSONDecoder().decode(ACMEOrder.self, from: Data(bytes)), order.format == 1 else {
            throw .integrity(record: "the state of an ACME order")
        }
        self = order
    }

    func encoded() throws(VaultError) -> [UInt8] {
        guard let bytes = try? JSONEncoder().encode(self) else { throw .internal("an ACME order was not encoded") }
        return Array(bytes)
    }

    /// The same order at its next stage.
    func at(_ stage: Stage) -> ACMEOrder {
        var next = self
        next.stage = stage
        next.failures = 0
        if stage != self.stage { next.questions = 0 }
        return next
    }

    /// 1 second at first, up to half a minute.
    var patience: Duration { .seconds(min(30, 1 + questions)) }

    /// 10 seconds after the first failure, twice as long after each further one, up to an hour.
    static func retryDelay(after failures: Int) -> Duration { .seconds(min(3_600, 10 << min(failures, 9))) }
}
