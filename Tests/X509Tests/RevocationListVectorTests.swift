import Cryptography
import Domain
import Testing
import X509

/// Lists of BoringSSL's tests, in March 2017.
///
/// The issuers in them are intermediates whose root is not told: here a root of our own certifies their names and keys.
struct RevocationListVectorTests {
    private let engine = SigningKey.engine
    private let now = Timestamp(utcTime: "170309000000Z")

    static let vectors = VectorFiles.names("pki/crl")

    static let divergences = [
        "bad_crldp_has_crlissuer.pem":
            "the leaf names another issuer of lists; libcrypto takes the authority's own complete list all the same",
        "bad_idp_indirectcrl.pem": "BoringSSL knows no indirect lists; this one is the issuer's and says nothing",
        "bad_thisupdate_too_old.pem": "BoringSSL's caller bounds the age of a list, libcrypto looks at nextUpdate",
        "good_idp_uri_and_onlycontainscacerts.pem":
            "issuer and subject have one name and no key identifiers: libcrypto takes the leaf for self-signed",
        "good_key_rollover.pem": rollover,
        "invalid_idp_empty_sequence.pem": "libcrypto takes an empty issuing distribution point as one without bounds",
        "invalid_idp_onlycontainsusercerts_v1_leaf.pem": "libcrypto takes a leaf of version 1 for a user's",
        "invalid_revoked_empty_sequence.pem": "libcrypto takes an empty list of entries, which ought to be left out",
        "invalid_v3.pem": "libcrypto takes a list of version 3, which there is not",
    ]

    private static let rollover =
        "the issuer has two keys and the list no key identifier: libcrypto tries one of them only"

    @Test("A list covers the leaf, revokes it, or does not count", arguments: vectors)
    func verdicts(_ file: String) throws {
        let blocks = VectorBlocks(file: "pki/crl/" + file)
        let leaf = try Certificate(der: try #require(blocks.first("CERTIFICATE")), engine: engine)
        let root = try Authority(root: "Test CA", from: Timestamp(utcTime: "160101000000Z"))
        let issuers = try (blocks.all("CA CERTIFICATE") + blocks.all("CA CERTIFICATE 2")).enumerated().map {
            try certified(try Certificate(der: $1, engine: engine), by: root, serialNumber: [UInt8($0) + 10])
        }
        let ours = try root.list(thisUpdate: now - .days(1), nextUpdate: now + .days(1))
        let theirs = try #require(blocks.first("CRL"))
        var (code, words) = (Int32(-1), "")
        do throws(CryptoError) {
            let verdict = try CertificateChain(
                anchors: [root.certificate], intermediates: issuers, engine: engine
            ).verify(leaf, at: now, lists: [theirs, ours])
            (code, words) = (verdict.code, verdict.text)
        } catch { words = "\(error)" }
        expect(code == 0, like: file.hasPrefix("good"), file, unless: Self.divergences, words)
        // X509_V_ERR_CERT_REVOKED; where the issuer has two keys it is X509_V_ERR_CRL_SIGNATURE_FAILURE, see above.
        if file.hasPrefix("revoked") { #expect(code == (file.contains("rollover") ? 8 : 23), "\(words)") }
    }

    private func certified(_ issuer: Certificate, by root: Authority, serialNumber: [UInt8]) throws -> Certificate {
        var content = CertificateContent(subject: issuer.subject)
        content.isAuthority = true
        // KU_KEY_CERT_SIGN, KU_CRL_SIGN
        let bits = issuer.keyUsage ?? 0
        content.keyUsage = (bits & 4 != 0 ? ["keyCertSign"] : []) + (bits & 2 != 0 ? ["cRLSign"] : [])
        return try root.issue(content, to: try #require(issuer.publicKey), serialNumber: serialNumber)
    }

    @Test("Every difference belongs to a vector")
    func complete() {
        #expect(Self.vectors.count == 33)
        #expect(Set(Self.divergences.keys).isSubset(of: Set(Self.vectors)))
    }
}
