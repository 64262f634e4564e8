package import Cryptography
package import Domain
package import Identity
package import Operations
package import ProviderOpenSSL
package import Threads
package import WebTokens

/// The embedded token service on the `login.` host: discovery, keys, tokens for clients, and the pages where people sign in.
///
/// - Source: OpenID Connect Discovery 1.0, RFC 6749 §4.4, RFC 7517, RFC 7523; the shapes of Microsoft Entra ID where clients rely on them.
package struct Login: Sendable {
    let authority: Authority
    let keys: SigningKeys
    let issuer: TokenIssuer
    let clients: ClientAuthentication
    let pool: WorkPool
    let engine: CryptoEngine
    let directory: Directory
    let people: UserAuthentication
    let refreshTokens: RefreshTokens
    let polls = DevicePolls()
    let provider: OpenSSLProvider
    /// Whose tokens may stand for clients.
    let issuers: TrustedIssuers
    let log: @Sendable (String) -> Void

    /// - Parameter operationKey: signs what the server hands out to be shown to it again.
    package init(
        authority: Authority, keys: SigningKeys, clients: ClientAuthentication, directory: Directory, pool: WorkPool,
        engine: CryptoEngine, provider: OpenSSLProvider, issuers: TrustedIssuers, operationKey: SensitiveBytes,
        log: @escaping @Sendable (String) -> Void
    ) throws(CryptoError) {
        people = try UserAuthentication(directory: directory, engine: engine, pool: pool)
        refreshTokens = try RefreshTokens(key: operationKey, engine: engine)
        self.log = log
        self.issuers = issuers
        self.engine = engine
        self.directory = directory
        self.provider = provider
        self.authority = authority
        self.keys = keys
        self.clients = clients
        self.pool = pool
        issuer = TokenIssuer(authority: authority, keys: keys)
    }

    package var operations: [any AnyOperation] {
        signInOperations + deviceOperations + [
            Operation(
                "OpenIDConfigurationGet", .get, on: .login, "/{tenant}/v2.0/.well-known/openid-configuration",
                "/{tenant}/.well-known/openid-configuration", requires: .nothing, run: configuration),
            Operation(
                "SigningKeysGet", .get, on: .login, "/{tenant}/discovery/v2.0/keys", "/{tenant}/discovery/keys",
                requires: .nothing,
                run: signingKeys),
            Operation(
                "InstanceDiscoveryGet", .get, on: .login, "/{tenant}/discovery/instance", requires: .nothing,
                run: instance),
            Operation(
                "TokenIssue", .post, on: .login, "/{tenant}/oauth2/v2.0/token", "/{tenant}/oauth2/token",
                requires: .nothing,
                bodyLimit: 64 << 10, run: token),
            Operation(scheduled: "SigningKeyRotate", requires: .barrierRotate, run: rotateSigningKey),
            Operation(scheduled: "SessionExpire", requires: .usersWrite, run: expireSession),
        ]
    }

    /// Whether a path's tenant is ours; `common` and `organizations` stand for it.
    func knows(tenant: String) -> Bool {
        GUID(tenant) == authority.tenant || ["common", "organizations"].contains(tenant.lowercased())
    }
}
