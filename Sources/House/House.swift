import ACME
package import Access
package import Audit
import Authorities
package import Automation
package import Barrier
import Certificates
package import Cryptography
package import Domain
import Graph
import HTTPSClient
package import HTTPServer
package import Identity
import Keys
import Login
package import Management
package import NIOPosix
package import NIOSSL
import Notices
import Objects
package import Operations
import Pools
import ProviderOpenSSL
import Secrets
package import Store
import StoreSQLite
package import Threads
import WebTokens

/// Builds every room once and introduces them to one another, for production and for tests.
package final class House: Sendable {
    package let configuration: HouseConfiguration
    package let engine: CryptoEngine
    package let store: any Store
    package let keyring: Keyring
    package let committer: Committer
    package let instance: Instance
    package let directory: Directory
    package let access: AccessControl
    package let vaults: VaultTable
    package let authority: Authority
    package let catalog: Catalog
    package let dispatcher: Dispatcher
    package let automation: Automation
    /// The lane of automation and of the house itself; belongs to whoever drives `automation`.
    package let ownLane: Lane
    private let signingKeys: SigningKeys
    private let authorities: Authorities
    private let acme: ACME
    private let pool: WorkPool
    private let hardware: HardwareSetup?
    private let generation: WorkPool
    private let cache: SealedCache
    private let described = CatalogBox()

    /// Opens the data folder, unseals, brings up the rooms. Nothing listens yet.
    ///
    /// - Parameter kek: 32 bytes; makes the keys of an empty folder when `initializes` says how it is had.
    package init(
        _ configuration: HouseConfiguration, store: any Store, engine: CryptoEngine, kek: SensitiveBytes,
        initializes source: Barrier.KEKSource? = nil
    ) async throws(HouseError) {
        self.configuration = configuration
        self.store = store
        self.engine = engine
        let world = configuration.world
        do {
            let raw = try store.connection()
            if try Barrier.kekSource(of: raw) == nil {
                guard let source else { throw HouseError.notInitialized }
                try Barrier.initialize(store, kek: kek, source: source, engine: engine, now: world.wall())
            }
            let keyring = try Barrier.unseal(raw, kek: kek, engine: engine)
            self.keyring = keyring
            let cache = SealedCache(bytes: configuration.cacheBytes)
            self.cache = cache
            let cipher = RecordCipher(keyring)
            let reader = BarrierReader(connection: raw, cipher: cipher)

            let seed = try Self.checkpointSeed(store, reader, cipher, engine)
            let checkpointKey = try Ed25519PrivateKey(seed: seed, engine: engine)
            let checkpointFile = CheckpointFile(folder: configuration.folder)
            let (chain, lastRecord) = try AuditLog.end(raw, cipher: cipher)
            let longWork = LongWork()
            let committer = try Committer(
                store: store, keyring: keyring, cache: cache, engine: engine, checkpointKey: checkpointKey,
                checkpointFile: checkpointFile,
                chain: chain, options: configuration.committer, longWork: longWork, now: world.wall, log: world.log)
            self.committer = committer
            committer.start()

            let bootstrap = Bootstrap(
                configuration: configuration, committer: committer, reader: reader, engine: engine, kek: kek,
                keyring: keyring,
                random: RandomPool(engine))
            instance = try await bootstrap.instance()
            let signingKeys = try await bootstrap.signingKeys()
            self.signingKeys = signingKeys
            let backupKeys = try await bootstrap.backupKeys()
            let vaults = try VaultTable(
                loadingFrom: reader, subscription: instance.subscription, suffix: configuration.authoritySuffix)
            try await bootstrap.ensureVaults(vaults)
            try await bootstrap.ensureConnections(vaults, instance)
            self.vaults = vaults
            let directory = try Directory(loadingFrom: reader)
            self.directory = directory
            let access = try AccessControl(loadingFrom: reader)
            self.access = access
            let authority = Authority(tenant: instance.tenant, suffix: configuration.authoritySuffix)
            self.authority = authority

            let pool = WorkPool(name: "slow-work", threads: 2, capacity: 256, countedIn: longWork)
            self.pool = pool
            let clients = try ClientAuthentication(directory: directory, engine: engine, pool: pool)
            // One key signs what the server hands out to be shown to it again: page tokens and names of operations.
            let operationKey = try await bootstrap.pagingKey()
            let paging = Paging(key: operationKey, engine: engine)
            let generation = WorkPool(
                name: "key-generation", threads: 2, capacity: 64, niceness: 10, countedIn: longWork)
            self.generation = generation
            let software = try OpenSSLProvider(engine)
            let issuers = TrustedIssuers(configuration.federation, software: software, fetch: Self.fetch)
            let login = try Login(
                authority: authority, keys: signingKeys, clients: clients, directory: directory, pool: pool,
                engine: engine, provider: software,
                issuers: issuers,
                operationKey: operationKey, log: world.log)
            let tokenName = configuration.token == nil ? instance.tenant : try await bootstrap.tokenName()
            let hardware = try configuration.token.map { token throws(CryptoError) in
                try HardwareSetup(token, software: software, instance: tokenName)
            }
            self.hardware = hardware
            let keyWork = KeyWork(software: software, hardware: hardware?.keys, slow: pool, generation: generation)
            let resources = ObjectResources(
                subscription: instance.subscription, address: authority.url(of: .management),
                find: { vaults.vault($0, $1) })
            let secrets = Secrets(
                paging: paging, backupKeys: backupKeys, engine: engine, resources: resources,
                convert: Certificates.converter(engine, keyWork))
            let authorities = Authorities(
                paging: paging, engine: engine, work: keyWork, address: configuration.publicAddress,
                vaults: { vaults.vault($0, .vault) }, allVaults: { vaults.all.filter { $0.service == .vault } })
            self.authorities = authorities
            let notices = Notices(Self.channels(configuration, engine))
            let acme = Self.acme(configuration, engine, keyWork)
            self.acme = acme
            let certificates = Certificates(
                paging: paging, backupKeys: backupKeys, engine: engine, work: keyWork,
                connectors: [authorities, acme], notices: notices)
            let keys = Keys(
                paging: paging, backupKeys: backupKeys, engine: engine,
                work: keyWork,
                statements: try await bootstrap.statementKey(),
                authorities: AttestationAuthorities(
                    configuration.attestationAuthorities, software: software, fetch: Self.fetch),
                inspection: KeyInspection(
                    vault: { vaults.vault($0, $1) },
                    usage: { vault, name in
                        Result { () throws(VaultError) in
                            try Self.usage(of: name, in: vault, try Self.reader(store, keyring))
                        }
                    }), resources: resources)
            let removeObjects: @Sendable (Set<[UInt8]>) throws(VaultError) -> Void = { ids throws(VaultError) in
                guard let hardware, !ids.isEmpty else { return }
                do throws(CryptoError) { try hardware.remove(ids) } catch {
                    throw .unavailable("Objects of the token cannot be removed.", cause: "\(error)")
                }
                // The same key may be in another vault, by backup: it must find its object anew.
                for id in ids { keyWork.forget(ObjectVersion(random: id)) }
            }
            let management = Management(
                authority: authority, subscription: instance.subscription, access: access, directory: directory,
                keyring: keyring,
                backupKeys: backupKeys, engine: engine, pool: pool, vaults: vaults,
                resourceGroups: try ResourceGroupTable(
                    loadingFrom: reader, standing: configuration.resourceGroup, location: configuration.location),
                hardware: .init(
                    flaw: { hardware == nil ? "This server has no hardware security module." : hardware?.flaw },
                    versions: { vault, reader throws(VaultError) in
                        try Keys.hardwareVersions(in: vault, reader) + Certificates.pendingVersions(in: vault, reader)
                    },
                    remove: removeObjects), allowsPrivateAddresses: configuration.allowsPrivateAddresses,
                endpoints: Set(configuration.privateEndpoints.map { $0.name.lowercased() }),
                operationKey: operationKey,
                audit: .init(
                    makeReader: { () throws(VaultError) in try Self.reader(store, keyring) },
                    witnessed: { () throws(VaultError) in try Self.witnessed(checkpointFile) },
                    publicKey: try checkpointKey.publicKey()), catalog: described, kek: kek,
                sealByToken: hardware?.sealing)
            let pools = Pools(
                vaults: vaults, engine: engine, software: software, slow: pool, access: access,
                keys: PoolKeys(keyWork), places: configuration.poolBackups,
                exchange: Self.blobExchange(configuration), removeObjects: removeObjects, now: world.wall)
            catalog = Catalog(
                secrets.operations + keys.operations + certificates.operations + authorities.operations
                    + acme.operations + notices.operations + login.operations + management.operations
                    + pools.operations
                    + Graph(
                        authority: authority, directory: directory,
                        passwords: PasswordWork(engine: engine, pool: pool)
                    ).operations)
            described.fill(catalog)
            dispatcher = Dispatcher(
                catalog: catalog, authority: authority, suffix: configuration.suffix,
                subscription: instance.subscription,
                vaults: { vaults.vault($0, $1) }, committer: committer, clock: world.wall, log: world.log,
                isStorageReadable: {
                    (try? $0.reader.keys(in: KeyRange(prefix: "barrier/kek"), limit: 1))?.isEmpty == false
                }, externalTokens: Self.externalTokens(issuers, log: world.log))
            ownLane = try Self.lane(
                store, keyring, nil, authority, signingKeys, directory, access, engine, DirectWaker())
            automation = try Automation(
                dispatcher: dispatcher, lane: ownLane,
                makeLane: { () throws(VaultError) in
                    do throws(HouseError) {
                        return try Self.lane(
                            store, keyring, nil, authority, signingKeys, directory, access, engine, DirectWaker())
                    } catch { throw .unavailable("A lane for duties cannot be made.", cause: error.text) }
                }, clocks: .init(wall: world.wall, uptime: world.uptime),
                lastSeen: lastRecord,
                log: world.log)
            try await reportFaults(reader, checkpointFile, chain)
            hardware?.removeOrphans(
                known: { () throws(VaultError) in
                    let reader = try Self.reader(store, keyring)
                    var known: Set<[UInt8]> = []
                    for vault in vaults.recoverable {
                        known.formUnion(try Keys.hardwareVersions(in: vault, reader))
                        known.formUnion(try Certificates.pendingVersions(in: vault, reader))
                    }
                    return known
                }, log: world.log)
        } catch {
            throw HouseError(error)
        }
    }

    /// A lane for one event loop, or for one caller in a test.
    package func makeLane(_ waker: any Waker) throws(HouseError) -> Lane {
        try Self.lane(store, keyring, cache, authority, signingKeys, directory, access, engine, waker)
    }

    deinit { described.empty() }

    /// Ends the writer after what was submitted, with a last checkpoint, and closes the store.
    package func close() {
        pool.stop()
        generation.stop()
        hardware?.pool.stop()
        committer.stop()
        store.close()
    }

    /// - Parameter connections: the most that this process can have, where that is less than the limit.
    package func makeServer(
        group: MultiThreadedEventLoopGroup, tls: NIOSSLContext, connections: Int = .max
    ) throws -> HTTPServer {
        var limits = configuration.limits
        limits.connections = min(limits.connections, connections)
        return try HTTPServer(
            group: group, tls: tls, dispatcher: dispatcher, limits: limits,
            region: configuration.location, site: site,
            clock: configuration.world.wall, makeLane: { try makeLane($0) })
    }

    /// What is served over plain HTTP; nil when there is no address for it.
    private var site: PublicSite? {
        guard configuration.publicAddress != nil else { return nil }
        let (authorities, acme) = (authorities, acme)
        return { request, lane, now throws(VaultError) in
            if let document = try acme.document(request, on: lane) { return document }
            return try authorities.document(request, at: now, on: lane)
        }
    }

    // MARK: Parts

    /// Walks the audit log for the uses of a key.
    private static func usage(of name: ObjectName, in vault: Vault, _ reader: BarrierReader) throws(VaultError)
        -> [ObjectVersion: KeyUsage]
    {
        let prefix = (vault.keysURL + name.key + "/").lowercased()
        let filter = try AuditFilter(since: nil, until: nil, vault: vault.name.description)
        var usage: [ObjectVersion: KeyUsage] = [:]
        var after: UInt64 = 0
        while true {
            let page = try AuditPage(after: after, filter: filter, from: reader)
            for event in page.events where event.status < 300 && KeyInspection.uses.contains(event.operationName) {
                let id = event.objectID.lowercased()
                guard id.hasPrefix(prefix), let version = ObjectVersion(id.dropFirst(prefix.count)) else { continue }
                usage[version, default: KeyUsage()].add(event.time)
            }
            guard let last = page.last else { return usage }
            after = last
        }
    }

    private static func externalTokens(_ issuers: TrustedIssuers, log: @escaping @Sendable (String) -> Void)
        -> ExternalTokens
    {
        ExternalTokens(mayProve: { issuers.mayProve($0) }) { token, now in
            let proven: TrustedIssuers.Proven
            do throws(TrustedIssuers.Flaw) { proven = try await issuers.verify(token, now: now) } catch {
                if case .keysUnreachable(let cause?) = error { log("federation: \(cause)") }
                return nil
            }
            guard let claims = try? TrustedIssuers.Claims.fromJSON(proven.claims), let subject = claims.sub else {
                return nil
            }
            return ExternalToken(
                issuer: proven.issuer, subject: subject, audiences: claims.aud?.values ?? [],
                notBefore: proven.notBefore ?? Timestamp(epochSeconds: 0), expires: proven.expires,
                isMultiFactor: claims.amr?.contains("mfa") == true)
        }
    }

    /// A document of an issuer of tokens: at most 256 KiB within ten seconds, no redirects.
    private static func fetch(_ address: String, _ issuer: TrustedIssuers.Issuer) async -> Result<[UInt8], VaultError> {
        let client = HTTPSClient(caFile: issuer.caFile, mostBytes: 256 << 10, timeout: .seconds(10))
        do throws(HTTPSClient.Failure) {
            let answer = try await client.exchange("GET", address)
            guard answer.status == 200 else {
                throw HTTPSClient.Failure("it answered with status \(answer.status)")
            }
            return .success(answer.body)
        } catch {
            return .failure(
                .unavailable("The keys cannot be fetched.", cause: "\(address): \(error.text)"))
        }
    }

    private static func lane(
        _ store: any Store, _ keyring: Keyring, _ cache: SealedCache?, _ authority: Authority, _ keys: SigningKeys,
        _ directory: Directory,
        _ access: AccessControl, _ engine: CryptoEngine, _ waker: any Waker
    ) throws(HouseError) -> Lane {
        do {
            return Lane(
                reader: try reader(store, keyring, cache),
                tokens: try TokenVerifier(authority: authority, keys: keys, directory: directory, engine: engine),
                access: AccessDecider(access), random: RandomPool(engine), waker: waker)
        } catch {
            throw HouseError(error)
        }
    }

    private static func reader(
        _ store: any Store, _ keyring: Keyring, _ cache: SealedCache? = nil
    ) throws(VaultError) -> BarrierReader {
        do throws(StoreError) {
            return BarrierReader(connection: try store.connection(), cipher: RecordCipher(keyring), cache: cache)
        } catch {
            throw VaultError(error, at: "connection")
        }
    }

    private static func witnessed(_ file: CheckpointFile) throws(VaultError) -> [Checkpoint] {
        do throws(CheckpointFile.Failure) { return try file.read() } catch { throw .internal(error.text) }
    }

    /// Made once, before the log has its first record.
    private static func checkpointSeed(
        _ store: any Store, _ reader: BarrierReader, _ cipher: RecordCipher, _ engine: CryptoEngine
    ) throws -> SensitiveBytes {
        if let seed = try AuditLog.checkpointSeed(reader) { return seed }
        let seed = try engine.randomKey(count: 32)
        var failure: VaultError?
        try store.write { batch throws(StoreError) in
            do throws(VaultError) {
                try AuditLog.putCheckpointSeed(seed, in: Transaction(batch: batch, cipher: cipher))
            } catch { failure = error }
        }
        if let failure { throw failure }
        return seed
    }

    /// What an earlier run left behind that an operator must know.
    private func reportFaults(_ reader: BarrierReader, _ file: CheckpointFile, _ chain: AuditChain) async throws {
        if let last = try file.read().last, last.chain.sequence > chain.sequence {
            try await dispatcher.raiseAlarm(
                "AuditIntegrityAlarm",
                "The audit log ends at record \(chain.sequence), but a checkpoint was taken at record \(last.chain.sequence).",
                on: ownLane)
        }
        if try !reader.keys(in: KeyRange(prefix: StoreMarks.syncFailed), limit: 1).isEmpty {
            try await dispatcher.raiseAlarm(
                "StorageSyncAlarm", "A sync of the storage failed in an earlier run. Check the disk.", on: ownLane)
            let mark = StoreMarks.syncFailed
            try await committer.commit(waker: DirectWaker()) { transaction throws(VaultError) in
                try transaction.remove(mark)
                return []
            }
        }
    }
}

/// Why a house could not be opened, in words for the operator.
package struct HouseError: Error, Sendable {
    package let text: String

    package init(text: String) { self.text = text }

    package static let notInitialized = HouseError(
        text: "the data folder holds no keys yet; run 'strongroom init --config FILE' once")

    package init(_ error: any Error) {
        switch error {
        case let error as HouseError: self = error
        case let error as StoreError: self.init(text: error.text)
        case let error as VaultError: self.init(text: error.cause?.description ?? error.message)
        case let error as Barrier.Failure:
            switch error {
            case .store(let error): self.init(text: error.text)
            case .wrongKEK:
                self.init(text: "the key that was given does not unseal this data folder, or its root key was altered")
            case .damaged(let record): self.init(text: "the record '\(record)' was altered; restore it from a backup")
            case .crypto: self.init(text: "the cryptographic library refused")
            }
        case CryptoError.absent(let what): self.init(text: "the hardware security module cannot be used: \(what)")
        case let error as CryptoError:
            switch error {
            case .unavailable(let name): self.init(text: "libcrypto does not offer \(name)")
            case .failed(let name): self.init(text: "the cryptographic library refused: \(name)")
            default: self.init(text: "the cryptographic library refused")
            }
        case let error as CheckpointFile.Failure: self.init(text: error.text)
        default: self.init(text: "\(error)")
        }
    }
}
