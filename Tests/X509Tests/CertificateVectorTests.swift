import Cryptography
import Domain
import Testing
import X509

/// Certificates of BoringSSL's parser tests.
struct CertificateVectorTests {
    private let engine = SigningKey.engine

    struct Vector: Sendable, CustomTestStringConvertible {
        let name: String
        let blocks: VectorBlocks
        /// What BoringSSL says against it; empty when it takes it. Warnings are left out.
        let errors: [Substring]
        var testDescription: String { name }
    }

    static let vectors = VectorFiles.names("pki/cert-parse").map { file in
        let blocks = VectorBlocks(file: "pki/cert-parse/" + file)
        let errors = blocks.first("ERRORS").map { String(decoding: $0, as: UTF8.self) } ?? ""
        return Vector(
            name: String(file.dropLast(4)), blocks: blocks,
            errors: errors.split(separator: "\n").filter { $0.hasPrefix("ERROR") })
    }

    static let certificates = vectors.filter { $0.blocks.first("CERTIFICATE") != nil }

    private static let notLooked = "libcrypto reads this extension when a chain is verified, not before: "
    private static let text = "libcrypto takes texts as they come: "

    static let divergences = [
        "cert_skeleton": "BoringSSL reads the three parts without looking into them; a certificate it is not",
        "signature_algorithm_null": "BoringSSL reads the three parts without looking into them",
        "extension_critical_0": "libcrypto takes a default value that is written out (BER, not DER)",
        "issuer_bad_printable_string": text + "a printable string with other characters",
        "name_constraints_bad_ip": notLooked + "name constraints with an address of a wrong length",
        "policy_constraints_empty": notLooked + "policy constraints that say nothing",
        "policy_qualifiers_empty_sequence": notLooked + "a policy with no qualifiers in their sequence",
        "subject_blank_subjectaltname_not_critical": "libcrypto does not ask for critical names where no subject is",
        "subject_not_ascii": text + "an IA5 string outside of ASCII",
        "subjectaltname_dns_not_ascii": text + "a DNS name outside of ASCII",
        "subjectaltname_trailing_data": "libcrypto does not look at what follows the names in their extension",
        "v1_explicit_version": "libcrypto takes a default value that is written out (BER, not DER)",
    ]

    @Test("Certificates are read or refused", arguments: certificates)
    func verdicts(_ vector: Vector) throws {
        let der = try #require(vector.blocks.first("CERTIFICATE"))
        var (isRead, words) = (false, vector.errors.joined(separator: "; "))
        do throws(CryptoError) {
            let certificate = try Certificate(der: der, engine: engine)
            isRead = true
            #expect(certificate.der == der)
        } catch { words += "\(error)" }
        expect(isRead, like: vector.errors.isEmpty, vector.name, unless: Self.divergences, words)
    }

    @Test("Parts of certificates are no certificates", arguments: vectors)
    func parts(_ vector: Vector) {
        for block in vector.blocks.blocks where block.label != "CERTIFICATE" {
            #expect(throws: CryptoError.self, "\(block.label)") { try Certificate(der: block.der, engine: engine) }
        }
    }

    @Test("Every difference belongs to a vector, and every file is looked at")
    func complete() {
        #expect(Self.vectors.count == 52)
        #expect(Self.vectors.allSatisfy { !$0.blocks.blocks.isEmpty })
        #expect(Self.certificates.count == 36)
        #expect(Set(Self.divergences.keys).isSubset(of: Set(Self.certificates.map(\.name))))
    }
}
