import Barrier
import Domain
import Notices
import Objects
import Operations

extension Certificates {
    /// When the next thing is to be done about a certificate, and how often its renewal failed since it last succeeded.
    struct Schedule {
        var renewal: Timestamp?
        var notice: Timestamp?
        var expiry: Timestamp?
        var failures: UInt16 = 0
        var reason = ""

        private static let format: UInt8 = 2

        func encoded() -> [UInt8] {
            var writer = ByteWriter()
            writer.byte(Self.format)
            for time in [renewal, notice, expiry] { writer.integer(time?.epochSeconds ?? 0) }
            writer.integer(failures)
            writer.string(reason)
            return writer.bytes
        }

        init() {}

        init?(_ bytes: [UInt8]) {
            var reader = ByteReader(bytes)
            func time(_ seconds: Int64) -> Timestamp? { seconds == 0 ? nil : Timestamp(epochSeconds: seconds) }
            switch reader.byte() {
            case 1:
                // Written before there were notices.
                guard let seconds = reader.integer(Int64.self), reader.isAtEnd else { return nil }
                renewal = time(seconds)
            case Self.format:
                guard let renewal = reader.integer(Int64.self), let notice = reader.integer(Int64.self),
                    let expiry = reader.integer(Int64.self), let failures = reader.integer(UInt16.self),
                    let reason = reader.string(), reader.isAtEnd
                else { return nil }
                (self.renewal, self.notice, self.expiry) = (time(renewal), time(notice), time(expiry))
                (self.failures, self.reason) = (failures, reason)
            default: return nil
            }
        }
    }

    func scheduled(_ name: ObjectName, _ tables: Tables, in reader: any RecordReader) throws(VaultError) -> Schedule? {
        guard let bytes = try tables.certificates.companion(Self.scheduleCompanion, of: name, in: reader) else {
            return nil
        }
        guard let schedule = Schedule(bytes) else { throw .integrity(record: "certificate-schedule/\(name.key)") }
        return schedule
    }

    /// Replaces what is due about a certificate by what follows from its newest version and its policy.
    func schedule(
        _ head: ObjectHead, _ policy: CertificatePolicy, _ tables: Tables, at now: Timestamp,
        in transaction: Transaction
    ) throws(VaultError) {
        try unschedule(head.name, tables, in: transaction)
        let attributes = head.current.attributes
        guard let start = attributes.notBefore, let end = attributes.expires else { return }
        let (from, to) = (Timestamp(epochSeconds: start), Timestamp(epochSeconds: end))
        var schedule = Schedule()
        schedule.renewal = policy.renewalTime(from: from, to: to)
        schedule.notice = policy.noticeTime(from: from, to: to)
        // What has passed already is not told again when a policy changes.
        if to > now { schedule.expiry = to }
        try put(schedule, head.name, tables, in: transaction)
    }

    private func put(_ schedule: Schedule, _ name: ObjectName, _ tables: Tables, in transaction: Transaction)
        throws(VaultError)
    {
        for duty in duties(schedule, name, tables.vault) { try duty.schedule(in: transaction) }
        try tables.certificates.putCompanion(Self.scheduleCompanion, of: name, schedule.encoded(), in: transaction)
    }

    func unschedule(_ name: ObjectName, _ tables: Tables, in transaction: Transaction) throws(VaultError) {
        guard let schedule = try scheduled(name, tables, in: transaction) else { return }
        for duty in duties(schedule, name, tables.vault) { try duty.cancel(in: transaction) }
        try tables.certificates.putCompanion(Self.scheduleCompanion, of: name, nil, in: transaction)
    }

    private func duties(_ schedule: Schedule, _ name: ObjectName, _ vault: Vault) -> [Duty] {
        let wanted: [(Timestamp?, String, String)] = [
            (schedule.renewal, "renew", "CertificateRenew"),
            (schedule.notice, "near-expiry", "CertificateNearExpiryEventGridNotification"),
            (schedule.expiry, "expired", "CertificateExpiredEventGridNotification"),
        ]
        return wanted.compactMap { time, word, operation in
            time.map {
                Duty(
                    due: $0, id: "certificate-\(word).\(vault.name).\(name.key)", operation: operation,
                    vault: vault.name, parameters: ["certificate-name": name.spelling])
            }
        }
    }

    /// 1 hour after the first failure, twice as long after each further one, up to a day.
    private static func retryDelay(after failures: UInt16) -> Duration { .hours(Int(min(24, 1 << min(failures, 5)))) }

    /// A renewal that the issuer refused is begun anew later; the version in use stays as it is.
    func retryRenewal(
        _ name: ObjectName, _ reason: String, _ tables: Tables, at now: Timestamp, in transaction: Transaction
    ) throws(VaultError) {
        guard let head = try tables.certificates.head(name, in: transaction) else { return }
        var schedule = try scheduled(name, tables, in: transaction) ?? Schedule()
        try unschedule(name, tables, in: transaction)
        schedule.renewal = now + Self.retryDelay(after: schedule.failures)
        schedule.failures = min(schedule.failures + 1, 1_000)
        schedule.reason = reason
        try put(schedule, name, tables, in: transaction)
        // Told once, and then once a day.
        if schedule.failures == 1 || schedule.failures > 5 {
            try announce(.renewalFailed, head, reason, tables, at: now, in: transaction)
        }
    }

    /// The duty: begins a new version by the stored policy. Does nothing while one is in progress. Safe to repeat.
    func renew(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> NoContent {
        let tables = try tables(call)
        guard let head = try tables.certificates.head(input.name, in: call.lane.reader),
            let policy = try policy(of: input.name, tables, in: call.lane.reader),
            let start = head.current.attributes.notBefore, let end = head.current.attributes.expires,
            let time = policy.renewalTime(
                from: Timestamp(epochSeconds: start), to: Timestamp(epochSeconds: end)), time <= call.now,
            try pending(of: input.name, tables, in: call.lane.reader)?.status != .inProgress
        else { return NoContent() }
        call.concerns(objectID: tables.vault.url(of: "certificates") + head.name.spelling)
        _ = try await create(
            CreateCertificate(
                renewing: head.name, isEnabled: head.current.attributes.isEnabled, tags: head.current.tags ?? []), call)
        return NoContent()
    }

    // MARK: Notices

    /// The duty: tells the contacts of the vault that a certificate nears its end.
    func tellNearExpiry(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> NoContent {
        try await tell(.nearExpiry, input.name, call) { $0.notice }
    }

    /// The duty: tells them that it has ended.
    func tellExpired(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> NoContent {
        try await tell(.expired, input.name, call) { $0.expiry }
    }

    private func tell(
        _ kind: Notice.Kind, _ name: ObjectName, _ call: Call, _ time: @Sendable (Schedule) -> Timestamp?
    ) async throws(VaultError) -> NoContent {
        let tables = try tables(call)
        guard let head = try tables.certificates.head(name, in: call.lane.reader),
            let schedule = try scheduled(name, tables, in: call.lane.reader), let due = time(schedule), due <= call.now
        else { return NoContent() }
        call.concerns(
            objectID: tables.vault.url(of: "certificates") + head.name.spelling + "/"
                + head.current.version.description)
        let now = call.now
        try await call.commit { transaction throws(VaultError) in
            try announce(kind, head, "", tables, at: now, in: transaction)
        }
        return NoContent()
    }

    private func announce(
        _ kind: Notice.Kind, _ head: ObjectHead, _ reason: String, _ tables: Tables, at now: Timestamp,
        in transaction: Transaction
    ) throws(VaultError) {
        let contacts = try contacts(of: tables.vault, in: transaction)?.contacts.compactMap(\.email) ?? []
        try notices.announce(
            Notice(
                kind: kind, vault: tables.vault, name: head.name, version: head.current.version,
                notBefore: head.current.attributes.notBefore ?? 0, expires: head.current.attributes.expires ?? 0,
                reason: reason, recipients: contacts, time: now), in: transaction)
    }
}
