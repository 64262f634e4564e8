import Barrier
import Cryptography
import Domain
import Keys
import Operations

/// Backup and restore of whole pools, and the restore of single keys out of such a backup. The calls begin a job and answer at once; the job
/// is done by the server and asked about under an address of its own.
///
/// - Source: Azure REST "Full Backup", "Full Restore Operation", "Selective Key Restore Operation", 7.2 to 2025-07-01.
extension Pools {
    var backupOperations: [any AnyOperation] {
        let since = APIVersion.v7_2preview
        return [
            Operation(
                "PoolBackup", .post, on: .managedHSM, "/backup", requires: .permission(.poolBackupStart), since: since,
                status: 202
            ) { (input: BackupInput, call) throws(VaultError) in try await backUp(.backup, input, call) },
            Operation(
                "PoolPreBackup", .post, on: .managedHSM, "/prebackup", requires: .permission(.poolBackupStart),
                since: .v7_6preview1, status: 202
            ) { (input: BackupInput, call) throws(VaultError) in try await backUp(.preBackup, input, call) },
            // Clients follow the address of the answer, which names no api-version.
            Operation(
                "PoolBackupStatus", .get, on: .managedHSM, "/backup/{job}/pending",
                requires: .permission(.poolBackupRead)
            ) { (input: JobInput, call) throws(VaultError) in try status(input, isRestore: false, call) },
            Operation(
                "PoolRestore", .put, on: .managedHSM, "/restore", requires: .permission(.poolRestoreStart),
                since: since, status: 202
            ) { (input: RestoreInput, call) throws(VaultError) in try await restore(.restore, input, call) },
            Operation(
                "PoolPreRestore", .put, on: .managedHSM, "/prerestore", requires: .permission(.poolRestoreStart),
                since: .v7_6preview1, status: 202
            ) { (input: RestoreInput, call) throws(VaultError) in try await restore(.preRestore, input, call) },
            Operation(
                "KeySelectiveRestore", .put, on: .managedHSM, "/keys/{key-name}/restore",
                requires: .permission(.poolRestoreStart), since: since, status: 202
            ) { (input: RestoreInput, call) throws(VaultError) in try await restore(.keyRestore, input, call) },
            Operation(
                "PoolRestoreStatus", .get, on: .managedHSM, "/restore/{job}/pending",
                requires: .permission(.poolRestoreRead)
            ) { (input: JobInput, call) throws(VaultError) in try status(input, isRestore: true, call) },
            Operation(scheduled: "PoolJobRun", requires: .poolBackupStart, isElsewhere: true, run: runJob),
        ]
    }

    /// Where a backup is, and what opens it.
    struct Access: Decodable, Sendable {
        let storageResourceUri: String
        let token: String?
        let useManagedIdentity: Bool?

        private static let mostCharacters = 4_096

        /// The query of a shared access signature; empty for none.
        fileprivate func signature() throws(VaultError) -> SensitiveBytes {
            guard let token, !token.isEmpty else { return SensitiveBytes([]) }
            let query = token.first == "?" ? token.dropFirst() : token[...]
            guard query.utf8.count <= Self.mostCharacters,
                query.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"\"<>\\^`{|}#?".utf8.contains($0) })
            else { throw Pools.wrong("token", "it is not a shared access signature") }
            return SensitiveBytes(Array(query.utf8))
        }
    }

    struct BackupInput: OperationInput {
        let access: Access

        init(_ request: Request) throws(VaultError) { access = try Access.fromJSON(request.body) }
    }

    struct RestoreInput: OperationInput {
        let access: Access
        let folder: String
        /// Empty for the whole pool.
        let key: String

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let sasTokenParameters: Access
                let folderToRestore: String?
                let folder: String?
            }
            let body = try Body.fromJSON(request.body)
            access = body.sasTokenParameters
            key = request.parameter("key-name") ?? ""
            let property = key.isEmpty ? "folderToRestore" : "folder"
            guard let name = key.isEmpty ? body.folderToRestore : body.folder else {
                throw .badParameter("The request body lacks the member '\(property)'.")
            }
            guard BackupPlaces.isSegment(name) else {
                throw Pools.wrong(property, "it is the name of a backup's folder, such as mhsm-pool-2026013110153000")
            }
            folder = name
        }
    }

    // MARK: Beginning

    private func backUp(_ kind: PoolJob.Kind, _ input: BackupInput, _ call: Call) async throws(VaultError) -> Begun {
        let pool = try call.vault()
        let time = call.now.iso8601.filter { $0.isNumber }
        return try await begin(kind, input.access, folder: "mhsm-\(pool.name)-\(time.prefix(16))", key: "", call)
    }

    private func restore(_ kind: PoolJob.Kind, _ input: RestoreInput, _ call: Call) async throws(VaultError) -> Begun {
        if kind == .keyRestore {
            guard let name = ObjectName(input.key) else { throw Pools.wrong("key-name", "it is not a valid name") }
            try keys.requireFree(name, in: try call.vault(), call.lane.reader)
        }
        guard try SecurityDomain.stored(of: try call.vault(), in: call.lane.reader) != nil else {
            throw VaultError(
                .conflict,
                "This pool has no security domain: nothing that was backed up can be restored into it. Upload the one of the backup."
            )
        }
        return try await begin(kind, input.access, folder: input.folder, key: input.key, call)
    }

    private func begin(_ kind: PoolJob.Kind, _ access: Access, folder: String, key: String, _ call: Call)
        async throws(VaultError) -> Begun
    {
        let pool = try call.vault()
        let signature = try access.signature()
        if case .container = try places.place(access.storageResourceUri), signature.count == 0 {
            throw Pools.wrong(
                "token",
                access.useManagedIdentity == true
                    ? "this server has no identity at a blob storage; send a shared access signature"
                    : "a shared access signature is needed")
        }
        let job = PoolJob(
            id: call.lane.newGUID(), kind: kind, storage: access.storageResourceUri, signature: signature,
            folder: folder, key: key, started: call.now)
        let made: SecurityDomain
        do throws(CryptoError) { made = try .make(engine: engine, now: call.now) } catch {
            throw .internal("a security domain could not be made")
        }
        call.concerns(objectID: "https://\(pool.authority)\(Self.path(of: job))")
        try await call.commit { transaction throws(VaultError) in
            // A pool that is in use from the beginning gets its domain with the first backup.
            if try SecurityDomain.stored(of: pool, in: transaction) == nil {
                try made.put(in: pool, transaction)
                try TransferKey.remove(of: pool, transaction)
            }
            try job.begin(in: pool, transaction)
        }
        return Begun(pool, Self.path(of: job), JSONOutput(status: 202) { Self.write(job, to: &$0) })
    }

    private static func path(of job: PoolJob) -> String {
        "/\(job.isRestore ? "restore" : "backup")/\(job.name)/pending"
    }

    // MARK: Asking

    struct JobInput: OperationInput {
        let name: String

        init(_ request: Request) throws(VaultError) { name = request.parameter("job") ?? "" }
    }

    private func status(_ input: JobInput, isRestore: Bool, _ call: Call) throws(VaultError) -> JSONOutput {
        guard let id = PoolJob.id(input.name),
            let job = try PoolJob.stored(id, of: try call.vault(), in: call.lane.reader), job.isRestore == isRestore
        else {
            throw VaultError(
                .resourceNotFound,
                "There is no \(isRestore ? "restore" : "backup") operation '\(input.name.prefix(64))' in this pool.")
        }
        return JSONOutput { Self.write(job, to: &$0) }
    }

    private static func write(_ job: PoolJob, to writer: inout JSONWriter) {
        let (status, details): (String, String) =
            switch job.state {
            case .running: ("InProgress", "The \(noun(job)) is in progress.")
            case .succeeded: ("Succeeded", "The \(noun(job)) has ended.")
            case .failed: ("Failed", "The \(noun(job)) failed; nothing was changed.")
            }
        writer.member("status", status)
        writer.member("statusDetails", details)
        if job.state == .failed {
            writer.object("error") { error in
                error.member("code", job.failureCode)
                error.member("message", job.failure)
            }
        } else {
            writer.null("error")
        }
        writer.member("jobId", job.name)
        writer.member("startTime", job.started.epochSeconds)
        if let ended = job.ended { writer.member("endTime", ended.epochSeconds) } else { writer.null("endTime") }
        if job.kind == .backup {
            let address = job.storage.last == "/" ? String(job.storage.dropLast()) : job.storage
            writer.member("azureStorageBlobContainerUri", "\(address)/\(job.folder)")
        }
    }

    private static func noun(_ job: PoolJob) -> String {
        switch job.kind {
        case .backup: "backup"
        case .preBackup: "check of a backup"
        case .restore: "restore"
        case .preRestore: "check of a restore"
        case .keyRestore: "restore of the key '\(job.key)'"
        }
    }
}
