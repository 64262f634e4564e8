package import Barrier
package import Domain
import FoundationEssentials
import Store

/// A client of the directory: what asks for tokens with a secret, by a certificate or by the token of another issuer, and holds roles by its
/// object id.
package struct Application: Sendable, Hashable {
    package enum Kind: String, Sendable, Codable {
        case application
        /// The identity of a machine or a program; it has no secret.
        case managedIdentity
    }

    package let kind: Kind
    package let id: GUID
    /// Of its service principal: what role assignments name.
    package let objectID: GUID
    package let displayName: String
    package var isEnabled: Bool
    package let created: Timestamp
    package var secrets: [ClientSecret]
    package var certificates: [ClientCertificate] = []
    package var federated: [FederatedCredential] = []
    /// Nil when nobody signs in through it.
    package var signIn: SignInSettings?
    /// Stands in every token; a token with an older number is refused. Moves when the secret is reset or a certificate is taken away.
    package var tokenGeneration: Int

    package init(
        id: GUID, objectID: GUID, displayName: String, created: Timestamp, secret: ClientSecret?,
        kind: Kind = .application
    ) {
        self.kind = kind
        self.id = id
        self.objectID = objectID
        self.displayName = displayName
        self.created = created
        isEnabled = true
        secrets = secret.map { [$0] } ?? []
        tokenGeneration = 1
    }
}

/// How people sign in through an application.
package struct SignInSettings: Sendable, Hashable, Codable {
    package static let mostAddresses = 20

    package let redirectAddresses: [String]
    package let isPublic: Bool

    package init(redirectAddresses: [String], isPublic: Bool) {
        (self.redirectAddresses, self.isPublic) = (redirectAddresses, isPublic)
    }
}

/// Whose tokens stand for an application: an issuer and a subject of it, together.
package struct FederatedCredential: Sendable, Hashable, Codable {
    /// What is asked of `aud` when nothing is said.
    package static let usualAudience = "api://AzureADTokenExchange"
    package static let most = 20

    package let id: GUID
    package let name: String
    package let issuer: String
    package let subject: String
    package let audiences: [String]
    package let description: String

    package init(id: GUID, name: String, issuer: String, subject: String, audiences: [String], description: String) {
        self.id = id
        self.name = name
        self.issuer = issuer
        self.subject = subject
        self.audiences = audiences
        self.description = description
    }
}

/// A client secret as it is kept: its scrypt hash.
package struct ClientSecret: Sendable, Hashable {
    package let salt: [UInt8]
    package let hash: [UInt8]
    package let created: Timestamp

    package init(salt: [UInt8], hash: [UInt8], created: Timestamp) {
        (self.salt, self.hash, self.created) = (salt, hash, created)
    }
}

/// The stored applications: one record each under `identity/application/<id>`.
package enum ApplicationTable {
    private static let prefix = "identity/application/"

    private struct Record: Codable {
        struct Secret: Codable {
            let salt: String
            let hash: String
            let created: Int64
        }

        struct Certificate: Codable {
            let thumbprint: String
            let thumbprint256: String
            let subject: String
            let notBefore: Int64
            let notAfter: Int64
            let modulus: String
            let exponent: String

            init(_ certificate: ClientCertificate) {
                thumbprint = Base64.encode(certificate.thumbprint)
                thumbprint256 = Base64.encode(certificate.thumbprint256)
                subject = certificate.subject
                notBefore = certificate.notBefore.nanoseconds
                notAfter = certificate.notAfter.nanoseconds
                modulus = Base64.encode(certificate.modulus)
                exponent = Base64.encode(certificate.exponent)
            }

            var value: ClientCertificate? {
                guard let thumbprint = Base64.decode(thumbprint), let thumbprint256 = Base64.decode(thumbprint256),
                    let modulus = Base64.decode(modulus), let exponent = Base64.decode(exponent)
                else { return nil }
                return ClientCertificate(
                    thumbprint: thumbprint, thumbprint256: thumbprint256, subject: subject,
                    notBefore: Timestamp(nanoseconds: notBefore), notAfter: Timestamp(nanoseconds: notAfter),
                    modulus: modulus, exponent: exponent)
            }
        }

        var format = 1
        let id: GUID
        let objectID: GUID
        let displayName: String
        let isEnabled: Bool
        let created: Int64
        let secrets: [Secret]
        let tokenGeneration: Int
        /// Absent for none.
        let certificates: [Certificate]?
        /// Absent for none.
        let federated: [FederatedCredential]?
        /// Absent for an application.
        let kind: Application.Kind?
        /// Absent for none.
        let signIn: SignInSettings?
    }

    private static func key(_ id: GUID) -> String { prefix + id.description }

    package static func application(_ id: GUID, in reader: any RecordReader) throws(VaultError) -> Application? {
        guard let bytes = try reader.record(at: key(id)) else { return nil }
        return try decode(bytes, at: key(id))
    }

    package static func all(in reader: any RecordReader) throws(VaultError) -> [Application] {
        var applications: [Application] = []
        var after = prefix
        while true {
            let entries = try reader.records(in: KeyRange(prefix: prefix, after: after), limit: 1_000)
            guard let last = entries.last else { return applications }
            for entry in entries { applications.append(try decode(entry.value, at: entry.key)) }
            after = last.key
        }
    }

    package static func put(_ application: Application, in transaction: Transaction) throws(VaultError) {
        let record = Record(
            id: application.id, objectID: application.objectID, displayName: application.displayName,
            isEnabled: application.isEnabled, created: application.created.nanoseconds,
            secrets: application.secrets.map {
                .init(salt: Base64.encode($0.salt), hash: Base64.encode($0.hash), created: $0.created.nanoseconds)
            }, tokenGeneration: application.tokenGeneration,
            certificates: application.certificates.isEmpty ? nil : application.certificates.map { .init($0) },
            federated: application.federated.isEmpty ? nil : application.federated,
            kind: application.kind == .application ? nil : application.kind, signIn: application.signIn)
        guard let bytes = try? JSONEncoder().encode(record) else {
            throw .internal("an application could not be encoded")
        }
        try transaction.put(Array(bytes), at: key(application.id), in: .system)
    }

    package static func remove(_ id: GUID, in transaction: Transaction) throws(VaultError) {
        try transaction.remove(key(id))
    }

    private static func decode(_ bytes: [UInt8], at key: String) throws(VaultError) -> Application {
        guard let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)), record.format == 1 else {
            throw .integrity(record: key)
        }
        var secrets: [ClientSecret] = []
        for secret in record.secrets {
            guard let salt = Base64.decode(secret.salt), let hash = Base64.decode(secret.hash) else {
                throw .integrity(record: key)
            }
            secrets.append(ClientSecret(salt: salt, hash: hash, created: Timestamp(nanoseconds: secret.created)))
        }
        var application = Application(
            id: record.id, objectID: record.objectID, displayName: record.displayName,
            created: Timestamp(nanoseconds: record.created), secret: nil, kind: record.kind ?? .application)
        application.secrets = secrets
        application.federated = record.federated ?? []
        application.signIn = record.signIn
        for stored in record.certificates ?? [] {
            guard let certificate = stored.value else { throw .integrity(record: key) }
            application.certificates.append(certificate)
        }
        application.isEnabled = record.isEnabled
        application.tokenGeneration = record.tokenGeneration
        return application
    }
}
