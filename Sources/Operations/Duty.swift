package import Barrier
package import Domain
import FoundationEssentials
import Store

/// Something the server must do at a time: an operation by name, written in the transaction that makes it necessary.
///
/// Stored under `due/<time>/<id>`, `<time>` being the second as sixteen hexadecimal digits, so that what is due first comes
/// first. The same id at the same time is one duty. Automation dispatches it as the system principal.
package struct Duty: Sendable, Hashable {
    package let due: Timestamp
    /// Unique among duties of one second; made of the names it concerns.
    package let id: String
    package let operation: String
    package let vault: VaultName?
    /// Whether `vault` names a vault or a pool.
    package let service: Vault.Service
    package let parameters: [String: String]
    /// Whom it waits for, when that is a server that is not ours; nil for the operation's name. One that hangs holds up its own duties.
    package let party: String?
    /// How often it failed so far.
    package var failures = 0

    package init(
        due: Timestamp, id: String, operation: String, vault: VaultName?, service: Vault.Service = .vault,
        parameters: [String: String] = [:], party: String? = nil
    ) {
        self.party = party
        self.service = service
        self.due = due
        self.id = id
        self.operation = operation
        self.vault = vault
        self.parameters = parameters
    }

    private static let prefix = "due/"

    private static func timeKey(_ time: Timestamp) -> String {
        let digits = String(UInt64(max(0, time.epochSeconds)), radix: 16)
        return prefix + String(repeating: "0", count: 16 - digits.count) + digits
    }

    package var key: String { Self.timeKey(due) + "/" + id }

    private struct Record: Codable {
        var format = 1
        let operation: String
        let vault: String?
        /// Absent for a vault.
        let service: Vault.Service?
        let parameters: [String: String]
        /// Absent for none.
        let failures: Int?
        /// Absent for none.
        let party: String?
    }

    package func schedule(in transaction: Transaction) throws(VaultError) {
        let record = Record(
            operation: operation, vault: vault?.description, service: service == .vault ? nil : service,
            parameters: parameters, failures: failures == 0 ? nil : failures, party: party)
        guard let bytes = try? JSONEncoder().encode(record) else { throw .internal("a duty could not be encoded") }
        try transaction.put(Array(bytes), at: key, in: .system)
    }

    package func cancel(in transaction: Transaction) throws(VaultError) { try transaction.remove(key) }

    /// The same at another time.
    package func moved(to time: Timestamp) -> Duty {
        var duty = Duty(
            due: time, id: id, operation: operation, vault: vault, service: service, parameters: parameters,
            party: party)
        duty.failures = failures
        return duty
    }

    /// Moves a duty that failed to a later time.
    package func postponed(to time: Timestamp) -> Duty {
        var duty = moved(to: time)
        duty.failures = failures + 1
        return duty
    }

    /// Removes every duty that concerns a vault or a pool.
    package static func cancelAll(of vault: VaultName, _ service: Vault.Service, in transaction: Transaction)
        throws(VaultError)
    {
        var after = prefix
        while true {
            let entries = try transaction.records(in: KeyRange(prefix: prefix, after: after), limit: 1_000)
            guard let last = entries.last else { return }
            for entry in entries {
                let duty = try Duty(entry.value, entry.key)
                if duty.vault == vault, duty.service == service { try duty.cancel(in: transaction) }
            }
            after = last.key
        }
    }

    /// Lets a duty that was put off come at once.
    package static func hasten(_ id: String, to now: Timestamp, in transaction: Transaction) throws(VaultError) {
        var after = timeKey(now)
        while true {
            let entries = try transaction.records(in: KeyRange(prefix: prefix, after: after), limit: 1_000)
            guard let last = entries.last else { return }
            for entry in entries {
                let duty = try Duty(entry.value, entry.key)
                guard duty.id == id else { continue }
                try duty.cancel(in: transaction)
                try duty.moved(to: now).schedule(in: transaction)
            }
            after = last.key
        }
    }

    /// What is due at `now`, oldest first, and the keys of records that do not open: one of those must not hide the others.
    package static func due(
        at now: Timestamp, in reader: BarrierReader, limit: Int
    ) throws(VaultError) -> (duties: [Duty], damaged: [String]) {
        let range = KeyRange(from: prefix, to: timeKey(now + .seconds(1)))
        var duties: [Duty] = []
        var damaged: [String] = []
        for key in try reader.keys(in: range, limit: limit) {
            do throws(VaultError) {
                if let record = try reader.record(at: key) { duties.append(try Duty(record, key)) }
            } catch {
                guard case .integrity = error.code else { throw error }
                damaged.append(key)
            }
        }
        return (duties, damaged)
    }

    private init(_ bytes: [UInt8], _ key: String) throws(VaultError) {
        let parts = key.dropFirst(Self.prefix.count).split(separator: "/", maxSplits: 1)
        guard let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)), record.format == 1,
            parts.count == 2, let seconds = Int64(parts[0], radix: 16)
        else { throw .integrity(record: key) }
        self.init(
            due: Timestamp(epochSeconds: seconds), id: String(parts[1]), operation: record.operation,
            vault: record.vault.flatMap { VaultName($0) }, service: record.service ?? .vault,
            parameters: record.parameters, party: record.party)
        failures = record.failures ?? 0
    }
}
