package import Barrier
package import Domain
import Store

/// Which records an export wants.
package struct AuditFilter: Sendable {
    private let since: Timestamp?
    private let until: Timestamp?
    private let vault: VaultName?

    /// - Parameters:
    ///   - since: ISO 8601, inclusive.
    ///   - until: ISO 8601, exclusive.
    /// - Throws: `.badParameter` naming the one that does not parse.
    package init(since: String?, until: String?, vault: String?) throws(VaultError) {
        self.since = try since.map { (text) throws(VaultError) in try Self.time(text, "since") }
        self.until = try until.map { (text) throws(VaultError) in try Self.time(text, "until") }
        self.vault = try vault.map { (text) throws(VaultError) in
            guard let name = VaultName(text) else {
                throw .badParameter("'\(text.prefix(64))' is not the name of a vault.")
            }
            return name
        }
    }

    private static func time(_ text: String, _ name: String) throws(VaultError) -> Timestamp {
        guard let time = Timestamp(iso8601: text) else {
            throw .badParameter("'\(name)' must be a UTC time such as 2026-01-31 or 2026-01-31T12:00:00Z.")
        }
        return time
    }

    package func admits(_ event: AuditEvent) -> Bool {
        if let since, event.time < since { return false }
        if let until, event.time >= until { return false }
        if let vault {
            let resource = event.resourceID.lowercased()
            guard
                ["vaults", "managedhsms"].contains(where: {
                    resource.hasSuffix("/\($0)/\(vault)") || resource.contains("/\($0)/\(vault)/")
                })
            else { return false }
        }
        return true
    }
}

/// A stretch of the log.
package struct AuditPage: Sendable {
    package private(set) var events: [AuditEvent] = []
    /// The number of the last record looked at; nil when the log ends here.
    package private(set) var last: UInt64?

    private static let mostEvents = 1_000
    private static let mostBatches = 2_000

    /// - Parameter after: the number of a record; the page begins with the batch that follows it.
    package init(after: UInt64, filter: AuditFilter, from reader: BarrierReader) throws(VaultError) {
        var key = AuditBatch.key(firstSequence: after)
        var batches = 0
        while events.count < Self.mostEvents, batches < Self.mostBatches {
            let entries = try reader.records(in: KeyRange(prefix: AuditBatch.prefix, after: key), limit: 32)
            if entries.isEmpty {
                last = nil
                return
            }
            for entry in entries {
                guard let batch = AuditBatch(entry.value) else { throw .integrity(record: entry.key) }
                key = entry.key
                last = batch.after.sequence
                events += batch.records.compactMap { AuditEvent($0) }.filter { filter.admits($0) }
                batches += 1
            }
        }
    }
}
