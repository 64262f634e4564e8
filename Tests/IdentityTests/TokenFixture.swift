import Cryptography
import Domain
import Identity
import StrongroomTesting

/// One signing key, one client, and tokens as anybody could make them.
struct TokenFixture {
    static let suffix = "localhost:8443"
    static let tenant = GUID(high: 0xAAAA, low: 0xBBBB)
    static let clientID = GUID(high: 1, low: 2)
    static let objectID = GUID(high: 3, low: 4)
    static let now = TestClock.start

    /// Making RSA keys takes longest of all: two for all tests.
    private static let material: (engine: CryptoEngine, key: SigningKey, other: SigningKey) = {
        let engine = try! CryptoEngine()
        return (engine, try! SigningKey.make(engine: engine, now: now), try! SigningKey.make(engine: engine, now: now))
    }()

    let engine = Self.material.engine
    let key = Self.material.key
    /// A key that is not among ours.
    let strange = Self.material.other
    let authority = Authority(tenant: Self.tenant, suffix: Self.suffix)
    let keys: SigningKeys
    let directory: Directory

    init() {
        keys = SigningKeys([Self.material.key])
        directory = Directory([Self.application()])
    }

    static func application(isEnabled: Bool = true, generation: Int = 1, objectID: GUID = Self.objectID) -> Application
    {
        var application = Application(
            id: clientID, objectID: objectID, displayName: "client", created: now,
            secret: ClientSecret(salt: [1], hash: [2], created: now))
        application.isEnabled = isEnabled
        application.tokenGeneration = generation
        return application
    }

    func verifier() throws -> TokenVerifier {
        try TokenVerifier(authority: authority, keys: keys, directory: directory, engine: engine)
    }

    // MARK: Tokens

    static let header = ["typ": #""JWT""#, "alg": #""RS256""#]

    static func claims(_ authority: Authority, at now: Timestamp = now) -> [String: String] {
        [
            "aud": #""https://vault.localhost:8443""#, "iss": "\"\(authority.issuer)\"", "iat": "\(now.epochSeconds)",
            "nbf": "\(now.epochSeconds)",
            "exp": "\(now.epochSeconds + 3_600)", "appid": "\"\(clientID)\"", "idtyp": #""app""#,
            "oid": "\"\(objectID)\"",
            "tid": "\"\(tenant)\"", "strongroom_gen": "1",
        ]
    }

    /// A token of these members, values as JSON; a nil value leaves the member out.
    func token(
        header changes: [String: String?] = [:], claims claimChanges: [String: String?] = [:],
        signedBy signer: SigningKey? = nil
    ) throws -> String {
        var header = Self.header
        header["kid"] = "\"\(key.keyID)\""
        for (name, value) in changes { header[name] = value }
        var claims = Self.claims(authority)
        for (name, value) in claimChanges { claims[name] = value }
        return try signed(Self.json(header), Self.json(claims), by: signer)
    }

    func signed(_ header: String, _ claims: String, by signer: SigningKey? = nil) throws -> String {
        let text = Base64.encodeURL(Array(header.utf8)) + "." + Base64.encodeURL(Array(claims.utf8))
        return text + "." + Base64.encodeURL(try (signer ?? key).key.signSHA256(Array(text.utf8)))
    }

    static func json(_ members: [String: String]) -> String {
        "{" + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
    }
}
