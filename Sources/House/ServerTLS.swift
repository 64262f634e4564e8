import Audit
import Barrier
package import Cryptography
import Domain
import FoundationEssentials
import HTTPServer
package import NIOSSL
import Operations
import Threads

/// The certificate authority and server certificate of a server that makes its own, kept behind the barrier.
package struct OwnCertificates: Sendable {
    package let authority: ServerCertificates.Issued
    package let server: ServerCertificates.Issued

    private struct Record: Codable {
        var format = 1
        let authority: String
        let authorityKey: String
        let server: String
        let serverKey: String
        let hosts: [String]
        let expires: Int64
    }

    private static let key = "tls/own"
    private static let serverLifetime: Duration = .days(397)
    private static let authorityLifetime: Duration = .days(3_650)

    /// What is stored, or made anew: the server's when its names changed or 30 days are left, the authority's when there is none.
    package static func current(_ house: House, hosts: [String], addresses: [String]) async throws -> OwnCertificates {
        let now = house.configuration.world.wall()
        let names = hosts + addresses
        let stored = try house.ownLane.reader.record(at: key).map { bytes in
            try JSONDecoder().decode(Record.self, from: Data(bytes))
        }
        let maker = ServerCertificates(house.engine)
        var authority: ServerCertificates.Issued
        if let stored {
            authority = .init(certificate: stored.authority, privateKey: SensitiveBytes(stored.authorityKey.utf8))
            if stored.hosts == names, Timestamp(epochSeconds: stored.expires) - now > .days(30) {
                return OwnCertificates(
                    authority: authority,
                    server: .init(certificate: stored.server, privateKey: SensitiveBytes(stored.serverKey.utf8)))
            }
        } else {
            authority = try maker.makeAuthority(
                commonName: "Strongroom CA \(house.instance.tenant.description.prefix(8))", from: now - .hours(1),
                to: now + authorityLifetime)
        }
        let expires = now + serverLifetime
        let server = try maker.makeServer(
            hosts: hosts, addresses: addresses, authority: authority, from: now - .hours(1), to: expires)
        func text(_ key: SensitiveBytes) -> String { key.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
        let record = Record(
            authority: authority.certificate, authorityKey: text(authority.privateKey), server: server.certificate,
            serverKey: text(server.privateKey), hosts: names, expires: expires.epochSeconds)
        let bytes = Array(try JSONEncoder().encode(record))
        var event = AuditEvent(
            time: now, operationName: "ServerCertificateCreate", status: 200,
            correlationID: house.ownLane.nextRequestID())
        event.principal = .system(tenant: house.instance.tenant)
        let recorded = event.encoded()
        try await house.committer.commit(waker: DirectWaker()) { transaction throws(VaultError) in
            try transaction.put(bytes, at: key, in: .system)
            return [recorded]
        }
        return OwnCertificates(authority: authority, server: server)
    }

    package func tlsContext() throws -> NIOSSLContext {
        try server.privateKey.withUnsafeBytes { bytes in
            try HTTPServer.tlsContext(
                certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(server.certificate.utf8)),
                privateKey: try NIOSSLPrivateKey(bytes: Array(bytes), format: .pem))
        }
    }
}
