import Barrier
import Cryptography
package import Domain
import Keys
import Objects
package import Operations
import X509

/// What anyone may ask for, without a token, over plain HTTP as clients expect it: lists, certificates of authorities, status.
extension Authorities {
    /// - Returns: nil for a path that is none of these.
    package func document(_ request: PublicRequest, at now: Timestamp, on lane: Lane) throws(VaultError)
        -> PublicDocument?
    {
        guard request.path.count >= 3, let name = VaultName(request.path[1]), let vault = vaults(name) else {
            return nil
        }
        let table = AuthorityTable(vault)
        switch request.path[0] {
        case "crl" where request.path.count == 3 && request.isRead:
            guard let (id, isDelta) = Self.list(request.path[2]),
                let der = try lane.reader.record(at: table.listKey(id, isDelta: isDelta))
            else { return nil }
            return PublicDocument(type: "application/pkix-crl", body: der, maxAge: 300)
        case "ca" where request.path.count == 3 && request.isRead:
            guard let id = Self.identifier(request.path[2], suffix: ".cer"),
                let der = try lane.reader.record(at: table.certificateKey(id))
            else { return nil }
            return PublicDocument(type: "application/pkix-cert", body: der, maxAge: 86_400)
        case "ocsp":
            guard let id = Self.identifier(request.path[2], suffix: "") else { return nil }
            // RFC 6960 §A.1: the request as the body of a POST, or in base64 behind the address of a GET.
            let query: [UInt8]
            if request.isRead {
                guard let decoded = Base64.decode(request.path[3...].joined(separator: "/")) else {
                    return Self.refusal(.malformedRequest)
                }
                query = decoded
            } else {
                guard request.path.count == 3 else { return nil }
                query = request.body
            }
            return try status(query, id, table, now, lane)
        default: return nil
        }
    }

    private static func list(_ text: String) -> (id: String, isDelta: Bool)? {
        if let id = identifier(text, suffix: "-delta.crl") { return (id, true) }
        return identifier(text, suffix: ".crl").map { ($0, false) }
    }

    private static func identifier(_ text: String, suffix: String) -> String? {
        guard text.hasSuffix(suffix) else { return nil }
        return ObjectVersion(String(text.dropLast(suffix.count)))?.description
    }

    private static func refusal(_ refusal: OCSP.Refusal) -> PublicDocument {
        PublicDocument(type: "application/ocsp-response", body: refusal.der, maxAge: nil)
    }

    private func status(_ query: [UInt8], _ id: String, _ table: AuthorityTable, _ now: Timestamp, _ lane: Lane)
        throws(VaultError) -> PublicDocument
    {
        guard let asked = OCSP.certificateID(request: query) else { return Self.refusal(.malformedRequest) }
        guard let status = try table.status(id, asked.serialNumber, in: lane.reader),
            status.nextUpdate > now.epochSeconds
        else { return Self.refusal(.unauthorized) }
        guard try hashes(id, table, lane)[asked.hash]?.matches(asked) == true else {
            return Self.refusal(.unauthorized)
        }
        let left = status.nextUpdate - now.epochSeconds
        return PublicDocument(
            type: "application/ocsp-response", body: asked.hash == .sha1 ? status.sha1 : status.sha256,
            maxAge: Int(min(3_600, max(0, left))))
    }

    private func hashes(_ id: String, _ table: AuthorityTable, _ lane: Lane) throws(VaultError)
        -> [OCSP.Hash: IssuerHashes]
    {
        if let known = issuerHashes.find(table.vault.name, id) { return known }
        guard let der = try lane.reader.record(at: table.certificateKey(id)) else { return [:] }
        do throws(CryptoError) {
            let certificate = try Certificate(der: der, engine: engine)
            var found: [OCSP.Hash: IssuerHashes] = [:]
            for hash in OCSP.Hash.allCases {
                let (name, key) = try OCSP.issuerHashes(certificate, hash, engine: engine)
                found[hash] = IssuerHashes(name: name, key: key)
            }
            issuerHashes.keep(table.vault.name, id, found)
            return found
        } catch { throw VaultError(error) }
    }
}
