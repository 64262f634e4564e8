internal import COpenSSL
package import Cryptography
package import Domain

/// The Online Certificate Status Protocol (RFC 6960, and its profile for high volumes, RFC 5019).
package enum OCSP {
    package enum Status: Sendable, Hashable {
        case good
        case revoked(Timestamp, RevocationReason)
        case unknown
    }

    /// The hash functions by which a request may name a certificate.
    package enum Hash: String, Sendable, CaseIterable, Codable {
        case sha1 = "SHA1"
        case sha256 = "SHA2-256"

        fileprivate var nid: Int32 { self == .sha1 ? NID_sha1 : NID_sha256 }
    }

    /// The certificate that a request asks about.
    package struct CertificateID: Sendable, Hashable {
        package let hash: Hash
        package let issuerNameHash: [UInt8]
        package let issuerKeyHash: [UInt8]
        /// Big-endian, without leading zeros.
        package let serialNumber: [UInt8]
    }

    /// Answers without a signature (RFC 6960 §4.2.1).
    package enum Refusal: Int32, Sendable {
        case malformedRequest = 1
        case internalError = 2
        case tryLater = 3
        case unauthorized = 6

        package var der: [UInt8] {
            guard let response = OCSP_response_create(rawValue, nil) else { return [] }
            defer { OCSP_RESPONSE_free(response) }
            var start: UnsafeMutablePointer<UInt8>?
            let count = i2d_OCSP_RESPONSE(response, &start)
            guard count > 0, let start else { return [] }
            defer { strongroom_free(start) }
            return Array(UnsafeBufferPointer(start: start, count: Int(count)))
        }
    }

    /// What a request asks; nil when it cannot be read, or asks about more than one certificate, or by another hash.
    package static func certificateID(request der: [UInt8]) -> CertificateID? {
        guard der.count <= 4_096 else { return nil }
        let request: OpaquePointer? = der.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            return d2i_OCSP_REQUEST(nil, &start, buffer.count)
        }
        guard let request else {
            ERR_clear_error()
            return nil
        }
        defer { OCSP_REQUEST_free(request) }
        guard OCSP_request_onereq_count(request) == 1, let single = OCSP_request_onereq_get0(request, 0),
            let id = OCSP_onereq_get0_id(single)
        else { return nil }
        var names: UnsafeMutablePointer<ASN1_OCTET_STRING>?
        var keys: UnsafeMutablePointer<ASN1_OCTET_STRING>?
        var serial: UnsafeMutablePointer<ASN1_INTEGER>?
        var method: OpaquePointer?
        guard OCSP_id_get0_info(&names, &method, &keys, &serial, id) == 1, let names, let keys, let serial,
            let hash = Hash.allCases.first(where: { $0.nid == OBJ_obj2nid(method) })
        else { return nil }
        return CertificateID(
            hash: hash, issuerNameHash: bytes(of: names), issuerKeyHash: bytes(of: keys),
            serialNumber: Array(bytes(of: serial).drop { $0 == 0 }))
    }

    private static func bytes(of text: UnsafePointer<ASN1_STRING>) -> [UInt8] {
        Array(UnsafeBufferPointer(start: ASN1_STRING_get0_data(text), count: Int(ASN1_STRING_length(text))))
    }

    /// How requests name the certificates of an issuer.
    package static func issuerHashes(_ issuer: Certificate, _ hash: Hash, engine: CryptoEngine) throws(CryptoError) -> (
        name: [UInt8], key: [UInt8]
    ) {
        let pointer = try X509Memory.parse(issuer.der, engine)
        let method = EVP_MD_fetch(engine.context, hash.rawValue, nil)
        defer {
            X509_free(pointer)
            EVP_MD_free(method)
            ERR_clear_error()
        }
        guard
            let id = OCSP_cert_id_new(
                method, X509_get_subject_name(pointer), X509_get0_pubkey_bitstr(pointer),
                X509_get0_serialNumber(pointer))
        else { throw .failed("OCSP") }
        defer { OCSP_CERTID_free(id) }
        var names: UnsafeMutablePointer<ASN1_OCTET_STRING>?
        var keys: UnsafeMutablePointer<ASN1_OCTET_STRING>?
        guard OCSP_id_get0_info(&names, nil, &keys, nil, id) == 1, let names, let keys else { throw .failed("OCSP") }
        return (bytes(of: names), bytes(of: keys))
    }

    /// A request about one certificate, for a responder elsewhere.
    package static func request(_ certificate: Certificate, issuer: Certificate, engine: CryptoEngine)
        throws(CryptoError) -> [UInt8]
    {
        let child = try X509Memory.parse(certificate.der, engine)
        defer { X509_free(child) }
        let parent = try X509Memory.parse(issuer.der, engine)
        let method = EVP_MD_fetch(engine.context, Hash.sha1.rawValue, nil)
        defer {
            X509_free(parent)
            EVP_MD_free(method)
            ERR_clear_error()
        }
        guard let request = OCSP_REQUEST_new() else { throw .failed("OCSP") }
        defer { OCSP_REQUEST_free(request) }
        guard let id = OCSP_cert_to_id(method, child, parent) else { throw .failed("OCSP") }
        guard OCSP_request_add0_id(request, id) != nil else {
            OCSP_CERTID_free(id)
            throw .failed("OCSP")
        }
        return try CertificateBuilder(engine).encoded { i2d_OCSP_REQUEST(request, $0) }
    }

    package struct Answer: Sendable {
        package let status: Status
        package let thisUpdate: Timestamp
        package let nextUpdate: Timestamp?
    }

    /// Reads an answer about a certificate, signed by its issuer or by a responder that the issuer named.
    ///
    /// - Throws: `.malformed` saying why it does not count.
    package static func answer(
        _ der: [UInt8], about certificate: Certificate, issuer: Certificate, at now: Timestamp, engine: CryptoEngine
    ) throws(CryptoError) -> Answer {
        defer { ERR_clear_error() }
        guard der.count <= 256 << 10 else { throw .malformed("the answer is too long") }
        let response: OpaquePointer? = der.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            return d2i_OCSP_RESPONSE(nil, &start, buffer.count)
        }
        guard let response else { throw .malformed("the answer cannot be read") }
        defer { OCSP_RESPONSE_free(response) }
        guard OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL else {
            throw .malformed("the responder refused with status \(OCSP_response_status(response))")
        }
        guard let basic = OCSP_response_get1_basic(response) else { throw .malformed("the answer cannot be read") }
        defer { OCSP_BASICRESP_free(basic) }
        let child = try X509Memory.parse(certificate.der, engine)
        defer { X509_free(child) }
        let parent = try X509Memory.parse(issuer.der, engine)
        guard let untrusted = strongroom_x509_stack(), let store = X509_STORE_new() else { throw .failed("OCSP") }
        defer {
            strongroom_x509_free_stack(untrusted)
            X509_STORE_free(store)
        }
        // The issuer is trusted for this, whatever stands above it.
        guard X509_STORE_add_cert(store, parent) == 1, strongroom_x509_push(untrusted, parent) > 0 else {
            X509_free(parent)
            throw .failed("OCSP")
        }
        let parameters = X509_STORE_get0_param(store)
        X509_VERIFY_PARAM_set_time(parameters, Int(now.epochSeconds))
        X509_VERIFY_PARAM_set_flags(parameters, UInt(X509_V_FLAG_PARTIAL_CHAIN))
        guard OCSP_basic_verify(basic, untrusted, store, 0) == 1 else {
            throw .malformed("the signature of the answer does not hold")
        }
        return try single(in: basic, child, parent, now, engine)
    }

    /// What is said about a certificate; that it is revoked counts above all else.
    private static func single(
        in basic: OpaquePointer, _ child: OpaquePointer, _ parent: OpaquePointer, _ now: Timestamp,
        _ engine: CryptoEngine
    ) throws(CryptoError) -> Answer {
        var found: Answer?
        var isClear = true
        for hash in Hash.allCases {
            let method = EVP_MD_fetch(engine.context, hash.rawValue, nil)
            defer { EVP_MD_free(method) }
            guard let id = OCSP_cert_to_id(method, child, parent) else { continue }
            defer { OCSP_CERTID_free(id) }
            var index = OCSP_resp_find(basic, id, -1)
            while index >= 0, let single = OCSP_resp_get0(basic, index) {
                let answer = try read(single, now)
                if case .revoked = answer.status { return answer }
                isClear = isClear && found.map { $0.status == answer.status } ?? true
                found = answer
                index = OCSP_resp_find(basic, id, index)
            }
        }
        guard isClear else { throw .malformed("the answer contradicts itself") }
        guard let found else { throw .malformed("the answer is about another certificate") }
        return found
    }

    /// How old an answer may be that does not say how long it holds.
    private static let mostAge: Duration = .days(7)

    private static func read(_ single: OpaquePointer, _ now: Timestamp) throws(CryptoError) -> Answer {
        // RFC 6960 §4.4: what is critical and not understood makes the answer unusable.
        var place = OCSP_SINGLERESP_get_ext_by_critical(single, 1, -1)
        while place >= 0 {
            // Certificate transparency (RFC 6962 §3.3) changes nothing about the status.
            guard OBJ_obj2nid(X509_EXTENSION_get_object(OCSP_SINGLERESP_get_ext(single, place))) == NID_ct_cert_scts
            else { throw .malformed("the answer has a critical extension that is not known") }
            place = OCSP_SINGLERESP_get_ext_by_critical(single, 1, place)
        }
        var reason: Int32 = 0
        var revoked: UnsafeMutablePointer<ASN1_GENERALIZEDTIME>?
        var start: UnsafeMutablePointer<ASN1_GENERALIZEDTIME>?
        var end: UnsafeMutablePointer<ASN1_GENERALIZEDTIME>?
        let status = OCSP_single_get0_status(single, &reason, &revoked, &start, &end)
        guard let thisUpdate = X509Memory.time(start) else { throw .malformed("the answer has no time") }
        let nextUpdate = end.flatMap { X509Memory.time($0) }
        // Clocks differ by a few minutes.
        guard thisUpdate <= now + .minutes(5), now <= (nextUpdate ?? thisUpdate + mostAge) + .minutes(5) else {
            throw .malformed("the answer is not of this time")
        }
        let told: Status =
            switch status {
            case V_OCSP_CERTSTATUS_GOOD: .good
            case V_OCSP_CERTSTATUS_REVOKED:
                .revoked(
                    revoked.flatMap { X509Memory.time($0) } ?? thisUpdate,
                    RevocationReason(rawValue: Int(max(0, reason))) ?? .unspecified)
            default: .unknown
            }
        return Answer(status: told, thisUpdate: thisUpdate, nextUpdate: nextUpdate)
    }
}

extension CertificateBuilder {
    /// Signs an answer about one serial number.
    ///
    /// - Returns: DER of an OCSPResponse.
    package func ocspAnswer(
        _ status: OCSP.Status, serialNumber: [UInt8], issuer: Certificate, hash: OCSP.Hash, thisUpdate: Timestamp,
        nextUpdate: Timestamp, signer: Signer
    ) throws(CryptoError) -> [UInt8] {
        let parent = try X509Memory.parse(issuer.der, engine)
        let method = EVP_MD_fetch(engine.context, hash.rawValue, nil)
        defer {
            X509_free(parent)
            EVP_MD_free(method)
            ERR_clear_error()
        }
        var (code, reason, revoked): (Int32, Int32, Int) = (V_OCSP_CERTSTATUS_GOOD, -1, 0)
        switch status {
        case .good: break
        case .unknown: code = V_OCSP_CERTSTATUS_UNKNOWN
        case .revoked(let time, let why):
            code = V_OCSP_CERTSTATUS_REVOKED
            reason = why == .unspecified ? -1 : Int32(why.rawValue)
            revoked = Int(time.epochSeconds)
        }
        let single = try taken { out in
            strongroom_ocsp_single(
                parent, method, serialNumber, Int32(serialNumber.count), code, reason, revoked,
                Int(thisUpdate.epochSeconds), Int(nextUpdate.epochSeconds), out)
        }
        let data = try taken { out in
            strongroom_ocsp_data(parent, engine.context, Int(thisUpdate.epochSeconds), single, single.count, out)
        }
        let signature = try signer.sign(data)
        return try taken { out in
            strongroom_ocsp_response(
                data, data.count, signer.algorithm.nid, signature, Int32(signature.count), out)
        }
    }

    /// Bytes in memory of libcrypto's that is freed here.
    private func taken(_ make: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>) -> Int) throws(CryptoError)
        -> [UInt8]
    {
        var start: UnsafeMutablePointer<UInt8>?
        let count = make(&start)
        guard count > 0, let start else { throw failure("OCSP") }
        defer { strongroom_free(start) }
        return Array(UnsafeBufferPointer(start: start, count: count))
    }
}
