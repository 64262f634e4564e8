import Cryptography
import Domain
import Testing
import X509

/// Chains of x509-limbo.
struct CertificateChainLimboTests {
    private let engine: CryptoEngine

    init() throws { engine = try CryptoEngine() }

    struct File: Decodable { let testcases: [Vector] }

    struct Vector: Decodable, Sendable, CustomTestStringConvertible {
        struct Peer: Decodable, Sendable { let kind, value: String }
        let id, validation_kind, expected_result: String
        let trusted_certs, untrusted_intermediates, crls: [String]
        let peer_certificate: String
        let validation_time: String?
        let expected_peer_name: Peer?
        var testDescription: String { id }
    }

    static let vectors = VectorFiles.json("pki/limbo/limbo.part1.json", as: File.self).testcases

    static let divergences = webDivergences.merging(ownDivergences) { $1 }

    private static let lenient = "libcrypto asks for no more than the chain needs, unless it is told to be strict: "

    private static let ownDivergences = [
        "pathlen::validation-ignores-pathlen-in-leaf":
            "the leaf is an authority whose key usage is signing certificates: libcrypto refuses it as a server",
        "rfc5280::aki::intermediate-missing-aki": lenient + "an intermediate may lack the authority's key identifier",
        "rfc5280::nc::invalid-dnsname-leading-period": "libcrypto takes a leading period for 'and all below'",
        "rfc5280::nc::nc-forbids-dnsname-wildcard-san":
            "libcrypto compares a wildcard with an excluded name as a text, not as all names that it stands for",
        "rfc5280::nc::nc-permits-invalid-dns-san": "libcrypto does not ask whether a name of a leaf is well formed",
        "rfc5280::nc::not-allowed-in-ee-noncritical": lenient + "a leaf may hold name constraints that bind nobody",
        "rfc5280::root-missing-basic-constraints": lenient + "a root that one trusts may lack basic constraints",
        "rfc5280::san::ip-in-dns":
            "the verification knows no addresses as peers, and an address as a DNS name is a name as any other",
        "rfc5280::san::noncritical-with-empty-subject": lenient
            + "the names of a leaf without subject need not be critical",
        "rfc5280::serial::negative": lenient + "a serial number may be negative",
        "rfc5280::serial::zero": lenient + "a serial number may be zero",
        "rfc5280::ski::intermediate-missing-ski": lenient + "an intermediate may lack the identifier of its key",
        "rfc5280::validity::notafter-exact":
            "libcrypto takes a certificate as expired in the very second of notAfter, RFC 5280 only after it",
    ]

    private static let forWeb = "a rule of the CA/Browser Forum for public authorities, not for private ones: "

    private static let webDivergences = [
        "webpki::cn::case-mismatch": forWeb + "the common name is a copy of an alternative name",
        "webpki::cn::ipv4-leading-zeros-mismatch": forWeb + "the common name is a copy of an alternative name",
        "webpki::cn::ipv6-uncompressed-mismatch": forWeb + "the common name is a copy of an alternative name",
        "webpki::cn::not-in-san": forWeb + "the common name is a copy of an alternative name",
        "webpki::cn::utf8-vs-punycode-mismatch": forWeb + "the common name is a copy of an alternative name",
        "webpki::eku::ee-anyeku": forWeb + "no leaf is for every purpose",
        "webpki::eku::ee-without-eku": forWeb + "every leaf says its purpose",
        "webpki::forbidden-dsa-root": forWeb + "no keys of DSA",
        "webpki::forbidden-p192-root": forWeb + "no keys on P-192",
        "webpki::forbidden-rsa-not-divisible-by-8-in-root": forWeb + "the length of a modulus is divisible by 8",
        "webpki::forbidden-weak-rsa-key-in-root": forWeb + "no keys of less than 2048 bits",
        "webpki::nc::intermediate-permitted-excluded-subtrees-both-empty-sequences":
            forWeb + "name constraints are not empty",
        "webpki::san::public-suffix-multi-label-wildcard-san": forWeb + "no wildcard below a public suffix",
    ]

    private func verify(_ vector: Vector) throws -> (holds: Bool, words: String) {
        func read(_ texts: [String]) throws -> [Certificate] {
            try texts.flatMap { VectorBlocks($0).all("CERTIFICATE") }.map { try Certificate(der: $0, engine: engine) }
        }
        let leaf = try #require(try read([vector.peer_certificate]).first)
        let anchors = try read(vector.trusted_certs)
        let time = vector.validation_time ?? "2026-09-01T00:00:00+00:00"
        let verdict = try CertificateChain(
            anchors: anchors, intermediates: try read(vector.untrusted_intermediates), engine: engine
        ).verify(
            leaf, at: try #require(Timestamp(iso8601: time.prefix(19) + "Z")),
            purpose: vector.validation_kind == "SERVER" ? .tlsServer : .tlsClient,
            lists: vector.crls.flatMap { VectorBlocks($0).all("X509 CRL") },
            host: vector.expected_peer_name.flatMap { $0.kind == "DNS" ? $0.value : nil },
            allowsPartial: anchors.allSatisfy { $0.subject != $0.issuer })
        return (verdict.holds, verdict.text)
    }

    @Test("A chain holds or not", arguments: vectors)
    func verifies(_ vector: Vector) {
        var (holds, words) = (false, "")
        do { (holds, words) = try verify(vector) } catch { words = "\(error)" }
        expect(holds, like: vector.expected_result == "SUCCESS", vector.id, unless: Self.divergences, words)
    }

    @Test("Every difference belongs to a vector")
    func complete() {
        #expect(Self.vectors.count == 97)
        #expect(Set(Self.divergences.keys).isSubset(of: Set(Self.vectors.map(\.id))))
    }
}
