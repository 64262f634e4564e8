import Cryptography
import Domain
import Testing
import X509

/// Chains of BoringSSL's tests: what is trusted, the time, the purpose, and what is wrong with them.
struct CertificateChainVectorTests {
    private let engine: CryptoEngine

    init() throws { engine = try CryptoEngine() }

    struct Vector: Sendable, CustomTestStringConvertible {
        let name: String
        let chain, trust, time, purpose: String
        /// Warnings are left out: they stop nobody.
        let errors: [String]
        var testDescription: String { name }

        init(folder: String, file: String) {
            name = "\(folder)/\(file.dropLast(5))"
            var values: [String: String] = [:]
            var errors: [String] = []
            for line in VectorFiles.text("pki/chains/\(folder)/\(file)").split(whereSeparator: \.isNewline) {
                if line.hasPrefix("ERROR: ") {
                    errors.append(String(line.dropFirst(7)))
                } else if let colon = line.firstIndex(of: ":") {
                    values[String(line[..<colon])] = String(line[colon...].dropFirst(2))
                }
            }
            chain = "pki/chains/\(folder)/\(values["chain"]!)"
            (trust, time, purpose) = (values["last_cert_trust"]!, values["utc_time"]!, values["key_purpose"]!)
            self.errors = errors
        }
    }

    static let vectors = VectorFiles.names("pki/chains").flatMap { folder in
        VectorFiles.names("pki/chains/" + folder).filter { $0.hasSuffix(".test") }
            .map { Vector(folder: folder, file: $0) }
    }

    static let divergences = [
        "expired-root/not-after": expired, "expired-root/not-after-ta-with-constraints": expired,
        "expired-root/not-before": expired,
        "intermediate-eku-any-and-clientauth/serverauth": anyPurpose,
        "intermediate-eku-any-and-clientauth/serverauth-strict-leaf": anyPurpose,
        "intermediate-eku-c2patimestamping/c2pamanifest": otherPurpose,
        "intermediate-eku-mlsclientauth/mlsclientauth": otherPurpose,
        "intermediate-eku-server-gated-crypto/sha1-eku-serverAuth": gated,
        "intermediate-eku-server-gated-crypto/sha1-eku-serverAuth-strict": gated,
        "intermediate-eku-server-gated-crypto/sha256-eku-serverAuth": gated,
        "intermediate-eku-server-gated-crypto/sha256-eku-serverAuth-strict": gated,
        "intermediate-signed-with-sha1/main": weak,
        "many-names/ok-all-types": "libcrypto's bound on the work for name constraints is lower",
        "policies-required-by-root-fail/ta-with-constraints": "libcrypto takes no policies from an anchor",
        "policy-mappings-on-root-fail/ta-with-constraints": "libcrypto takes no policies from an anchor",
        "root-basic-constraints-ca-false/main": "an anchor must be an authority, where BoringSSL asks for its key only",
        "root-lacks-basic-constraints/ta-with-constraints-require-basic-constraints": lenientRoot,
        "target-eku-clientauth/clientauth-strict": strict, "target-eku-none/clientauth-strict": strict,
        "target-eku-none/clientauth-strict-leaf": strict, "target-eku-none/mlsclientauth": otherPurpose,
        "target-eku-none/serverauth-strict": strict, "target-has-ca-basic-constraints/strict": strict,
        "target-signed-by-512bit-rsa/main": weak, "target-signed-with-sha1/main": weak,
        "unknown-critical-policy-qualifier/main": "libcrypto looks at no qualifiers of policies",
    ]

    private static let expired = "an anchor out of its time ends no chain, where BoringSSL asks for its key only"
    private static let anyPurpose =
        "libcrypto asks each intermediate that names purposes for this one; anyExtendedKeyUsage is none of them"
    private static let otherPurpose = "a purpose that the verification does not know: any is asked for in its place"
    private static let gated =
        "libcrypto takes the server-gated cryptography of the nineties as purpose of an authority"
    private static let weak = "the verification has no lower bound for hashes and keys above the leaf"
    private static let lenientRoot = "a root of version 3 without basic constraints is an authority to libcrypto"
    private static let strict = "libcrypto does not ask for purposes to be named, nor that an authority be no leaf"

    private func verify(_ vector: Vector) throws -> (holds: Bool, words: String) {
        let chain = try VectorBlocks(file: vector.chain).all("CERTIFICATE")
            .map { try Certificate(der: $0, engine: engine) }
        let last = try #require(chain.last)
        let isSelfIssued = last.subject == last.issuer
        // A certificate that is trusted as a leaf is an anchor of its own chain and of no other.
        let (isAnchor, allowsPartial) =
            switch vector.trust {
            case "TRUSTED_LEAF": (chain.count == 1, true)
            case "TRUSTED_ANCHOR_OR_LEAF": (true, true)
            case "TRUSTED_LEAF_REQUIRE_SELF_SIGNED": (chain.count == 1, false)
            case "DISTRUSTED", "UNSPECIFIED": (false, false)
            default: (true, chain.count > 1 && !isSelfIssued)
            }
        let purpose: CertificateChain.Purpose =
            vector.purpose.hasPrefix("SERVER_AUTH")
            ? .tlsServer : vector.purpose.hasPrefix("CLIENT_AUTH") ? .tlsClient : .any
        let verdict = try CertificateChain(
            anchors: isAnchor ? [last] : [], intermediates: Array(chain.dropFirst()), engine: engine
        ).verify(
            chain[0], at: Timestamp(utcTime: vector.time == "DEFAULT" ? "211005120000Z" : vector.time),
            purpose: purpose, allowsPartial: allowsPartial)
        return (verdict.holds, verdict.text)
    }

    @Test("A chain holds or not", arguments: vectors)
    func verifies(_ vector: Vector) {
        var (holds, words) = (false, "")
        do { (holds, words) = try verify(vector) } catch { words = "\(error)" }
        expect(holds, like: vector.errors.isEmpty, vector.name, unless: Self.divergences, words)
    }

    @Test("Every difference belongs to a vector")
    func complete() {
        #expect(Self.vectors.count == 106)
        #expect(Set(Self.divergences.keys).isSubset(of: Set(Self.vectors.map(\.name))))
    }
}
