import Access
import Barrier
import Domain
import Keys
import Management
import Objects
import Operations

/// The work of backups and restores, done as a duty.
extension Pools {
    struct JobDuty: OperationInput {
        let id: GUID

        init(_ request: Request) throws(VaultError) {
            guard let id = PoolJob.id(request.parameter("job") ?? "") else {
                throw .internal("a duty about a job names none")
            }
            self.id = id
        }
    }

    /// The duty: does what a job is for and writes down how it ended. What a restart cut off begins anew: a backup writes the same folder
    /// again, a restore changes the pool in one step at its end.
    func runJob(_ input: JobDuty, _ call: Call) async throws(VaultError) -> NoContent {
        let pool = try call.vault()
        guard let job = try PoolJob.stored(input.id, of: pool, in: call.lane.reader), job.state == .running else {
            return NoContent()
        }
        do throws(VaultError) {
            guard let domain = try SecurityDomain.stored(of: pool, in: call.lane.reader) else {
                throw .internal("a pool without a security domain has a job")
            }
            let storage = try storage(job)
            switch job.kind {
            case .preBackup:
                try await check(storage)
                try await checkKeys(of: pool, call)
                try await end(job, pool, call)
            case .backup: try await backUp(pool, job, to: storage, domain, call)
            case .preRestore:
                _ = try await PoolBackup.read(job.folder, from: storage, domain, engine: engine) { _ in }
                try await end(job, pool, call)
            case .restore: try await restore(pool, job, from: storage, domain, call)
            case .keyRestore: try await restoreKey(pool, job, from: storage, domain, call)
            }
        } catch {
            // The duty begins anew: when records can be written again, when the server starts again, when the pool is recovered.
            if case .unrecorded? = error.cause { throw error }
            if Task.isCancelled { throw error }
            if case .vaultNotFound = error.code { throw error }
            let failed = job.ended(at: call.now, failure: error)
            let answer = error.answer.status
            let text = error.message
            try await call.commit(refusal: { (_: Void) in (status: answer, description: text) }) {
                transaction throws(VaultError) in try failed.put(in: pool, transaction)
            }
        }
        return NoContent()
    }

    private func storage(_ job: PoolJob) throws(VaultError) -> any BackupStorage {
        switch try places.place(job.storage) {
        case .folder(let path): FolderStorage(path: path, slow: slow)
        case .container(let address): BlobStorage(container: address, signature: job.signature, exchange: exchange)
        }
    }

    private func end(_ job: PoolJob, _ pool: Vault, _ call: Call) async throws(VaultError) {
        let ended = job.ended(at: now())
        try await call.commit { transaction throws(VaultError) in try ended.put(in: pool, transaction) }
    }

    // MARK: Backup

    /// Whether the storage takes something and gives it back.
    private func check(_ storage: any BackupStorage) async throws(VaultError) {
        let name = "strongroom-check"
        try await storage.write(Array("strongroom".utf8), to: name)
        let bytes = try await storage.read(name, mostBytes: 64)
        await storage.remove(name)
        guard bytes == Array("strongroom".utf8) else {
            throw .badParameter("The storage does not give back what was written to it.")
        }
    }

    private func checkKeys(of pool: Vault, _ call: Call) async throws(VaultError) {
        try await forEachKey(of: pool, call) { key throws(VaultError) in
            if let flaw = try keys.flaw(of: key) { throw .badParameter(flaw) }
        }
    }

    /// Every key that is there now, live or deleted, once: as it is when its turn comes.
    private func forEachKey(of pool: Vault, _ call: Call, _ body: (PoolKey) async throws(VaultError) -> Void)
        async throws(VaultError)
    {
        for name in try keys.names(in: pool, call.lane.reader) {
            guard let key = try keys.stored(name, in: pool, call.lane.reader) else { continue }
            try await body(key)
        }
    }

    private func backUp(
        _ pool: Vault, _ job: PoolJob, to storage: any BackupStorage, _ domain: SecurityDomain, _ call: Call
    ) async throws(VaultError) {
        let backup = try PoolBackup(job.id, of: domain, engine: engine)
        var writer = PoolBackup.Writer(backup, to: storage, job.folder)
        let reader = call.lane.reader
        let name = VaultTable.Name(name: pool.name, service: .managedHSM)
        try await writer.add(
            .settings(allowsKeysThroughARM: try VaultTable.settings(name, in: reader)?.allowsKeysThroughARM ?? false))
        for role in try RoleDefinitionTable.all(in: reader) where role.pool == pool.name {
            try await writer.add(.role(LocalRole(role)))
        }
        let root = pool.scopes.vault.key
        for assignment in try RoleAssignmentTable.all(in: reader)
        where assignment.scope.key == root || assignment.scope.key.hasPrefix(root + "/") {
            try await writer.add(.assignment(LocalAssignment(assignment, in: pool)))
        }
        try await forEachKey(of: pool, call) { key throws(VaultError) in
            if let flaw = try keys.flaw(of: key) { throw .badParameter(flaw) }
            try await writer.add(.key(try await keys.exported(key, wrappedBy: backup.wrapping, call)))
        }
        try await writer.finish(pool: pool.name.description, domain: domain.id, at: call.now)
        try await end(job, pool, call)
    }

    // MARK: Restore

    private func restore(
        _ pool: Vault, _ job: PoolJob, from storage: any BackupStorage, _ domain: SecurityDomain, _ call: Call
    ) async throws(VaultError) {
        var (wrapped, roles, assignments) = ([PoolKey](), [LocalRole](), [LocalAssignment]())
        var allowsKeysThroughARM = false
        let backup = try await PoolBackup.read(job.folder, from: storage, domain, engine: engine) { entry in
            switch entry {
            case .key(let key): wrapped.append(key)
            case .role(let role): roles.append(role)
            case .assignment(let assignment): assignments.append(assignment)
            case .settings(let isOn): allowsKeysThroughARM = isOn
            }
        }
        let before = Set(try Keys.hardwareVersions(in: pool, call.lane.reader))
        let adopted = try await adopt(wrapped, backup, keeping: before, call)
        let local = LocalRoles(roles: roles, assignments: assignments)
        let guids = (0..<(roles.count + assignments.count)).map { _ in call.lane.newGUID() }
        let name = VaultTable.Name(name: pool.name, service: .managedHSM)
        let (keys, ended, isOn) = (keys, job.ended(at: now()), allowsKeysThroughARM)
        let settings: VaultTable.Settings
        let replaced: LocalRoles.Replaced
        do throws(VaultError) {
            (settings, replaced) = try await call.commit {
                transaction throws(VaultError) -> (VaultTable.Settings, LocalRoles.Replaced) in
                guard var settings = try VaultTable.settings(name, in: transaction) else {
                    throw .internal("a pool has no settings")
                }
                settings.allowsKeysThroughARM = isOn ? true : nil
                try VaultTable.put(settings, in: transaction)
                try Duty.cancelAll(of: pool.name, .managedHSM, in: transaction)
                try keys.replaceAll(in: pool, by: adopted, in: transaction)
                let replaced = try local.replaceAll(in: pool, guids, transaction)
                try ended.put(in: pool, transaction)
                return (settings, replaced)
            }
        } catch {
            await abandon(adopted, keeping: before, call)
            throw error
        }
        for (id, role) in replaced.roles { access.reloadRole(id, from: call.lane.reader, committed: role) }
        for (id, assignment) in replaced.assignments {
            access.reload(id, from: call.lane.reader, committed: assignment)
        }
        vaults.reload(name, from: call.lane.reader, committed: settings)
        await remove(before.subtracting(adopted.flatMap(\.records).map(\.version.bytes)), call)
    }

    private func restoreKey(
        _ pool: Vault, _ job: PoolJob, from storage: any BackupStorage, _ domain: SecurityDomain, _ call: Call
    ) async throws(VaultError) {
        guard let name = ObjectName(job.key) else { throw .internal("a job restores a key without a name") }
        var found: PoolKey?
        let backup = try await PoolBackup.read(job.folder, from: storage, domain, engine: engine) { entry in
            if case .key(let key) = entry, key.name == name, !key.isDeleted { found = key }
        }
        guard let found else {
            throw VaultError(.keyNotFound, "The backup '\(job.folder)' holds no key '\(name)' that was not deleted.")
        }
        try keys.requireFree(name, in: pool, call.lane.reader)
        let before = Set(try Keys.hardwareVersions(in: pool, call.lane.reader))
        let adopted = try await adopt([found], backup, keeping: before, call)
        let (keys, ended) = (keys, job.ended(at: now()))
        do throws(VaultError) {
            try await call.commit { transaction throws(VaultError) in
                for key in adopted { try keys.put(key, in: pool, transaction) }
                try ended.put(in: pool, transaction)
            }
        } catch {
            await abandon(adopted, keeping: before, call)
            throw error
        }
    }

    private func adopt(_ wrapped: [PoolKey], _ backup: PoolBackup, keeping known: Set<[UInt8]>, _ call: Call)
        async throws(VaultError) -> [PoolKey]
    {
        var adopted: [PoolKey] = []
        do throws(VaultError) {
            for key in wrapped { adopted.append(try await keys.adopted(key, wrappedBy: backup.wrapping, call)) }
        } catch {
            await abandon(adopted, keeping: known, call)
            throw error
        }
        return adopted
    }

    private func abandon(_ adopted: [PoolKey], keeping known: Set<[UInt8]>, _ call: Call) async {
        let keys = keys
        _ = try? await slowly(call) { () throws(VaultError) in keys.abandon(adopted, keeping: known) }
    }

    /// Objects of the module that no key owns any more. What a crash leaves there is found at the next start.
    private func remove(_ versions: Set<[UInt8]>, _ call: Call) async {
        guard !versions.isEmpty else { return }
        let removeObjects = removeObjects
        _ = try? await slowly(call) { () throws(VaultError) in try removeObjects(versions) }
    }
}
