import Barrier
import Certificates
package import Domain
import FoundationEssentials
package import Operations

/// Challenges that are being answered: tokens for anyone to read, and records to be taken back when an order ends.
extension ACME {
    static func tokenKey(_ token: String) -> String { "acme-challenge/" + token }
    private static func challengesKey(_ id: GUID, _ vault: Vault) -> String {
        vault.keyPrefix + "acme-challenges/\(id)"
    }

    static func isToken(_ text: String) -> Bool {
        (1...256).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit || $0 == 0x2D || $0 == 0x5F }
    }

    /// Answers an authority's question over plain HTTP (RFC 8555 §8.3).
    ///
    /// - Returns: nil for a path that is not of a challenge.
    package func document(_ request: PublicRequest, on lane: Lane) throws(VaultError) -> PublicDocument? {
        guard request.isRead, request.path.count == 3, request.path[0] == ".well-known",
            request.path[1] == "acme-challenge", Self.isToken(request.path[2]),
            let response = try lane.reader.record(at: Self.tokenKey(request.path[2]))
        else { return nil }
        return PublicDocument(type: "application/octet-stream", body: response, maxAge: nil)
    }

    /// Writes the challenges of an order down: what is read over HTTP, and what is to be taken back, at the latest in a week.
    func put(_ state: ACMEOrder, _ vault: Vault, at now: Timestamp, in transaction: Transaction) throws(VaultError) {
        for challenge in state.challenges where challenge.kind == .http {
            try transaction.put(Array(challenge.response.utf8), at: Self.tokenKey(challenge.token), in: .system)
        }
        guard let bytes = try? JSONEncoder().encode(state.challenges) else {
            throw .internal("the challenges of an order were not encoded")
        }
        try transaction.put(
            [1] + Array(bytes), at: Self.challengesKey(state.identifier, vault), in: vault.sealDomain)
        try removalDuty(state.identifier, vault, at: now + ACMEOrder.mostTime).schedule(in: transaction)
    }

    /// What ends the challenges of an order, in the transaction that ends the order.
    func removal(of state: ACMEOrder, _ vault: Vault, at now: Timestamp)
        -> @Sendable (Transaction) throws(VaultError) -> Void
    {
        guard !state.challenges.isEmpty else { return { _ in } }
        return { transaction throws(VaultError) in
            try removalDuty(state.identifier, vault, at: now).schedule(in: transaction)
        }
    }

    private func removalDuty(_ id: GUID, _ vault: Vault, at time: Timestamp) -> Duty {
        Duty(
            due: time, id: "acme-challenges.\(vault.name).\(id)", operation: "CertificateChallengesRemove",
            vault: vault.name, parameters: ["order": id.description])
    }

    package var operations: [any AnyOperation] {
        [
            Operation(
                scheduled: "CertificateChallengesRemove", requires: .certificatesCreate, isElsewhere: true,
                run: removeChallenges)
        ]
    }

    private struct NamedOrder: OperationInput {
        let id: GUID

        init(_ request: Request) throws(VaultError) {
            guard let id = request.parameter("order").flatMap({ GUID($0) }) else {
                throw .internal("challenges of no order")
            }
            self.id = id
        }
    }

    /// The duty: takes back what was published. Safe to repeat.
    private func removeChallenges(_ input: NamedOrder, _ call: Call) async throws(VaultError) -> NoContent {
        let vault = try call.vault()
        let key = Self.challengesKey(input.id, vault)
        guard let bytes = try call.lane.reader.record(at: key) else { return NoContent() }
        guard bytes.first == 1,
            let challenges = try? JSONDecoder().decode([ACMEOrder.Challenge].self, from: Data(bytes.dropFirst()))
        else { throw .integrity(record: key) }
        if let publisher {
            for challenge in challenges where challenge.kind == .dns {
                let record = ChallengeRecord(name: "_acme-challenge." + challenge.name, value: challenge.response)
                if case .failure(let failure) = await publisher(.remove, record) {
                    throw .unavailable("A record of a challenge was not removed.", cause: "\(failure)")
                }
            }
        }
        try await call.commit { transaction throws(VaultError) in
            for challenge in challenges where challenge.kind == .http {
                try transaction.remove(Self.tokenKey(challenge.token))
            }
            try transaction.remove(key)
        }
        return NoContent()
    }
}
