import Domain
import Synchronization
import X509

/// By which hashes requests name an authority.
struct IssuerHashes: Sendable {
    let name: [UInt8]
    let key: [UInt8]

    func matches(_ asked: OCSP.CertificateID) -> Bool { asked.issuerNameHash == name && asked.issuerKeyHash == key }
}

/// The hashes of the authorities that were asked about; a generation's certificate never changes.
final class IssuerHashCache: Sendable {
    private let known = Mutex<[String: [OCSP.Hash: IssuerHashes]]>([:])

    func find(_ vault: VaultName, _ id: String) -> [OCSP.Hash: IssuerHashes]? {
        known.withLock { $0["\(vault)/\(id)"] }
    }

    func keep(_ vault: VaultName, _ id: String, _ hashes: [OCSP.Hash: IssuerHashes]) {
        known.withLock { known in
            if known.count >= 1_024 { known.removeAll() }
            known["\(vault)/\(id)"] = hashes
        }
    }
}
