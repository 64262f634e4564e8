import Cryptography
import Domain
import House
import Operations
import ProviderPKCS11
import StrongroomTesting

/// A house with a token, a premium vault and a pool, made once in a process, and a client that may do everything in them.
struct HardwareHouse: Sendable {
    static var shared: HardwareHouse { get async throws { try await making.value } }

    static let pool = "pool.managedhsm.localhost"
    static let premium = TestHouse.vaultHost("premium")

    let house: TestHouse
    private let client: Client

    private static let making = Task { try await HardwareHouse() }

    private init() async throws {
        let configuration = TokenConfiguration(
            module: try SoftHSM.module(), label: "keys", pin: SensitiveBytes(SoftHSM.pin.utf8), sessions: 4)
        try SoftHSM.makeToken { try Token.initialize(configuration) }
        let token = try Token(configuration)
        // A folder of its own and no copy: servers that share a token are told apart by who they are.
        house = try await TestHouse.open(in: try TemporaryFolder()) { configuration in
            configuration.token = token
            configuration.vaults += [
                .init(name: VaultName("premium")!, sku: .premium),
                .init(name: VaultName("pool")!, service: .managedHSM),
                .init(name: VaultName("second")!, service: .managedHSM),
            ]
        }
        client = Client(try await house.house.makeClient(named: "admin", roles: House.allRoles))
        try await house.house.grantInPools(House.allPoolRoles, to: client.objectID)
    }

    func admin() throws -> Caller { try Caller(client, in: house) }
}
