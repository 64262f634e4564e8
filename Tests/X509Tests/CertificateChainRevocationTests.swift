import Cryptography
import Domain
import Testing
import X509

/// Chains beside revocation lists that the builder made.
struct CertificateChainRevocationTests {
    private let root: Authority
    private let issuing: Authority
    private let leaf: Certificate

    init() throws {
        root = try Authority(root: "Root")
        issuing = try root.authority("Issuing")
        leaf = try issuing.leaf("www.example.com", serialNumber: [0xF0, 7])
    }

    private func code(_ lists: [[UInt8]]) throws -> Int32 {
        try CertificateChain(
            anchors: [root.certificate], intermediates: [issuing.certificate], engine: SigningKey.engine
        ).verify(leaf, at: Authority.now, lists: lists).code
    }

    private func entry(
        _ serialNumber: [UInt8] = [0xF0, 7], _ reason: RevocationReason = .keyCompromise
    ) -> RevocationList.Entry {
        .init(serialNumber: serialNumber, revoked: Authority.now - .days(1), reason: reason)
    }

    @Test("A chain holds when no list names its certificates")
    func good() throws { #expect(try code([root.list(), issuing.list([entry([8])])]) == 0) }

    @Test("A leaf and an authority that are on a list do not hold")
    func revoked() throws {
        // X509_V_ERR_CERT_REVOKED
        #expect(try code([root.list(), issuing.list([entry()])]) == 23)
        #expect(try code([root.list([entry([2])]), issuing.list()]) == 23)
    }

    @Test("Every certificate of the chain must be covered")
    func missing() throws {
        // X509_V_ERR_UNABLE_TO_GET_CRL
        #expect(try code([root.list()]) == 3)
        #expect(try code([issuing.list()]) == 3)
    }

    @Test("A list out of its time does not count")
    func expired() throws {
        let old = try issuing.list(thisUpdate: Authority.now - .days(2), nextUpdate: Authority.now - .days(1))
        let early = try issuing.list(thisUpdate: Authority.now + .days(1), nextUpdate: Authority.now + .days(2))
        // X509_V_ERR_CRL_HAS_EXPIRED, X509_V_ERR_CRL_NOT_YET_VALID
        #expect(try code([root.list(), old]) == 12)
        #expect(try code([root.list(), early]) == 11)
    }

    @Test("A list with an altered signature does not count")
    func altered() throws {
        // X509_V_ERR_CRL_SIGNATURE_FAILURE
        #expect(try code([root.list(), issuing.list().altered]) == 8)
    }

    @Test("A delta adds to the list that tells of deltas, and takes from it")
    func delta() throws {
        let address = "http://example.com/delta.crl"
        let full = try issuing.list([entry([8])], number: 5, deltaAddress: address)
        let empty = try issuing.list(number: 6, base: 5)
        let adding = try issuing.list([entry()], number: 6, base: 5)
        #expect(try code([root.list(), full]) == 0)
        #expect(try code([root.list(), full, empty]) == 0)
        #expect(try code([root.list(), full, adding]) == 23)
        let held = try issuing.list([entry([0xF0, 7], .certificateHold)], number: 5, deltaAddress: address)
        let releasing = try issuing.list([entry([0xF0, 7], .removeFromCRL)], number: 6, base: 5)
        #expect(try code([root.list(), held]) == 23)
        #expect(try code([root.list(), held, releasing]) == 0)
    }

    @Test("A chain that ends in the middle is not checked against lists")
    func partial() throws {
        let chain = CertificateChain(anchors: [issuing.certificate], intermediates: [], engine: SigningKey.engine)
        let list = try issuing.list()
        #expect(throws: CryptoError.self) {
            try chain.verify(leaf, at: Authority.now, lists: [list], allowsPartial: true)
        }
        #expect(try chain.verify(leaf, at: Authority.now, allowsPartial: true).holds)
    }
}
