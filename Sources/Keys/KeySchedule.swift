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

    private struct Entry: Codable, Equatable {
        let due: Int64
        let operation: String
    }

    private struct Record: Codable {
        let version: GUID
        /// What stands in the due index.
        var planned: [Entry]
        /// What was told of this version already, and is not told again.
        var done: [Entry]
    }

    /// Replaces the duties by those that follow from the newest version and the policy.
    ///
    /// - Parameter isNew: there was no key of the name, so nothing is scheduled.
    func renew(_ head: ObjectHead, isNew: Bool, in transaction: Transaction) throws(VaultError) {
        let policy = isNew ? nil : try policy(of: head.name, in: transaction)
        let old = isNew ? nil : try record(head.name, in: transaction)
        if let old { try crossOff(old, head.name, in: transaction) }
        let done = old?.version == head.current.version.value ? old?.done ?? [] : []
        let planned = try entries(head.current.attributes, policy).filter { !done.contains($0) }
        for entry in planned { try duty(entry, head).schedule(in: transaction) }
        guard old != nil || !planned.isEmpty else { return }
        let isEmpty = planned.isEmpty && done.isEmpty
        let new = Record(version: head.current.version.value, planned: planned, done: done)
        try put(isEmpty ? nil : new, of: head.name, in: transaction)
    }

    /// Takes the duties out of the due index; what was told already stays remembered.
    func cancel(_ name: ObjectName, in transaction: Transaction) throws(VaultError) {
        guard var old = try record(name, in: transaction) else { return }
        try crossOff(old, name, in: transaction)
        old.planned = []
        try put(old.done.isEmpty ? nil : old, of: name, in: transaction)
    }

    /// Remembers that a notice was given for a version.
    func complete(_ operation: String, _ head: ObjectHead, in transaction: Transaction) throws(VaultError) {
        guard var record = try record(head.name, in: transaction), record.version == head.current.version.value else {
            return
        }
        record.done += record.planned.filter { $0.operation == operation }
        record.planned.removeAll { $0.operation == operation }
        try put(record, of: head.name, in: transaction)
    }

    private func record(_ name: ObjectName, in reader: any RecordReader) throws(VaultError) -> Record? {
        guard let bytes = try table.companion(Keys.scheduleCompanion, of: name, in: reader) else { return nil }
        guard bytes.first == 1, let record = try? JSONDecoder().decode(Record.self, from: Data(bytes.dropFirst()))
        else { throw .integrity(record: "key-schedule/\(name.key)") }
        return record
    }

    private func put(_ record: Record?, of name: ObjectName, in transaction: Transaction) throws(VaultError) {
        guard let record else {
            return try table.putCompanion(Keys.scheduleCompanion, of: name, nil, in: transaction)
        }
        guard let bytes = try? JSONEncoder().encode(record) else { throw .internal("a schedule could not be encoded") }
        try table.putCompanion(Keys.scheduleCompanion, of: name, [1] + Array(bytes), in: transaction)
    }

    private func crossOff(_ record: Record, _ name: ObjectName, in transaction: Transaction) throws(VaultError) {
        for entry in record.planned {
            try Duty(
                due: Timestamp(epochSeconds: entry.due), id: id(entry.operation, name), operation: entry.operation,
                vault: table.vault.name
            ).cancel(in: transaction)
        }
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
