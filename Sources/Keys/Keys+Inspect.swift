package import Domain
import Objects
package import Operations

/// How often a version of a key was used, and when last.
package struct KeyUsage: Sendable {
    package private(set) var count = 0
    package private(set) var last: Timestamp?

    package init() {}

    package mutating func add(_ time: Timestamp) {
        count += 1
        if last.map({ $0 < time }) ?? true { last = time }
    }
}

/// What an inspection asks outside of this room.
package struct KeyInspection: Sendable {
    let vault: @Sendable (VaultName, Vault.Service) -> Vault?
    /// Uses by version, counted from the audit log; takes as long as the log is.
    let usage: @Sendable (Vault, ObjectName) -> Result<[ObjectVersion: KeyUsage], VaultError>

    package init(
        vault: @escaping @Sendable (VaultName, Vault.Service) -> Vault?,
        usage: @escaping @Sendable (Vault, ObjectName) -> Result<[ObjectVersion: KeyUsage], VaultError>
    ) {
        (self.vault, self.usage) = (vault, usage)
    }

    /// The operations that use a key.
    package static let uses: Set<String> = [
        "KeyEncrypt", "KeyDecrypt", "KeySign", "KeyVerify", "KeyWrap", "KeyUnwrap", "KeyRelease",
    ]
}

struct InspectKey: OperationInput {
    let service: Vault.Service
    let vault: VaultName
    let name: ObjectName

    init(_ request: Request) throws(VaultError) {
        switch request.parameter("service")?.lowercased() {
        case "vault": service = .vault
        case "managedhsm": service = .managedHSM
        default: throw .badParameter("The path must name 'vault' or 'managedhsm'.")
        }
        guard let vault = VaultName(request.parameter("vault") ?? "") else {
            throw .badParameter("The path names no valid vault.")
        }
        self.vault = vault
        name = try request.objectName("key")
    }
}

struct KeyInspectionReport: OperationOutput {
    struct Version: Sendable {
        let record: ObjectRecord
        let key: KeyVersion
        let usage: KeyUsage
        let isCurrent: Bool
    }

    let vault: Vault
    let name: ObjectName
    let versions: [Version]

    func response(_ call: Call) -> Response {
        .json { report in
            report.member("key", vault.keysURL + name.spelling)
            report.array("versions") { list in
                for version in versions { list.object { write(version, call.now, to: &$0) } }
            }
        }
    }

    private func write(_ version: Version, _ now: Timestamp, to writer: inout JSONWriter) {
        let attributes = version.record.attributes
        writer.member("version", version.record.version.description)
        writer.member("isCurrent", version.isCurrent)
        writer.member("enabled", attributes.isEnabled)
        writer.member("type", version.key.type.text)
        writer.member("algorithm", version.key.specification.description)
        writer.member("strengthBits", version.key.specification.strength)
        writer.member("protection", version.key.type.isHSM ? "hsm" : "software")
        writer.member(
            "origin",
            version.key.origin == .imported ? "imported" : version.key.origin == .rotated ? "rotated" : "generated")
        writer.member("created", Timestamp(epochSeconds: attributes.created).iso8601)
        writer.member("ageDays", Int((now.epochSeconds - attributes.created) / 86_400))
        if let expires = attributes.expires {
            writer.member("expires", Timestamp(epochSeconds: expires).iso8601)
        }
        writer.member("uses", version.usage.count)
        if let last = version.usage.last { writer.member("lastUsed", last.iso8601) } else { writer.null("lastUsed") }
    }
}

extension Keys {
    /// Strength, age and use of each version of a key, newest first. An addition to the reference.
    func inspect(_ input: InspectKey, _ call: Call) async throws(VaultError) -> KeyInspectionReport {
        guard let vault = inspection.vault(input.vault, input.service) else {
            throw VaultError(.vaultNotFound, "A vault with the name '\(input.vault)' was not found on this server.")
        }
        let table = table(vault)
        guard let head = try table.head(input.name, in: call.lane.reader) else {
            throw table.notFound(input.name, nil)
        }
        call.concerns(objectID: vault.keysURL + head.name.spelling)
        let records = try table.allVersions(of: head, in: call.lane.reader, limit: 1_000)
        let inspection = inspection
        let usage = try await work.slowly(call) { () -> Result<[ObjectVersion: KeyUsage], VaultError> in
            inspection.usage(vault, head.name)
        }.get()
        let versions = try records.mapTyped { record throws(VaultError) in
            KeyInspectionReport.Version(
                record: record, key: try KeyVersion(record), usage: usage[record.version] ?? KeyUsage(),
                isCurrent: record.version == head.current.version)
        }
        return KeyInspectionReport(
            vault: vault, name: head.name,
            versions: versions.sorted { left, right in
                left.isCurrent != right.isCurrent
                    ? left.isCurrent : left.record.attributes.created > right.record.attributes.created
            })
    }
}
