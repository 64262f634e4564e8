internal import COpenSSL
package import Cryptography
package import Domain

/// Makes certificates and requests whose signatures come from any key, in this process or in hardware.
package struct CertificateBuilder: Sendable {
    let engine: CryptoEngine

    package init(_ engine: CryptoEngine) { self.engine = engine }

    /// Who signs: a key, its kind, and the digest function that goes with it.
    package struct Signer: Sendable {
        let key: any CryptoKey
        let specification: KeySpecification
        let digest: @Sendable ([UInt8], HashFunction) -> [UInt8]

        package init(
            key: any CryptoKey, specification: KeySpecification,
            digest: @escaping @Sendable ([UInt8], HashFunction) -> [UInt8]
        ) {
            (self.key, self.specification, self.digest) = (key, specification, digest)
        }

        var algorithm: (nid: Int32, algorithm: KeyAlgorithm, hash: HashFunction) {
            switch specification {
            case .ec(.p256): (NID_ecdsa_with_SHA256, .ecdsa(.p256), .sha256)
            case .ec(.p256K): (NID_ecdsa_with_SHA256, .ecdsa(.p256K), .sha256)
            case .ec(.p384): (NID_ecdsa_with_SHA384, .ecdsa(.p384), .sha384)
            case .ec(.p521): (NID_ecdsa_with_SHA512, .ecdsa(.p521), .sha512)
            default: (NID_sha256WithRSAEncryption, .rsaPKCS1(.sha256), .sha256)
            }
        }

        func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
            let (_, algorithm, hash) = algorithm
            let signature = try key.sign(digest(message, hash), algorithm)
            guard case .ecdsa = algorithm else { return signature }
            return try ECDSASignature.der(signature)
        }
    }

    /// - Parameters:
    ///   - issuer: nil for a certificate that its own key signs.
    ///   - serialNumber: positive, at most 20 bytes (RFC 5280 §4.1.2.2).
    package func certificate(
        _ content: CertificateContent, key: PublicKey, issuer: Certificate?, signer: Signer, serialNumber: [UInt8],
        notBefore: Timestamp, notAfter: Timestamp
    ) throws(CryptoError) -> Certificate {
        guard let certificate = X509_new_ex(engine.context, nil) else { throw .failed("X.509") }
        defer { X509_free(certificate) }
        let subject = try content.name()
        defer { X509_NAME_free(subject) }
        guard let number = BN_bin2bn(serialNumber, Int32(serialNumber.count), nil) else { throw .failed("X.509") }
        defer { BN_free(number) }
        guard X509_set_version(certificate, 2) == 1, X509_set_subject_name(certificate, subject) == 1,
            BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil,
            ASN1_TIME_set(X509_getm_notBefore(certificate), Int(notBefore.epochSeconds)) != nil,
            ASN1_TIME_set(X509_getm_notAfter(certificate), Int(notAfter.epochSeconds)) != nil
        else { throw failure("X.509") }
        try set(key, X509_get_X509_PUBKEY(certificate)) { X509_set_pubkey(certificate, $0) }
        let parent = try issuer.map { issuer throws(CryptoError) in try X509Memory.parse(issuer.der, engine) }
        defer { if let parent { X509_free(parent) } }
        guard X509_set_issuer_name(certificate, parent.map { X509_get_subject_name($0) } ?? subject) == 1 else {
            throw failure("X.509")
        }
        try addExtensions(
            content.extensions() + [
                (NID_subject_key_identifier, "hash"), (NID_authority_key_identifier, "keyid:always"),
            ], to: certificate, issuer: parent)
        if let encoded = content.encodedAlternativeNames {
            let ext: OpaquePointer? = encoded.withUnsafeBufferPointer { buffer in
                var start = buffer.baseAddress
                return d2i_X509_EXTENSION(nil, &start, buffer.count)
            }
            guard let ext else { throw malformed("the alternative names cannot be read") }
            defer { X509_EXTENSION_free(ext) }
            // Without a subject the names are all there is (RFC 5280 §4.2.1.6).
            X509_EXTENSION_set_critical(ext, content.hasSubject ? 0 : 1)
            guard X509_add_ext(certificate, ext, -1) == 1 else { throw failure("X.509 extension") }
        }
        let algorithm = signer.algorithm
        guard strongroom_x509_set_algorithm(certificate, algorithm.nid) == 1 else { throw failure("X.509") }
        let signature = try signer.sign(try encoded { i2d_re_X509_tbs(certificate, $0) })
        guard strongroom_x509_set_signature(certificate, signature, Int32(signature.count)) == 1 else {
            throw failure("X.509")
        }
        return try Certificate(der: try encoded { i2d_X509(certificate, $0) }, engine: engine)
    }

    /// Writes a public key into a certificate or a request.
    ///
    /// - Parameter other: sets keys of other kinds than those on a curve.
    private func set(_ key: PublicKey, _ target: OpaquePointer?, _ other: (OpaquePointer) -> Int32) throws(CryptoError)
    {
        if case .ec(let curve, let x, let y) = key {
            let nid: Int32 =
                switch curve {
                case .p256: NID_X9_62_prime256v1
                case .p384: NID_secp384r1
                case .p521: NID_secp521r1
                case .p256K: NID_secp256k1
                }
            let point = [4] + x + y
            guard strongroom_x509_set_ec_key(target, nid, point, Int32(point.count)) == 1 else {
                throw failure("X.509 key")
            }
            return
        }
        let made = try PublicKeyMemory.make(key, engine)
        defer { EVP_PKEY_free(made) }
        guard other(made) == 1 else { throw failure("X.509 key") }
    }

    private func addExtensions(
        _ list: [(nid: Int32, value: String)], to certificate: OpaquePointer, issuer: OpaquePointer?
    ) throws(CryptoError) {
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer ?? certificate, certificate, nil, nil, 0)
        for (nid, value) in list {
            guard let ext = X509V3_EXT_conf_nid(nil, &context, nid, value) else {
                throw malformed("an extension is not valid: \(value.prefix(64))")
            }
            defer { X509_EXTENSION_free(ext) }
            guard X509_add_ext(certificate, ext, -1) == 1 else { throw failure("X.509 extension") }
        }
    }

    /// A certification request (RFC 2986) with its extensions.
    ///
    /// - Returns: DER.
    package func request(_ content: CertificateContent, key: PublicKey, signer: Signer) throws(CryptoError) -> [UInt8] {
        guard let request = X509_REQ_new_ex(engine.context, nil) else { throw .failed("PKCS #10") }
        defer { X509_REQ_free(request) }
        let subject = try content.name()
        defer { X509_NAME_free(subject) }
        try set(key, X509_REQ_get_X509_PUBKEY(request)) { X509_REQ_set_pubkey(request, $0) }
        guard X509_REQ_set_version(request, 0) == 1, X509_REQ_set_subject_name(request, subject) == 1,
            let stack = strongroom_extension_stack()
        else { throw failure("PKCS #10") }
        defer { strongroom_extension_free_stack(stack) }
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, nil, nil, request, nil, 0)
        for (nid, value) in try content.extensions() {
            guard let ext = X509V3_EXT_conf_nid(nil, &context, nid, value) else {
                throw malformed("an extension is not valid: \(value.prefix(64))")
            }
            _ = strongroom_extension_push(stack, ext)
        }
        guard X509_REQ_add_extensions(request, stack) == 1,
            strongroom_request_set_algorithm(request, signer.algorithm.nid) == 1
        else { throw failure("PKCS #10") }
        let signature = try signer.sign(try encoded { i2d_re_X509_REQ_tbs(request, $0) })
        guard strongroom_request_set_signature(request, signer.algorithm.nid, signature, Int32(signature.count)) == 1
        else { throw failure("PKCS #10") }
        return try encoded { i2d_X509_REQ(request, $0) }
    }

    func encoded(_ encode: (UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>?) -> Int32) throws(CryptoError)
        -> [UInt8]
    {
        var start: UnsafeMutablePointer<UInt8>?
        let count = encode(&start)
        guard count > 0, let start else { throw failure("DER") }
        defer { strongroom_free(start) }
        return Array(UnsafeBufferPointer(start: start, count: Int(count)))
    }

    func failure(_ what: String) -> CryptoError {
        ERR_clear_error()
        return .failed(what)
    }

    func malformed(_ what: String) -> CryptoError {
        ERR_clear_error()
        return .malformed(what)
    }
}

/// Public keys as libcrypto wants them.
enum PublicKeyMemory {
    /// - Returns: an EVP_PKEY that the caller frees.
    static func make(_ key: PublicKey, _ engine: CryptoEngine) throws(CryptoError) -> OpaquePointer {
        let made: OpaquePointer?
        switch key {
        case .rsa(let n, let e):
            let numbers = [BN_bin2bn(n, Int32(n.count), nil), BN_bin2bn(e, Int32(e.count), nil)]
            defer { for number in numbers { BN_free(number) } }
            made = strongroom_rsa_from_numbers(engine.context, numbers, 2)
        case .ec(let curve, let x, let y):
            let name = curve == .p256K ? "secp256k1" : curve.text
            made = strongroom_ec_from_numbers(engine.context, name, [4] + x + y, 1 + x.count + y.count, nil)
        case .ed25519(let x): made = EVP_PKEY_new_raw_public_key_ex(engine.context, "ED25519", nil, x, x.count)
        case .none: made = nil
        }
        guard let made else {
            ERR_clear_error()
            throw .malformed("public key")
        }
        return made
    }
}

/// ECDSA signatures from raw to DER (SEC 1 §C.8).
enum ECDSASignature {
    static func der(_ raw: [UInt8]) throws(CryptoError) -> [UInt8] {
        let size = raw.count / 2
        guard let signature = ECDSA_SIG_new() else { throw .failed("signature") }
        defer { ECDSA_SIG_free(signature) }
        guard let r = BN_bin2bn(raw, Int32(size), nil), let s = BN_bin2bn(Array(raw[size...]), Int32(size), nil),
            ECDSA_SIG_set0(signature, r, s) == 1
        else { throw .failed("signature") }
        var start: UnsafeMutablePointer<UInt8>?
        let count = i2d_ECDSA_SIG(signature, &start)
        guard count > 0, let start else { throw .failed("signature") }
        defer { strongroom_free(start) }
        return Array(UnsafeBufferPointer(start: start, count: Int(count)))
    }
}
