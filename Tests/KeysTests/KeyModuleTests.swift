import Barrier
import Cryptography
import Domain
import House
import Operations
import ProviderOpenSSL
import ProviderPKCS11
import StrongroomTesting
import Testing

/// What is in the module, against what is on record: nothing too many and nothing too few.
struct KeyModuleTests {
    private static let pool = HardwareHouse.pool

    /// A house with a module of its own, and the module as its server sees it.
    private struct Own {
        let house: TestHouse
        let token: Token
        let admin: Caller
        let provider: PKCS11Provider
        private let client: Client

        init() async throws {
            let configuration = TokenConfiguration(
                module: try SoftHSM.module(), label: "module-\(Hex.encode(try CryptoEngine().random(count: 6)))",
                pin: SensitiveBytes(SoftHSM.pin.utf8), sessions: 2)
            try SoftHSM.makeToken { try Token.initialize(configuration) }
            let token = try Token(configuration)
            let house = try await Self.open(in: try TemporaryFolder(), token, TestClock())
            let client = Client(try await house.house.makeClient(named: "admin", roles: House.allRoles))
            try await house.house.grantInPools(House.allPoolRoles, to: client.objectID)
            try self.init(house, token, client)
        }

        private init(_ house: TestHouse, _ token: Token, _ client: Client) throws {
            (self.house, self.token, self.client) = (house, token, client)
            admin = try Caller(client, in: house)
            // Under the name that this server's objects have.
            var record = ByteReader(try house.house.ownLane.reader.record(at: "token-name") ?? [])
            let name = record.byte() == 1 ? record.guid() : nil
            provider = try PKCS11Provider(
                token, software: try OpenSSLProvider(try CryptoEngine()), instance: try #require(name).description)
        }

        private static func open(in folder: TemporaryFolder, _ token: Token, _ clock: TestClock) async throws
            -> TestHouse
        {
            try await TestHouse.open(in: folder, clock: clock) { configuration in
                configuration.token = token
                configuration.vaults += [.init(name: VaultName("pool")!, service: .managedHSM, retentionDays: 7)]
            }
        }

        func reopened() async throws -> Own {
            await house.close()
            return try Own(try await Self.open(in: house.folder, token, house.clock), token, client)
        }

        func create(_ name: String) async throws -> [UInt8] {
            let made = try await admin.create(name, #"{"kty":"oct-HSM"}"#, on: KeyModuleTests.pool)
            return try #require(Hex.decode(made.keyVersion))
        }

        /// Waits for what the house does in the background.
        func objects(become expected: Set<[UInt8]>) async throws -> Bool {
            try await comesTrue { try provider.objects() == expected }
        }

        func comesTrue(_ condition: () throws -> Bool) async throws -> Bool {
            for _ in 0..<3_000 {
                if try condition() { return true }
                try await Task.sleep(for: .milliseconds(20))
            }
            return false
        }
    }

    @Test("Each version is one object, kept while the key is deleted and gone when it is purged")
    func follow() async throws {
        let own = try await Own()
        #expect(try own.provider.objects().isEmpty)
        let (first, second, other) = (try await own.create("a"), try await own.create("a"), try await own.create("b"))
        #expect(try own.provider.objects() == [first, second, other])
        _ = try await own.admin.key(.delete, "/keys/a", on: Self.pool)
        #expect(try own.provider.objects() == [first, second, other])
        #expect(try await own.admin.key(.delete, "/deletedkeys/a", on: Self.pool).status == 204)
        #expect(try own.provider.objects() == [other])
        _ = try await own.admin.key(.delete, "/keys/b", on: Self.pool)
        await own.house.pass(.days(7))
        #expect(try await own.admin.key(.get, "/deletedkeys/b", on: Self.pool).status == 404)
        #expect(try own.provider.objects().isEmpty)
    }

    @Test("A key that could not be kept leaves no object behind")
    func refused() async throws {
        let own = try await Own()
        let kept = try await own.create("a")
        let blob = try #require(
            try await own.admin.key(.post, "/keys/a/backup", on: Self.pool).json["value"].string)
        for (method, target, body) in [
            (.post, "/keys/b/create", #"{"kty":"oct-HSM","key_size":7}"#),
            (.put, "/keys/b", #"{"key":{"kty":"oct","k":"AQID"}}"#),
            (.post, "/keys/restore", #"{"value":"\#(blob)"}"#),
        ] as [(Request.Method, String, String)] {
            #expect(try await own.admin.key(method, target, body, on: Self.pool).status >= 400)
        }
        _ = try await own.admin.key(.delete, "/keys/a", on: Self.pool)
        #expect(try await own.admin.create("a", #"{"kty":"oct-HSM"}"#, on: Self.pool).status == 409)
        #expect(
            try await own.admin.key(.post, "/keys/restore", #"{"value":"\#(blob)"}"#, on: Self.pool).status == 409)
        #expect(try own.provider.objects() == [kept])
    }

    @Test("After a crash the next start removes what no key owns, and nothing that one does, deleted or not")
    func orphans() async throws {
        var own = try await Own()
        let (live, old, deleted) = (
            try await own.create("a"), try await own.create("b"), try await own.create("c")
        )
        let newer = try await own.create("b")
        _ = try await own.admin.key(.delete, "/keys/c", on: Self.pool)
        // Made, and then the machine stopped before the record was written.
        for number in 1...3 {
            _ = try own.provider.generate(
                .oct(bits: 256), publicExponent: 65_537, id: [UInt8](repeating: UInt8(number), count: 16),
                isExportable: false)
        }
        let stranger = try PKCS11Provider(
            own.token, software: try OpenSSLProvider(try CryptoEngine()), instance: "another server")
        _ = try stranger.generate(
            .oct(bits: 256), publicExponent: 65_537, id: [UInt8](repeating: 9, count: 16), isExportable: false)
        #expect(try own.provider.objects().count == 7)
        own = try await own.reopened()
        #expect(try await own.objects(become: [live, old, deleted, newer]))
        #expect(try stranger.objects().count == 1)
        #expect(try await own.comesTrue { own.house.log.lines.contains { $0.contains("3 objects") } })
        let body = #"{"alg":"A256KW","value":"AAECAwQFBgcICQoLDA0ODw"}"#
        #expect(try await own.admin.key(.post, "/keys/a/wrapkey", body, on: Self.pool).status == 200)
        #expect(try await own.admin.key(.post, "/deletedkeys/c/recover", on: Self.pool).status == 200)
        #expect(try await own.admin.key(.post, "/keys/c/wrapkey", body, on: Self.pool).status == 200)
    }

    @Test("A house without a module says so, and its other keys work")
    func none() async throws {
        let house = try await TestHouse.open { configuration in
            configuration.vaults += [
                .init(name: VaultName("premium")!, sku: .premium),
                .init(name: VaultName("pool")!, service: .managedHSM),
            ]
        }
        let admin = try await house.admin()
        try await house.house.grantInPools(House.allPoolRoles, to: admin.client.objectID)
        for host in [HardwareHouse.premium, HardwareHouse.pool] {
            let refused = try await admin.create("a", #"{"kty":"EC-HSM"}"#, on: host)
            #expect(refused.status == 400 && refused.message.contains("no hardware security module"))
        }
        #expect(try await admin.create("a", on: HardwareHouse.premium).status == 200)
        #expect(try await admin.key(.post, "/rng", #"{"count":8}"#, on: HardwareHouse.pool).status == 400)
    }
}
