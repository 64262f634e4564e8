import Access
import Barrier
import Cryptography
import Domain
import FoundationEssentials
import Identity
import Operations
import Store

/// Deleted vaults: what can still be had back, and how it is lost for good.
///
/// A purge destroys the data keys of the vault, so that nothing of it opens any more, and then removes its records piece by piece. The
/// name is free when the last one is gone.
/// - Source: Azure REST "Vaults - Get Deleted", "Vaults - Purge Deleted", 2026-02-01.
extension Management {
    private static let provider = "/subscriptions/{subscription}/providers/Microsoft.KeyVault"

    var deletedVaultOperations: [any AnyOperation] {
        let vault = Self.provider + "/locations/{location}/deletedVaults/{vault}"
        let pool = Self.provider + "/locations/{location}/deletedManagedHSMs/{pool}"
        return [
            Operation(
                "DeletedVaultList", .get, on: .management, Self.provider + "/deletedVaults",
                requires: .perItem(.deletedVaultsRead)
            ) { (input: SubscriptionInput, call) throws(VaultError) in try listDeleted(.vault, input, call) },
            Operation(
                "DeletedManagedHSMList", .get, on: .management, Self.provider + "/deletedManagedHSMs",
                requires: .perItem(.deletedPoolsRead)
            ) { (input: SubscriptionInput, call) throws(VaultError) in try listDeleted(.managedHSM, input, call) },
            Operation(
                "DeletedVaultGet", .get, on: .management, vault, requires: .perItem(.deletedVaultGet)
            ) { (input: DeletedVaultInput, call) throws(VaultError) in try getDeleted(.vault, input, call) },
            Operation(
                "DeletedManagedHSMGet", .get, on: .management, pool, requires: .perItem(.deletedPoolGet)
            ) { (input: DeletedVaultInput, call) throws(VaultError) in try getDeleted(.managedHSM, input, call) },
            Operation(
                "VaultPurge", .post, on: .management, vault + "/purge", requires: .perItem(.deletedVaultsPurge),
                status: 202
            ) { (input: DeletedVaultInput, call) throws(VaultError) in try await purge(.vault, input, call) },
            Operation(
                "ManagedHSMPurge", .post, on: .management, pool + "/purge", requires: .perItem(.deletedPoolsPurge),
                status: 202
            ) { (input: DeletedVaultInput, call) throws(VaultError) in try await purge(.managedHSM, input, call) },
            Operation(
                scheduled: "VaultPurgeScheduled", requires: .deletedVaultsPurge, destroys: true, run: purgeIfDue),
            Operation(scheduled: "VaultErase", requires: .deletedVaultsPurge, run: eraseVault),
        ]
    }

    // MARK: Reading

    struct DeletedVaultInput: OperationInput {
        let place: SubscriptionInput
        let location: String
        let name: String

        init(_ request: Request) throws(VaultError) {
            place = try SubscriptionInput(request)
            location = request.parameter("location") ?? ""
            name = request.parameter("vault") ?? request.parameter("pool") ?? ""
        }
    }

    private static func noun(_ service: Vault.Service) -> String { service == .vault ? "vault" : "managed HSM" }

    /// Where who may do something with a deleted one must hold a role: what is inside a pool has roles of its own.
    private func place(of entry: VaultTable.Entry) -> Scope {
        entry.vault.service == .vault
            ? entry.vault.scopes.vault : .resourceGroup(entry.settings.resourceGroup, in: subscription)
    }

    private func listDeleted(_ service: Vault.Service, _ input: SubscriptionInput, _ call: Call) throws(VaultError)
        -> JSONOutput
    {
        try requireOwn(input)
        let principal = try call.caller()
        let permission: Permission = service == .vault ? .deletedVaultsRead : .deletedPoolsRead
        let seen = vaults.entries.filter { entry in
            entry.vault.service == service && entry.settings.deleted != nil && entry.settings.purge == nil
                && call.lane.access.grant(permission, to: principal, at: place(of: entry)) != nil
        }
        return JSONOutput.list { list in for entry in seen { list.object { writeDeleted(entry, to: &$0) } } }
    }

    private func deleted(
        _ service: Vault.Service, _ input: DeletedVaultInput, _ permission: Permission, _ call: Call
    ) throws(VaultError) -> VaultTable.Entry {
        try requireOwn(input.place)
        let entry = VaultName(input.name).flatMap { vaults.entry($0, service) }
        if let entry, entry.settings.deleted != nil, entry.settings.purge == nil,
            (try? VaultBody.normalized(input.location)) == entry.settings.location,
            call.lane.access.grant(permission, to: try call.caller(), at: place(of: entry)) != nil
        {
            call.concerns(resourceID: Self.identifier(of: entry.vault))
            return entry
        }
        // Whether there is one is told to those only who may do the same everywhere.
        try require(permission, at: .subscription(subscription), call)
        throw VaultError(
            .resourceNotFound,
            "The deleted \(Self.noun(service)) '\(input.name.prefix(64))' was not found in location '\(input.location.prefix(64))'."
        )
    }

    private func getDeleted(_ service: Vault.Service, _ input: DeletedVaultInput, _ call: Call) throws(VaultError)
        -> JSONOutput
    {
        let permission: Permission = service == .vault ? .deletedVaultGet : .deletedPoolGet
        let entry = try deleted(service, input, permission, call)
        return JSONOutput { writeDeleted(entry, to: &$0) }
    }

    private func writeDeleted(_ entry: VaultTable.Entry, to writer: inout JSONWriter) {
        let settings = entry.settings
        let isVault = entry.vault.service == .vault
        let collection = isVault ? "deletedVaults" : "deletedManagedHSMs"
        writer.member(
            "id",
            "/subscriptions/\(subscription)/providers/Microsoft.KeyVault/locations/\(settings.location)/\(collection)/\(settings.name)"
        )
        writer.member("name", settings.name)
        writer.member("type", "Microsoft.KeyVault/\(collection)")
        writer.object("properties") { properties in
            properties.member(isVault ? "vaultId" : "mhsmId", Self.identifier(of: entry.vault))
            properties.member("location", settings.location)
            properties.object("tags") { Self.write(settings.tags ?? [:], to: &$0) }
            if let deleted = settings.deleted, let purge = settings.scheduledPurge {
                properties.member("deletionDate", Timestamp(epochSeconds: deleted.epochSeconds).iso8601)
                properties.member("scheduledPurgeDate", Timestamp(epochSeconds: purge.epochSeconds).iso8601)
            }
            if settings.isPurgeProtected { properties.member("purgeProtectionEnabled", true) }
        }
    }

    static func write(_ tags: [String: String], to writer: inout JSONWriter) {
        for (name, value) in tags.sorted(by: { $0.key < $1.key }) { writer.member(named: name, value) }
    }

    // MARK: Recovery

    /// Settings, policies and all objects come back; role assignments at a vault do not.
    func recover(_ name: VaultTable.Name, location: String, group: String, _ call: Call) async throws(VaultError)
        -> VaultTable.Settings
    {
        let (modified, now) = (try change(call), call.now)
        guard let known = vaults.entry(name.name, name.service)?.settings else {
            throw .internal("nothing to recover under a name that was known")
        }
        guard location == known.location else {
            throw VaultError(
                .conflict,
                "The \(Self.noun(name.service)) '\(name.name)' was deleted in another location and is recovered there.")
        }
        guard known.resourceGroup.lowercased() == group.lowercased() else {
            throw Self.isTaken(name.name, name.service)
        }
        let recovered = try await call.commit { transaction throws(VaultError) in
            guard var settings = try VaultTable.settings(name, in: transaction), settings.deleted != nil,
                settings.purge == nil
            else { throw VaultError(.vaultIsDeleted, "The \(Self.noun(name.service)) '\(name.name)' is being purged.") }
            try Self.purgeDuty(name, settings)?.cancel(in: transaction)
            (settings.deleted, settings.modified) = (nil, modified)
            try VaultTable.put(settings, in: transaction)
            // What waited for the pool waits no longer.
            if name.service == .managedHSM { try Duty.hasten(name.jobDuty, to: now, in: transaction) }
            if settings.provisioning == .running { try Self.provisionDuty(name, at: now).schedule(in: transaction) }
            return settings
        }
        vaults.reload(name, from: call.lane.reader, committed: recovered)
        return recovered
    }

    // MARK: Purge

    /// The duty to purge a deleted vault when its retention has passed.
    static func purgeDuty(_ name: VaultTable.Name, _ settings: VaultTable.Settings) -> Duty? {
        settings.scheduledPurge.map { due in
            Duty(
                due: due, id: "purge-\(name.key)", operation: "VaultPurgeScheduled", vault: nil,
                parameters: ["name": name.name.description, "service": name.service.rawValue])
        }
    }

    private static func eraseDuty(_ name: VaultTable.Name, at time: Timestamp) -> Duty {
        Duty(
            due: time, id: "erase-\(name.key)", operation: "VaultErase", vault: nil,
            parameters: ["name": name.name.description, "service": name.service.rawValue])
    }

    struct ScheduledVault: OperationInput {
        let name: VaultTable.Name

        init(_ request: Request) throws(VaultError) {
            guard let name = VaultName(request.parameter("name") ?? ""),
                let service = Vault.Service(rawValue: request.parameter("service") ?? "")
            else { throw .internal("a duty about a vault names none") }
            self.name = VaultTable.Name(name: name, service: service)
        }
    }

    /// An operation that goes on after its answer.
    struct AcceptedOutput: OperationOutput {
        let location: String

        func response(_ call: Call) -> Response {
            Response(status: 202, headers: [("Location", location), ("Retry-After", "1")])
        }
    }

    private func purge(_ service: Vault.Service, _ input: DeletedVaultInput, _ call: Call) async throws(VaultError)
        -> AcceptedOutput
    {
        let entry = try deleted(
            service, input, service == .vault ? .deletedVaultsPurge : .deletedPoolsPurge, call)
        guard !entry.settings.isPurgeProtected else {
            throw VaultError(
                .forbiddenByVault,
                "Operation \"purge\" is not allowed because purge protection is enabled for the \(Self.noun(service)) '\(entry.settings.name)'. It is purged by itself after its retention."
            )
        }
        guard let name = entry.settings.key else { throw .internal("a vault without a name") }
        let id = call.lane.newGUID()
        try await purge(entry, name, as: id, call)
        let collection = service == .vault ? "operationResults" : "managedHsmOperationResults"
        return AcceptedOutput(
            location: try operationURL(name, collection, at: entry.settings.location, id, call.now))
    }

    /// The duty: purges what its retention has run out on.
    func purgeIfDue(_ input: ScheduledVault, _ call: Call) async throws(VaultError) -> NoContent {
        if let entry = vaults.entry(input.name.name, input.name.service), entry.settings.purge == nil,
            let due = entry.settings.scheduledPurge, due <= call.now
        {
            call.concerns(resourceID: Self.identifier(of: entry.vault))
            try await purge(entry, input.name, as: call.lane.newGUID(), call)
        }
        return NoContent()
    }

    private func purge(_ entry: VaultTable.Entry, _ name: VaultTable.Name, as id: GUID, _ call: Call)
        async throws(VaultError)
    {
        // Read while it can be: afterwards nobody knows which objects of the token were this vault's.
        let inToken = try hardware.versions(entry.vault, call.lane.reader)
        let (kek, engine, now, domain) = (kek.current, engine, call.now, entry.vault.sealDomain)
        let scope = entry.vault.scopes.vault
        let (keys, settings) = try await call.commit {
            transaction throws(VaultError) -> (Keys, VaultTable.Settings) in
            guard var settings = try VaultTable.settings(name, in: transaction), settings.deleted != nil,
                settings.purge == nil
            else { throw VaultError(.conflict, "The vault '\(name.name)' is not deleted any more, or purged already.") }
            try Self.purgeDuty(name, settings)?.cancel(in: transaction)
            (settings.purge, settings.purgeBegan) = (id, now)
            try VaultTable.put(settings, in: transaction)
            try ExtensionTable.removeAll(at: scope, in: transaction)
            if !inToken.isEmpty {
                try transaction.put(inToken.flatMap { $0 }, at: Self.tokenObjects(name), in: .system)
            }
            try Self.eraseDuty(name, at: now).schedule(in: transaction)
            let keys = try Barrier.removeDataKeys(of: domain, kek: kek, engine: engine, now: now, in: transaction)
            return (keys, settings)
        }
        keyring.reload(from: call.lane.reader, kek: kek, committed: keys)
        vaults.reload(name, from: call.lane.reader, committed: settings)
    }

    /// The identifiers of a purged vault's objects in the token, 16 bytes each.
    private static func tokenObjects(_ name: VaultTable.Name) -> String { "management/purged/\(name.key)" }

    private static let erasedAtOnce = 4_000

    /// The duty: removes some records of a purged vault, and looks again until there are none; then its name is free.
    func eraseVault(_ input: ScheduledVault, _ call: Call) async throws(VaultError) -> NoContent {
        let name = input.name
        guard let entry = vaults.entry(name.name, name.service), entry.settings.purge != nil else { return NoContent() }
        call.concerns(resourceID: Self.identifier(of: entry.vault))
        let prefix = entry.vault.keyPrefix
        let list = Self.tokenObjects(name)
        if let ids = try call.lane.reader.record(at: list) {
            // Before the record of them goes: what cannot be removed now is tried again.
            try hardware.remove(Set(stride(from: 0, to: ids.count - 15, by: 16).map { Array(ids[$0..<($0 + 16)]) }))
        }
        let (now, local) = (call.now, entry.vault.scopes.vault)
        let (isDone, roles, definitions) = try await call.commit {
            transaction throws(VaultError) -> (Bool, [GUID], [GUID]) in
            guard try transaction.removeSome(in: KeyRange(prefix: prefix), limit: Self.erasedAtOnce) == 0 else {
                try Self.eraseDuty(name, at: now).schedule(in: transaction)
                return (false, [], [])
            }
            try Duty.cancelAll(of: name.name, name.service, in: transaction)
            try transaction.remove(list)
            try VaultTable.remove(name, in: transaction)
            var definitions: [GUID] = []
            for role in try RoleDefinitionTable.all(in: transaction)
            where name.service == .managedHSM && role.pool == name.name {
                try RoleDefinitionTable.remove(role.id, in: transaction)
                definitions.append(role.id)
            }
            return (true, try Self.removeRoles(at: local, in: transaction), definitions)
        }
        guard isDone else { return NoContent() }
        for role in definitions { access.reloadRole(role, from: call.lane.reader, committed: nil) }
        for role in roles { access.reload(role, from: call.lane.reader, committed: nil) }
        vaults.reload(name, from: call.lane.reader, committed: nil)
        return NoContent()
    }
}
