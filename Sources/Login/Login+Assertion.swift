import Barrier
import Cryptography
import Domain
import Identity
import Operations
import Store

extension Login {
    /// Proof by the key of a certificate. Each assertion serves once: it is written down as used where what it gives is written down.
    func proof(of input: TokenRequest, byAssertion text: String, _ call: Call) throws(VaultError) -> ClientProof {
        let assertion: ClientAssertion
        let application: Application
        do throws(ClientAssertion.Flaw) {
            assertion = try ClientAssertion(
                text, named: input.clientID.isEmpty ? nil : input.clientID, audiences: assertionAudiences, at: call.now)
            call.concerns(objectID: "/strongroom/applications/\(assertion.clientID)")
            guard let known = directory.application(assertion.clientID), known.isEnabled else {
                throw ClientAssertion.Flaw.notProven
            }
            application = known
            try assertion.prove(by: known, provider, at: call.now)
        } catch { return .refused(Self.refused(error, call)) }
        return .proven(application, try UsedAssertion(assertion, engine))
    }

    /// The answer when two requests showed one assertion; nothing was written, and the record of the call says that it was refused.
    static func usedBefore(_ call: Call) -> JSONAnswer {
        oauthError(
            401, "invalid_client", 700_027, "The client assertion was used before. Make a new one for each request.",
            call)
    }

    /// What clients call this server in `aud`: the token endpoints, and the issuers.
    private var assertionAudiences: Set<String> {
        let base = "\(authority.loginURL)/\(authority.tenant)".lowercased()
        return [
            base + "/oauth2/v2.0/token", base + "/oauth2/token", base + "/v2.0", base + "/", base,
        ]
    }

    private static func refused(_ flaw: ClientAssertion.Flaw, _ call: Call) -> JSONAnswer {
        switch flaw {
        case .malformed:
            oauthError(
                401, "invalid_client", 50_027,
                "The client assertion is not a valid JWT with RS256 or PS256, a thumbprint, and iss, sub, aud, jti and exp.",
                call)
        case .notNow:
            oauthError(401, "invalid_client", 700_024, "The client assertion is not within its valid time range.", call)
        case .notOurs:
            oauthError(
                401, "invalid_client", 700_021,
                "The client assertion is for another server, or iss, sub and client_id are not the same application.",
                call)
        case .notProven:
            oauthError(
                401, "invalid_client", 700_027,
                "The client assertion is not signed by a certificate of an application that is known and enabled.", call
            )
        }
    }

    // MARK: Used once

    /// Which assertions were used: by client and identifier, and by the time at which each is forgotten.
    struct UsedAssertion: Sendable {
        private static let prefix = "identity/assertion-used/"
        private static let endPrefix = "identity/assertion-end/"
        /// Skew, and a clock that is set back.
        private static let keptLonger: Duration = .hours(1)

        private let digest: String
        private let end: Timestamp

        init(_ assertion: ClientAssertion, _ engine: CryptoEngine) throws(VaultError) {
            do throws(CryptoError) {
                digest = Hex.encode(try engine.sha256(Array("\(assertion.clientID)\n\(assertion.identifier)".utf8)))
            } catch { throw .internal("an assertion could not be named") }
            end = assertion.expires + Self.keptLonger
        }

        /// - Throws: `.conflict` when it was used before.
        func use(at now: Timestamp, in transaction: Transaction) throws(VaultError) {
            try Self.forgetEnded(at: now, in: transaction)
            guard try transaction.record(at: Self.prefix + digest) == nil else {
                throw VaultError(.conflict, "The client assertion was used before.")
            }
            try transaction.put([1], at: Self.prefix + digest, in: .system)
            try transaction.put([1], at: Self.key(end) + "/" + digest, in: .system)
        }

        /// A few with each new one: they cannot gather.
        private static func forgetEnded(at now: Timestamp, in transaction: Transaction) throws(VaultError) {
            let range = KeyRange(from: endPrefix, to: key(now))
            for entry in try transaction.records(in: range, limit: 4) {
                if let digest = entry.key.split(separator: "/").last { try transaction.remove(prefix + digest) }
                try transaction.remove(entry.key)
            }
        }

        private static func key(_ time: Timestamp) -> String {
            let digits = String(UInt64(max(0, time.epochSeconds)), radix: 16)
            return endPrefix + String(repeating: "0", count: 16 - digits.count) + digits
        }
    }
}
