import Barrier
import Domain
import FoundationEssentials
import Objects
import Operations

/// The duties that the newest version of a key brings: rotate it, tell of its end, mark its end.
///
/// The record `<vault>/key-schedule/<name>` remembers which stand in the due index, so that a change takes them out again.
struct KeySchedule {
    private let table: ObjectTable

    init(_ table: ObjectTable) { self.table = table }

    private struct Entry: Codable {
        let due: Int64
        let operation: String
    }

    /// Replaces the duties by those that follow from the newest version and the policy.
    ///
    /// - Parameter isNew: there was no key of the name, so nothing is scheduled.
    func renew(_ head: ObjectHead, isNew: Bool, in transaction: Transaction) throws(VaultError) {
        let policy = isNew ? nil : try policy(of: head.name, in: transaction)
        if !isNew { try cancel(head.name, in: transaction) }
        let entries = try entries(head.current.attributes, policy)
        guard !entries.isEmpty else { return }
        for entry in entries { try duty(entry, head).schedule(in: transaction) }
        guard let bytes = try? JSONEncoder().encode(entries) else { throw .internal("a schedule could not be encoded") }
        try table.putCompanion(Keys.scheduleCompanion, of: head.name, [1] + Array(bytes), in: transaction)
    }

    func cancel(_ name: ObjectName, in transaction: Transaction) throws(VaultError) {
        guard let bytes = try table.companion(Keys.scheduleCompanion, of: name, in: transaction) else { return }
        guard bytes.first == 1, let entries = try? JSONDecoder().decode([Entry].self, from: Data(bytes.dropFirst()))
        else { throw .integrity(record: "key-schedule/\(name.key)") }
        for entry in entries {
            try Duty(
                due: Timestamp(epochSeconds: entry.due), id: id(entry.operation, name), operation: entry.operation,
                vault: table.vault.name
            ).cancel(in: transaction)
        }
        try table.putCompanion(Keys.scheduleCompanion, of: name, nil, in: transaction)
    }

    func policy(of name: ObjectName, in reader: any RecordReader) throws(VaultError) -> RotationPolicy? {
        guard let bytes = try table.companion(Keys.rotationCompanion, of: name, in: reader) else { return nil }
        return try RotationPolicy(record: bytes, at: "key-rotation/\(name.key)")
    }

    private func entries(_ attributes: ObjectAttributes, _ policy: RotationPolicy?) throws(VaultError) -> [Entry] {
        guard attributes.isEnabled else { return [] }
        var entries: [Entry] = []
        if let time = policy?.rotationTime(of: attributes) {
            entries.append(Entry(due: time.epochSeconds, operation: "KeyRotateIfDue"))
        }
        guard let expires = attributes.expires, table.vault.service == .vault else { return entries }
        let notice: RotationPolicy.Period? =
            switch policy {
            case nil: RotationPolicy.usualNotice
            case .some(let policy):
                if case .beforeExpiry(let period) = policy.notify { period } else { RotationPolicy.usualNotice }
            }
        if let notice {
            let time = notice.value.start(before: Timestamp(epochSeconds: expires)).epochSeconds
            entries.append(
                Entry(due: max(time, attributes.created), operation: "KeyNearExpiryEventGridNotification"))
        }
        entries.append(Entry(due: expires, operation: "KeyExpiredEventGridNotification"))
        return entries
    }

    private func duty(_ entry: Entry, _ head: ObjectHead) -> Duty {
        Duty(
            due: Timestamp(epochSeconds: entry.due), id: id(entry.operation, head.name), operation: entry.operation,
            vault: table.vault.name, service: table.vault.service,
            parameters: ["key-name": head.name.spelling, "key-version": head.current.version.description])
    }

    private func id(_ operation: String, _ name: ObjectName) -> String {
        "\(operation)\(table.vault.service == .vault ? "" : "-hsm").\(table.vault.name).\(name.key)"
    }
}
