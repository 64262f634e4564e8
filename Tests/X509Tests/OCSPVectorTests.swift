import Cryptography
import Domain
import Testing
import X509

/// Answers of BoringSSL's tests, on 5 March 2017.
struct OCSPVectorTests {
    private let engine = SigningKey.engine

    struct Vector: Sendable, CustomTestStringConvertible {
        let name: String
        let blocks: VectorBlocks
        /// Nil when the answer must not count.
        let status: String?
        var testDescription: String { name }
    }

    static let vectors = VectorFiles.names("pki/ocsp").map { file in
        let name = String(file.dropLast(4))
        let status: String? =
            switch name {
            case "revoke_response": "revoked"
            case "good_response", "good_response_next_update", "has_critical_ct_extension", "has_single_extension",
                "ocsp_sign_indirect", "responder_id":
                "good"
            default: nil
            }
        return Vector(name: name, blocks: VectorBlocks(file: "pki/ocsp/" + file), status: status)
    }

    static let divergences = [
        "ocsp_sign_indirect":
            "the issuer in the vector has no basic constraints, without which libcrypto lets it name no responder",
        "produced_early_response":
            "producedAt lies before the responder's certificate, and nothing is decided by it",
    ]

    @Test("An answer counts or not", arguments: vectors)
    func verdicts(_ vector: Vector) throws {
        let leaf = try Certificate(der: try #require(vector.blocks.first("CERTIFICATE")), engine: engine)
        let issuer = try Certificate(der: try #require(vector.blocks.first("CA CERTIFICATE")), engine: engine)
        let der = try #require(vector.blocks.first("OCSP RESPONSE"))
        var (text, words) = (String?.none, "")
        do throws(CryptoError) {
            let answer = try OCSP.answer(
                der, about: leaf, issuer: issuer, at: Timestamp(utcTime: "170305000000Z"), engine: engine)
            text =
                switch answer.status {
                case .good: "good"
                case .revoked: "revoked"
                case .unknown: "unknown"
                }
        } catch { words = "\(error)" }
        expect(text != nil, like: vector.status != nil, vector.name, unless: Self.divergences, words)
        if let text, let expected = vector.status { #expect(text == expected) }
    }

    @Test("The request of a vector is the one that is made here", arguments: vectors)
    func requests(_ vector: Vector) throws {
        let leaf = try Certificate(der: try #require(vector.blocks.first("CERTIFICATE")), engine: engine)
        let issuer = try Certificate(der: try #require(vector.blocks.first("CA CERTIFICATE")), engine: engine)
        let request = try #require(vector.blocks.first("OCSP REQUEST"))
        #expect(try OCSP.request(leaf, issuer: issuer, engine: engine) == request)
        #expect(OCSP.certificateID(request: request)?.serialNumber == leaf.serialNumber)
    }

    @Test("Every difference belongs to a vector")
    func complete() {
        #expect(Self.vectors.count == 18)
        #expect(Set(Self.divergences.keys).isSubset(of: Set(Self.vectors.map(\.name))))
    }
}
