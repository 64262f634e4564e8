import Barrier
import Cryptography
import Domain
import FoundationEssentials
import Keys
import Objects
import Operations
import Store

struct VersionedCertificate: OperationInput {
    let name: ObjectName
    let version: ObjectVersion?

    init(_ request: Request) throws(VaultError) {
        name = try request.certificateName()
        version = try request.objectVersion("certificate-version")
    }
}

struct UpdateCertificate: OperationInput {
    let name: ObjectName
    let version: ObjectVersion?
    let isEnabled: Bool?
    let tags: [ObjectRecord.Tag]?
    let policy: CertificatePolicy?

    init(_ request: Request) throws(VaultError) {
        struct Body: Decodable {
            let attributes: AttributeParameters?
            let tags: TagParameters?
            let policy: CertificatePolicy?
        }
        name = try request.certificateName()
        version = try request.objectVersion("certificate-version")
        let body = try Body.fromJSON(request.body)
        try body.tags?.validate(longest: 256)
        isEnabled = body.attributes?.enabled
        tags = body.tags?.sorted
        policy = body.policy
    }
}

struct UpdatePolicy: OperationInput {
    let name: ObjectName
    let policy: CertificatePolicy

    init(_ request: Request) throws(VaultError) {
        name = try request.certificateName()
        policy = try CertificatePolicy.fromJSON(request.body)
    }
}

struct ListCertificates: OperationInput {
    let page: Paging.Page
    /// Whether those whose first version is being made are shown too.
    let includesPending: Bool

    init(_ request: Request) throws(VaultError) {
        page = try Paging.Page(request)
        switch try request.query.value("includepending")?.lowercased() {
        case nil, "false": includesPending = false
        case "true": includesPending = true
        default: throw .badParameter("The includePending query parameter must be true or false.")
        }
    }
}

struct ListCertificateVersions: OperationInput {
    let name: ObjectName
    let page: Paging.Page

    init(_ request: Request) throws(VaultError) {
        name = try request.certificateName()
        page = try Paging.Page(request)
    }
}

extension Certificates {
    /// - Source: Azure REST "Get Certificate".
    func get(_ input: VersionedCertificate, _ call: Call) async throws(VaultError) -> CertificateBundle {
        let tables = try tables(call)
        let (head, record) = try tables.certificates.record(input.name, version: input.version, in: call.lane.reader)
        guard input.version == nil else { return try CertificateBundle(tables.vault, head.name, record) }
        return try CertificateBundle(
            tables.vault, head.name, record, policy: try policy(of: input.name, tables, in: call.lane.reader),
            hasPending: try pending(of: input.name, tables, in: call.lane.reader) != nil)
    }

    /// The chain of a version, the leaf first. Of this server; the service shows it in the secret only.
    func getChain(_ input: VersionedCertificate, _ call: Call) async throws(VaultError) -> ChainOutput {
        let tables = try tables(call)
        let (_, record) = try tables.certificates.record(input.name, version: input.version, in: call.lane.reader)
        let version = try CertificateVersion(record)
        return ChainOutput(certificates: [version.der] + version.chain)
    }

    /// Changes whether a version is enabled, with its key and secret, and its tags.
    ///
    /// - Source: Azure REST "Update Certificate".
    func update(_ input: UpdateCertificate, _ call: Call) async throws(VaultError) -> CertificateBundle {
        let tables = try tables(call)
        let now = call.now.epochSeconds
        let work = work
        let (head, record) = try await call.commit { transaction throws(VaultError) in
            if let changes = input.policy { _ = try change(changes, input.name, tables, at: now, in: transaction) }
            let (head, record) = try tables.certificates.update(input.name, version: input.version, in: transaction) {
                record in
                apply(input, to: &record, at: now)
                record.tags = input.tags ?? record.tags
            }
            for table in [tables.keys, tables.secrets] {
                _ = try table.update(input.name, version: record.version, in: transaction) { record in
                    apply(input, to: &record, at: now)
                    if let tags = input.tags { record.tags = tags.isEmpty ? nil : tags }
                }
            }
            if !record.attributes.isEnabled { work.forget(record.version) }
            return (head, record)
        }
        return try CertificateBundle(
            tables.vault, head.name, record,
            policy: record.version == head.current.version
                ? try policy(of: input.name, tables, in: call.lane.reader) : nil)
    }

    private func apply(_ input: UpdateCertificate, to record: inout ObjectRecord, at now: Int64) {
        if let enabled = input.isEnabled { record.attributes.isEnabled = enabled }
        record.attributes.updated = now
    }

    // MARK: Policy

    /// - Source: Azure REST "Get Certificate Policy".
    func getPolicy(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> PolicyOutput {
        let tables = try tables(call)
        guard let policy = try policy(of: input.name, tables, in: call.lane.reader),
            try tables.certificates.deleted(input.name, in: call.lane.reader) == nil
        else { throw tables.certificates.notFound(input.name, nil) }
        return PolicyOutput(
            policy: policy, name: try shownName(input.name, tables, in: call.lane.reader), vault: tables.vault)
    }

    /// As it was first spelled.
    private func shownName(_ name: ObjectName, _ tables: Tables, in reader: any RecordReader) throws(VaultError)
        -> ObjectName
    {
        if let head = try tables.certificates.head(name, in: reader) { return head.name }
        return try pending(of: name, tables, in: reader)?.shownName(name) ?? name
    }

    /// Merges what is given; in force for the next version.
    ///
    /// - Source: Azure REST "Update Certificate Policy".
    func updatePolicy(_ input: UpdatePolicy, _ call: Call) async throws(VaultError) -> PolicyOutput {
        let tables = try tables(call)
        let now = call.now
        let policy = try await call.commit { transaction throws(VaultError) in
            let policy = try change(input.policy, input.name, tables, at: now.epochSeconds, in: transaction)
            if let head = try tables.certificates.head(input.name, in: transaction) {
                try schedule(head, policy, tables, at: now, in: transaction)
            }
            return policy
        }
        return PolicyOutput(
            policy: policy, name: try shownName(input.name, tables, in: call.lane.reader), vault: tables.vault)
    }

    private func change(
        _ changes: CertificatePolicy, _ name: ObjectName, _ tables: Tables, at now: Int64, in transaction: Transaction
    ) throws(VaultError) -> CertificatePolicy {
        guard let old = try policy(of: name, tables, in: transaction),
            try tables.certificates.deleted(name, in: transaction) == nil
        else { throw tables.certificates.notFound(name, nil) }
        let policy = try old.merged(with: changes).filled(in: name, tables.vault).completed(at: now)
        try policy.validate(in: tables.vault, isImport: old.issuerName == CertificatePolicy.unknownIssuer)
        try requireIssuer(policy, tables, in: transaction)
        try tables.certificates.putCompanion(Self.policyCompanion, of: name, try policy.encoded(), in: transaction)
        return policy
    }

    // MARK: Lists

    /// - Source: Azure REST "Get Certificates".
    func list(_ input: ListCertificates, _ call: Call) async throws(VaultError) -> CertificateList {
        let tables = try tables(call)
        let marker = try paging.marker(input.page, list: "certificates", in: tables.vault)
        let limit = input.page.size + 1
        var items = try tables.certificates.heads(after: marker, limit: limit, in: call.lane.reader).mapTyped {
            head throws(VaultError) in try CertificateList.Item(head.name, head.current)
        }
        if input.includesPending {
            let last = items.count == limit ? items.last?.name.key : nil
            items += try beginnings(after: marker, upTo: last, limit: limit, tables, in: call.lane.reader)
            items.sort { $0.name.key < $1.name.key }
            items = Array(items.prefix(limit))
        }
        let link = try paging.next(
            after: &items, page: input.page, path: "/certificates",
            query: input.includesPending ? "&includePending=true" : "", list: "certificates", in: tables.vault,
            call.apiVersion
        ) { $0.name.key }
        return CertificateList(vault: tables.vault, items: items, nextLink: link)
    }

    /// Certificates whose first version is being made, or was not made.
    private func beginnings(
        after marker: String?, upTo last: String?, limit: Int, _ tables: Tables, in reader: any RecordReader
    ) throws(VaultError) -> [CertificateList.Item] {
        var items: [CertificateList.Item] = []
        var marker = marker
        while items.count < limit {
            let names = try tables.certificates.companionNames(
                Self.pendingCompanion, after: marker, limit: 64, in: reader)
            for text in names where items.count < limit {
                if let last, text > last { return items }
                guard let name = ObjectName(text), try tables.certificates.head(name, in: reader) == nil,
                    try tables.certificates.deleted(name, in: reader) == nil,
                    let pending = try pending(of: name, tables, in: reader)
                else { continue }
                items.append(CertificateList.Item(name, pending))
            }
            guard names.count == 64 else { break }
            marker = names.last
        }
        return items
    }

    /// - Source: Azure REST "Get Certificate Versions".
    func listVersions(_ input: ListCertificateVersions, _ call: Call) async throws(VaultError) -> CertificateList {
        let tables = try tables(call)
        let list = "certificates/\(input.name.key)/versions"
        let marker = try paging.marker(input.page, list: list, in: tables.vault)
        var (name, records) = try call.lane.reader.snapshot { () throws(VaultError) in
            try tables.certificates.versions(
                input.name, after: marker, limit: input.page.size + 1, in: call.lane.reader)
        }
        let link = try paging.next(
            after: &records, page: input.page, path: "/certificates/\(name)/versions", list: list, in: tables.vault,
            call.apiVersion
        ) {
            $0.version.description
        }
        return CertificateList(
            vault: tables.vault,
            items: try records.mapTyped { record throws(VaultError) in
                try CertificateList.Item(name, record, version: record.version)
            }, nextLink: link)
    }

    /// - Source: Azure REST "Get Deleted Certificates".
    func listDeleted(_ input: ListCertificates, _ call: Call) async throws(VaultError) -> CertificateList {
        let tables = try tables(call)
        let list = "deletedcertificates"
        let marker = try paging.marker(input.page, list: list, in: tables.vault)
        var objects = try tables.certificates.deletedObjects(
            after: marker, limit: input.page.size + 1, in: call.lane.reader)
        let link = try paging.next(
            after: &objects, page: input.page, path: "/deletedcertificates", list: list, in: tables.vault,
            call.apiVersion
        ) { $0.head.name.key }
        return CertificateList(
            vault: tables.vault,
            items: try objects.mapTyped { object throws(VaultError) in
                try CertificateList.Item(object.head.name, object.head.current, deleted: object)
            }, nextLink: link)
    }

    // MARK: Deletion

    /// Soft-deletes a certificate with its key and secret.
    ///
    /// - Source: Azure REST "Delete Certificate".
    func delete(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> DeletedCertificateBundle {
        let tables = try tables(call)
        let now = call.now
        let work = work
        let object = try await call.commit { transaction throws(VaultError) in
            let object = try tables.certificates.delete(input.name, at: now, in: transaction)
            _ = try tables.keys.delete(input.name, at: now, in: transaction)
            _ = try tables.secrets.delete(input.name, at: now, in: transaction)
            try unschedule(input.name, tables, in: transaction)
            work.forget(object.head.current.version)
            return object
        }
        return try deletedBundle(object, tables, call)
    }

    private func deletedBundle(_ object: DeletedObject, _ tables: Tables, _ call: Call) throws(VaultError)
        -> DeletedCertificateBundle
    {
        DeletedCertificateBundle(
            bundle: try CertificateBundle(
                tables.vault, object.head.name, object.head.current,
                policy: try policy(of: object.head.name, tables, in: call.lane.reader),
                hasPending: try pending(of: object.head.name, tables, in: call.lane.reader) != nil), object: object)
    }

    /// - Source: Azure REST "Get Deleted Certificate".
    func getDeleted(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> DeletedCertificateBundle {
        let tables = try tables(call)
        guard let object = try tables.certificates.deleted(input.name, in: call.lane.reader) else {
            throw tables.certificates.deletedNotFound(input.name)
        }
        return try deletedBundle(object, tables, call)
    }

    /// - Source: Azure REST "Recover Deleted Certificate".
    func recover(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> CertificateBundle {
        let tables = try tables(call)
        let now = call.now
        let head = try await call.commit { transaction throws(VaultError) in
            let head = try tables.certificates.recover(input.name, in: transaction)
            _ = try tables.keys.recover(input.name, in: transaction)
            _ = try tables.secrets.recover(input.name, in: transaction)
            if let policy = try policy(of: input.name, tables, in: transaction) {
                try schedule(head, policy, tables, at: now, in: transaction)
                // What was in progress goes on.
                if policy.isRenewable,
                    let pending = try pending(of: input.name, tables, in: transaction), pending.status == .inProgress
                {
                    try enrollDuty(pending, input.name, tables.vault, at: now).schedule(in: transaction)
                }
            }
            return head
        }
        return try CertificateBundle(
            tables.vault, head.name, head.current, policy: try policy(of: input.name, tables, in: call.lane.reader),
            hasPending: try pending(of: input.name, tables, in: call.lane.reader) != nil)
    }

    /// - Source: Azure REST "Purge Deleted Certificate".
    func purge(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> NoContent {
        let tables = try tables(call)
        let versions = try await call.commit { transaction throws(VaultError) in
            let versions = try hardwareVersions(input.name, tables, in: transaction)
            try tables.certificates.purge(input.name, in: transaction)
            try tables.keys.purge(input.name, in: transaction)
            try tables.secrets.purge(input.name, in: transaction)
            return versions
        }
        for (version, key) in versions { try work.provider(of: key.type).destroy(key.material, id: version.bytes) }
        return NoContent()
    }

    /// The duty: purges what its retention has run out on. Key and secret have duties of their own.
    func purgeIfDue(_ input: NamedCertificate, _ call: Call) async throws(VaultError) -> NoContent {
        let tables = try tables(call)
        let now = call.now
        _ = try await call.commit { transaction throws(VaultError) in
            try tables.certificates.purgeIfDue(input.name, at: now, in: transaction)
        }
        return NoContent()
    }

    private func hardwareVersions(_ name: ObjectName, _ tables: Tables, in reader: any RecordReader) throws(VaultError)
        -> [(ObjectVersion, KeyVersion)]
    {
        guard let object = try tables.keys.deleted(name, in: reader) else { return [] }
        return try tables.keys.allVersions(of: object.head, in: reader, limit: .max).mapTyped {
            record throws(VaultError) in (record.version, try KeyVersion(record))
        }.filter { $0.1.type.isHSM }
    }
}
