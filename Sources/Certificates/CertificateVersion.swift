import Cryptography
package import Domain
import FoundationEssentials
package import Objects
import Operations
import X509

/// What is particular to a version of a certificate: the payload of its record.
package struct CertificateVersion: Sendable {
    /// DER.
    package let der: [UInt8]
    /// DER, in the order kept.
    package let chain: [[UInt8]]
    /// SHA-1 of the DER, for clients.
    package let thumbprint: [UInt8]
    package let subject: String
    /// Whether who brought the chain asked for its order to stay.
    let keepsOrder: Bool

    private static let format: UInt8 = 1
    private static let orderedFormat: UInt8 = 2

    init(_ certificate: Certificate, chain: [Certificate], keepsOrder: Bool, engine: CryptoEngine) throws(CryptoError) {
        self.keepsOrder = keepsOrder
        der = certificate.der
        self.chain = chain.map(\.der)
        thumbprint = try engine.sha1(certificate.der)
        subject = certificate.subject
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(reserving: der.count + 256)
        writer.byte(keepsOrder ? Self.orderedFormat : Self.format)
        writer.blob(der)
        writer.integer(UInt16(chain.count))
        for certificate in chain { writer.blob(certificate) }
        writer.blob(thumbprint)
        writer.string(subject)
        return writer.bytes
    }

    package init(_ record: ObjectRecord) throws(VaultError) {
        guard let version = Self(payload: record.payload) else {
            throw .integrity(record: "certificate version \(record.version)")
        }
        self = version
    }

    private init?(payload: [UInt8]) {
        var reader = ByteReader(payload)
        guard let format = reader.byte(), format == Self.format || format == Self.orderedFormat,
            let der = reader.blob(), let count = reader.integer(UInt16.self)
        else {
            return nil
        }
        keepsOrder = format == Self.orderedFormat
        self.der = Array(der)
        var chain: [[UInt8]] = []
        for _ in 0..<count {
            guard let certificate = reader.blob() else { return nil }
            chain.append(Array(certificate))
        }
        self.chain = chain
        guard let thumbprint = reader.blob(), let subject = reader.string(), reader.isAtEnd else { return nil }
        self.thumbprint = Array(thumbprint)
        self.subject = subject
    }
}

/// A certificate that is being made.
struct PendingCertificate: Codable, Sendable {
    enum Status: String, Codable, Sendable { case inProgress, completed, cancelled, failed }

    var status: Status
    let requestID: GUID
    /// DER.
    @Base64Coded var request: [UInt8]
    let issuer: String
    var issuerType: String?
    /// What the finished certificate, its key and its secret will have.
    let version: GUID
    /// The payload of the key's record.
    @Base64Coded var key: [UInt8]
    /// The key is that of the version before.
    let reusesKey: Bool
    let isEnabled: Bool
    let tagNames: [String]
    let tagValues: [String]
    let keepsOrder: Bool
    /// The name as it was first spelled; absent in what was written before it was kept.
    var spelling: String?
    var cancellationRequested = false
    var errorCode: String?
    var errorMessage: String?
    /// What the connector of the issuer remembers from one step to the next.
    @Base64Coded var connectorState: [UInt8]?
    /// How things stand at the issuer, in words; nil for the usual ones.
    var statusDetails: String?
    /// Begun by the server itself; nil for no.
    var isRenewal: Bool?
    /// Seconds since 1970; absent in what was written before it was kept.
    var created: Int64?
    /// One that the connector serves; absent where there is none, and in what was written before it was kept.
    var provider: String?
    /// The issuer is a server that is not ours; nil for no.
    var isElsewhere: Bool?

    func encoded() throws(VaultError) -> [UInt8] {
        guard let bytes = try? JSONEncoder().encode(self) else {
            throw .internal("a pending certificate could not be encoded")
        }
        return [1] + Array(bytes)
    }

    /// - Parameter name: the same in whatever spelling.
    func shownName(_ name: ObjectName) -> ObjectName { spelling.flatMap { ObjectName($0) } ?? name }

    var tags: [ObjectRecord.Tag] { zip(tagNames, tagValues).map { ObjectRecord.Tag(name: $0, value: $1) } }

    func write(name: ObjectName, vault: Vault, to writer: inout JSONWriter, _ version: APIVersion) {
        let base = vault.url(of: "certificates") + shownName(name).spelling
        writer.member("id", base + "/pending")
        writer.object("issuer") { issuer in
            issuer.member("name", self.issuer)
            if let issuerType { issuer.member("cty", issuerType) }
        }
        writer.member("csr", Base64.encode(request))
        writer.member("cancellation_requested", cancellationRequested)
        writer.member("status", status.rawValue)
        if status == .inProgress {
            writer.member(
                "status_details",
                statusDetails
                    ?? "Pending certificate created. Certificate request is in progress. This may take some time based on the issuer provider. "
                    + "Please check again later.")
        }
        if status == .completed { writer.member("target", base) }
        if let errorCode {
            writer.object("error") { error in
                error.member("code", errorCode)
                error.member("message", errorMessage ?? "")
            }
        }
        if version >= .v7_6preview2 { writer.member("preserveCertOrder", keepsOrder) }
        writer.member("request_id", ObjectVersion(requestID).description)
    }
}
