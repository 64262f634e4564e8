import Cryptography
import Domain
import Testing
import X509

/// Chains of NIST's PKITS, each with the certificates and lists of the authorities above it.
struct CertificateChainPKITSTests {
    struct Vector: Sendable, CustomTestStringConvertible {
        let name: String
        let isValid: Bool
        var testDescription: String { name }
    }

    static let vectors = VectorFiles.names("pki/nist-pkits/certs").filter { $0.hasSuffix("EE.crt") }.map { file in
        let name = String(file.dropLast(6))
        return Vector(name: name, isValid: !name.hasPrefix("Invalid") && !refused.contains(name))
    }

    /// Sections 4.8.4 to 4.8.12: these policies leave none that is valid, though the name does not say so.
    static let refused: Set = [
        "DifferentPoliciesTest4", "DifferentPoliciesTest7", "DifferentPoliciesTest9", "DifferentPoliciesTest12",
    ]

    static let divergences = [
        "ValidDSAParameterInheritanceTest5": "libcrypto 3 reads no key of DSA whose parameters are its issuer's"
    ]

    private static let authorities = Authorities()

    /// All authorities of the collection: each test takes those that its chain names.
    private struct Authorities: Sendable {
        let engine: CryptoEngine
        let certificates: [Certificate]
        let lists: [RevocationList]
        let anchor: Certificate

        init() {
            let engine = try! CryptoEngine()
            func certificate(_ file: String) -> Certificate {
                try! Certificate(der: VectorFiles.bytes("pki/nist-pkits/certs/" + file), engine: engine)
            }
            certificates = VectorFiles.names("pki/nist-pkits/certs")
                .filter { !$0.hasSuffix("EE.crt") && !$0.hasPrefix("TrustAnchor") }
                .compactMap { try? Certificate(der: VectorFiles.bytes("pki/nist-pkits/certs/" + $0), engine: engine) }
            lists = VectorFiles.names("pki/nist-pkits/crls").compactMap {
                try? RevocationList(der: VectorFiles.bytes("pki/nist-pkits/crls/" + $0), engine: engine)
            }
            anchor = certificate("TrustAnchorRootCertificate.crt")
            self.engine = engine
        }

        /// Names are compared without case and blanks, more roughly than RFC 5280 §7.1 does: this only chooses.
        private static func key(_ name: String) -> String {
            name.lowercased().filter { $0 != " " && $0 != "\\" }
        }

        func above(_ leaf: Certificate) -> (certificates: [Certificate], lists: [[UInt8]]) {
            var names: Set = [Self.key(leaf.issuer)]
            var chosen: [Certificate] = []
            var isGrowing = true
            while isGrowing {
                chosen = certificates.filter { certificate in
                    names.contains(Self.key(certificate.subject))
                        // Lists of one authority may be signed by another.
                        || names.contains { $0.contains("indirectcrl") } && certificate.subject.contains("indirectCRL")
                }
                let more = names.union(chosen.flatMap { [Self.key($0.issuer), Self.key($0.subject)] })
                isGrowing = more.count > names.count
                names = more
            }
            return (chosen, lists.filter { names.contains(Self.key($0.issuer)) }.map(\.der))
        }
    }

    private func verify(_ vector: Vector) throws -> (holds: Bool, words: String) {
        let all = Self.authorities
        let leaf = try Certificate(
            der: VectorFiles.bytes("pki/nist-pkits/certs/\(vector.name)EE.crt"), engine: all.engine)
        let (certificates, lists) = all.above(leaf)
        let verdict = try CertificateChain(
            anchors: [all.anchor], intermediates: certificates, engine: all.engine
        ).verify(leaf, at: Timestamp(utcTime: "200101000000Z"), lists: lists)
        return (verdict.holds, verdict.text)
    }

    @Test("A chain holds or not", arguments: vectors)
    func verifies(_ vector: Vector) {
        var (holds, words) = (false, "")
        do { (holds, words) = try verify(vector) } catch { words = "\(error)" }
        expect(holds, like: vector.isValid, vector.name, unless: Self.divergences, words)
    }

    @Test("Every difference belongs to a vector")
    func complete() {
        #expect(Self.vectors.count == 112)
        #expect(Set(Self.divergences.keys).union(Self.refused).isSubset(of: Set(Self.vectors.map(\.name))))
    }
}
