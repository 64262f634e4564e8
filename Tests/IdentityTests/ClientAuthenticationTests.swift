import Cryptography
import Domain
import Identity
import StrongroomTesting
import Testing
import Threads

struct ClientAuthenticationTests {
    private let engine: CryptoEngine
    private let pool = WorkPool(name: "test", threads: 1, capacity: 64)
    private let directory: Directory
    private let clients: ClientAuthentication
    private let secret: SensitiveBytes
    private let application: Application
    private let now = TestClock.start

    init() throws {
        engine = try CryptoEngine()
        let stored: ClientSecret
        (secret, stored) = try ClientAuthentication.makeSecret(engine: engine, now: now)
        application = Application(
            id: GUID(high: 0xABCD_EF01_2345_4678, low: 0x8ABC_DEF0_1234_5678), objectID: GUID(high: 3, low: 4),
            displayName: "client", created: now, secret: stored)
        directory = Directory([application])
        clients = try ClientAuthentication(directory: directory, engine: engine, pool: pool)
    }

    private enum Answer: Equatable { case client, refused, throttled, busy }

    private func ask(_ id: String? = nil, _ secret: SensitiveBytes? = nil, at now: Timestamp? = nil) async -> Answer {
        switch await clients.authenticate(
            clientID: id ?? application.id.description, secret: secret ?? self.secret, waker: DirectWaker(),
            now: now ?? self.now)
        {
        case .client: .client
        case .refused: .refused
        case .throttled: .throttled
        case .busy: .busy
        }
    }

    @Test("The right secret opens, the first time and the next")
    func right() async {
        #expect(await ask() == .client)
        #expect(await ask() == .client)
        #expect(await ask(application.id.description.uppercased()) == .client)
    }

    @Test("A secret is 40 characters of base64url and kept as a hash")
    func made() {
        #expect(secret.count == 40)
        let kept = application.secrets[0]
        #expect(kept.salt.count == 16 && kept.hash.count == 32)
        #expect(secret.withUnsafeBytes { bytes in !Array(bytes).contains { $0 == UInt8(ascii: "=") } })
    }

    @Test("A wrong secret, an unknown client and nonsense are refused alike")
    func wrong() async {
        let wrong = SensitiveBytes("wrong".utf8)
        #expect(await ask(nil, wrong) == .refused)
        #expect(await ask(GUID(high: 9, low: 9).description) == .refused)
        #expect(await ask("nonsense") == .refused)
        #expect(await ask(nil, SensitiveBytes([UInt8]())) == .refused)
        #expect(await ask() == .client)
        // Also when the right one is in memory.
        #expect(await ask(nil, wrong) == .refused)
    }

    @Test("A disabled client is refused, and a secret in memory is forgotten with a reset")
    func disabled() async throws {
        #expect(await ask() == .client)
        var changed = application
        changed.isEnabled = false
        directory.reload(application.id, from: NoRecords(), committed: changed)
        #expect(await ask() == .refused)
        let (newSecret, stored) = try ClientAuthentication.makeSecret(engine: engine, now: now)
        changed = application
        changed.secrets = [stored]
        changed.tokenGeneration += 1
        directory.reload(application.id, from: NoRecords(), committed: changed)
        #expect(await ask() == .refused)
        #expect(await ask(nil, newSecret) == .client)
    }

    @Test("A client that is known by its secret is not locked out by the failed tries of others")
    func notLockedOut() async {
        #expect(await ask() == .client)
        for _ in 0..<12 { _ = await ask(nil, SensitiveBytes("wrong".utf8)) }
        #expect(await ask(nil, SensitiveBytes("wrong".utf8)) == .throttled)
        #expect(await ask() == .client)
    }

    @Test("Failed tries count the same for every spelling, and hold up a right secret that was never seen")
    func throttled() async {
        let wrong = SensitiveBytes("wrong".utf8)
        let id = application.id.description
        for number in 0..<10 { #expect(await ask(number.isMultiple(of: 2) ? id : id.uppercased(), wrong) == .refused) }
        #expect(await ask(id, wrong) == .throttled)
        #expect(await ask(id.uppercased()) == .throttled)
        #expect(await ask(at: now + .minutes(1)) == .client)
    }
}
