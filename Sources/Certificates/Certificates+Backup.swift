import Barrier
import Cryptography
import Domain
import Keys
import Objects
import Operations

struct RestoreCertificate: OperationInput {
    let blob: [UInt8]

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let value: String
        }
        let text = try Body.fromJSON(request.body, limits: .restore(bytes: 48 << 20)).value
        guard let blob = Base64.decodeURL(text) else { throw .invalid("value", "it is not base64url") }
        self.blob = blob
    }
}

struct CertificateBackup: OperationOutput {
    let blob: [UInt8]

    func response(_ call: Call) -> Response { .json { $0.member("value", Base64.encodeURL(blob)) } }
}

extension Certificates {
    /// A sealed copy of a certificate with its keys, its secrets and its policy.
    ///
    /// - Source: Azure REST "Backup Certificate".
    func backup(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> CertificateBackup {
        let tables = try tables(call)
        let most = BackupEnvelope.mostPastVersions
        let (name, records, extra) = try call.lane.reader.snapshot { () throws(VaultError) in
            let reader = call.lane.reader
            guard let head = try tables.certificates.head(input.name, in: reader) else {
                throw tables.certificates.notFound(input.name, nil)
            }
            guard head.pastVersions <= most else {
                throw .badParameter("The certificate has more than \(most) past versions and cannot be backed up.")
            }
            let records = try tables.certificates.allVersions(of: head, in: reader, limit: most)
            var extra = ByteWriter(reserving: 8_192)
            extra.byte(1)
            extra.blob(try policy(of: head.name, tables, in: reader)?.encoded() ?? [])
            for table in [tables.keys, tables.secrets] {
                guard let owned = try table.head(head.name, in: reader) else { throw table.notFound(head.name, nil) }
                let all = try table.allVersions(of: owned, in: reader, limit: most)
                extra.integer(UInt32(all.count))
                for record in all { record.encode(to: &extra) }
            }
            return (head.name, records, extra.bytes)
        }
        return CertificateBackup(blob: try backups.seal(name, records, extra: extra))
    }

    /// Puts a backed-up certificate into this vault with its keys and secrets.
    ///
    /// - Source: Azure REST "Restore Certificate".
    func restore(_ input: RestoreCertificate, _ call: Call) async throws(VaultError) -> CertificateBundle {
        let tables = try tables(call)
        let (name, records, extra) = try backups.open(input.blob)
        var reader = ByteReader(extra)
        guard reader.byte() == 1, let policyRecord = reader.blob().map({ Array($0) }), let keys = Self.records(&reader),
            let secrets = Self.records(&reader), reader.isAtEnd
        else { throw backups.refused }
        call.concerns(objectID: tables.vault.url(of: "certificates") + name.spelling)
        if try tables.certificates.head(name, in: call.lane.reader) != nil { throw tables.certificates.exists(name) }
        try requireFree(name, tables, in: call.lane.reader)
        let adopted = try await adopt(keys, tables, call)
        let now = call.now
        let head = try await call.commit { transaction throws(VaultError) in
            try requireFree(name, tables, in: transaction)
            let head = try tables.certificates.restore(name, records, in: transaction)
            _ = try tables.keys.restore(name, adopted, in: transaction)
            _ = try tables.secrets.restore(name, secrets, in: transaction)
            if !policyRecord.isEmpty {
                try tables.certificates.putCompanion(Self.policyCompanion, of: name, policyRecord, in: transaction)
                if let policy = try policy(of: name, tables, in: transaction) {
                    try schedule(head, policy, tables, at: now, in: transaction)
                }
            }
            return head
        }
        return try CertificateBundle(
            tables.vault, head.name, head.current, policy: try policy(of: name, tables, in: call.lane.reader))
    }

    private static func records(_ reader: inout ByteReader) -> [ObjectRecord]? {
        guard let count = reader.integer(UInt32.self), count >= 1, count <= BackupEnvelope.mostPastVersions + 1 else {
            return nil
        }
        var records: [ObjectRecord] = []
        for _ in 0..<count {
            guard let record = ObjectRecord(from: &reader) else { return nil }
            records.append(record)
        }
        return records
    }

    private func adopt(_ records: [ObjectRecord], _ tables: Tables, _ call: Call) async throws(VaultError)
        -> [ObjectRecord]
    {
        var adopted: [ObjectRecord] = []
        for var record in records {
            let key = try KeyVersion(record)
            _ = try KeyParameters.placed(key.type, in: tables.vault)
            if key.type.isHSM {
                let version = record.version
                let material = try await work.make(nil, key.type, call) { provider throws(CryptoError) in
                    try provider.adopt(key.material, id: version.bytes, isExportable: false)
                }
                record.payload =
                    KeyVersion(
                        type: key.type, operations: key.operations, material: material, origin: key.origin,
                        isManaged: true
                    ).encoded()
            }
            adopted.append(record)
        }
        return adopted
    }
}
