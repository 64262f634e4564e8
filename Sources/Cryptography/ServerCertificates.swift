internal import COpenSSL
package import Domain

/// Makes the certificate authority and the TLS certificate of a server that configures itself.
///
/// EC P-256 keys, X.509 v3 (RFC 5280), SHA-256. The authority signs server certificates only and no further authorities.
package struct ServerCertificates: Sendable {
    package struct Issued: Sendable {
        /// PEM (RFC 7468).
        package let certificate: String
        /// PKCS#8 PEM, unencrypted.
        package let privateKey: SensitiveBytes

        package init(certificate: String, privateKey: SensitiveBytes) {
            (self.certificate, self.privateKey) = (certificate, privateKey)
        }
    }

    private let engine: CryptoEngine

    package init(_ engine: CryptoEngine) { self.engine = engine }

    package func makeAuthority(commonName: String, from start: Timestamp, to end: Timestamp) throws(CryptoError)
        -> Issued
    {
        let key = try generateKey()
        defer { EVP_PKEY_free(key) }
        let certificate = try build(
            subject: commonName, issuer: nil, key: key, signer: key, from: start, to: end,
            extensions: [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"), (NID_key_usage, "critical,keyCertSign,cRLSign"),
                (NID_subject_key_identifier, "hash"),
            ])
        defer { X509_free(certificate) }
        return Issued(certificate: try pem(certificate), privateKey: try pem(privateKey: key))
    }

    /// A server certificate for `hosts` (DNS names, wildcards allowed) and `addresses` (IP literals).
    package func makeServer(
        hosts: [String], addresses: [String], authority: Issued, from start: Timestamp, to end: Timestamp
    ) throws(CryptoError) -> Issued {
        let (issuer, signer) = try load(authority)
        defer {
            X509_free(issuer)
            EVP_PKEY_free(signer)
        }
        let key = try generateKey()
        defer { EVP_PKEY_free(key) }
        let names = (hosts.map { "DNS:" + $0 } + addresses.map { "IP:" + $0 }).joined(separator: ",")
        let certificate = try build(
            subject: hosts[0], issuer: issuer, key: key, signer: signer, from: start, to: end,
            extensions: [
                (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, "serverAuth"), (NID_subject_alt_name, names), (NID_subject_key_identifier, "hash"),
                (NID_authority_key_identifier, "keyid:always"),
            ])
        defer { X509_free(certificate) }
        return Issued(certificate: try pem(certificate), privateKey: try pem(privateKey: key))
    }

    /// A certificate that a key signs for itself, for signatures only: DER.
    package func makeSelfSigned(
        commonName: String, key: RSAPrivateKey, usage: String = "digitalSignature", from start: Timestamp,
        to end: Timestamp
    ) throws(CryptoError) -> [UInt8] {
        let certificate = try build(
            subject: commonName, issuer: nil, key: key.key, signer: key.key, from: start, to: end,
            extensions: [
                (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,\(usage)"),
                (NID_subject_key_identifier, "hash"),
            ])
        defer { X509_free(certificate) }
        var start: UnsafeMutablePointer<UInt8>?
        let count = i2d_X509(certificate, &start)
        guard count > 0, let start else { throw .failed("X.509") }
        defer { strongroom_free(start) }
        return Array(UnsafeBufferPointer(start: start, count: Int(count)))
    }

    private func generateKey() throws(CryptoError) -> OpaquePointer {
        guard let context = EVP_PKEY_CTX_new_from_name(engine.context, "EC", nil) else { throw .unavailable("EC") }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1,
            EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1,
            EVP_PKEY_generate(context, &key) == 1, let key
        else { throw .failed("EC key generation") }
        return key
    }

    private func build(
        subject: String, issuer: OpaquePointer?, key: OpaquePointer, signer: OpaquePointer, from start: Timestamp,
        to end: Timestamp,
        extensions: [(Int32, String)]
    ) throws(CryptoError) -> OpaquePointer {
        guard let certificate = X509_new_ex(engine.context, nil) else { throw .failed("X.509") }
        var keep = false
        defer { if !keep { X509_free(certificate) } }
        // 127 random bits, positive (RFC 5280 §4.1.2.2).
        var serial = try engine.random(count: 16)
        serial[0] = serial[0] & 0x7F | 0x40
        let number = BN_bin2bn(serial, 16, nil)
        defer { BN_free(number) }
        guard X509_set_version(certificate, 2) == 1,
            BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nil,
            ASN1_TIME_set(X509_getm_notBefore(certificate), Int(start.epochSeconds)) != nil,
            ASN1_TIME_set(X509_getm_notAfter(certificate), Int(end.epochSeconds)) != nil,
            X509_set_pubkey(certificate, key) == 1
        else { throw .failed("X.509") }
        let name = X509_get_subject_name(certificate)
        let text = String(subject.prefix(64))
        guard X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1,
            X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0) } ?? name) == 1
        else { throw .failed("X.509") }
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, issuer ?? certificate, certificate, nil, nil, 0)
        for (kind, value) in extensions {
            guard let ext = X509V3_EXT_conf_nid(nil, &context, kind, value) else { throw .failed("X.509 extension") }
            defer { X509_EXTENSION_free(ext) }
            guard X509_add_ext(certificate, ext, -1) == 1 else { throw .failed("X.509 extension") }
        }
        guard X509_sign(certificate, signer, engine.sha256) > 0 else { throw .failed("X.509 signature") }
        keep = true
        return certificate
    }

    private func load(_ authority: Issued) throws(CryptoError) -> (certificate: OpaquePointer, key: OpaquePointer) {
        let text = Array(authority.certificate.utf8)
        guard let input = BIO_new_mem_buf(text, Int32(text.count)) else { throw .failed("PEM") }
        defer { BIO_free(input) }
        guard let certificate = PEM_read_bio_X509(input, nil, nil, nil) else {
            throw .malformed("authority certificate")
        }
        let key: OpaquePointer? = authority.privateKey.withUnsafeBytes { bytes in
            guard let input = BIO_new_mem_buf(bytes.baseAddress, Int32(bytes.count)) else { return nil }
            defer { BIO_free(input) }
            return PEM_read_bio_PrivateKey_ex(input, nil, nil, nil, engine.context, nil)
        }
        guard let key else {
            X509_free(certificate)
            throw .malformed("authority key")
        }
        return (certificate, key)
    }

    private func pem(_ certificate: OpaquePointer) throws(CryptoError) -> String {
        guard let output = BIO_new(BIO_s_mem()) else { throw .failed("PEM") }
        defer { BIO_free(output) }
        guard PEM_write_bio_X509(output, certificate) == 1 else { throw .failed("PEM") }
        var bytes: UnsafeMutablePointer<CChar>?
        let count = strongroom_bio_bytes(output, &bytes)
        guard count > 0, let bytes else { throw .failed("PEM") }
        return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    private func pem(privateKey key: OpaquePointer) throws(CryptoError) -> SensitiveBytes {
        // A memory BIO from secure memory would need the secure heap; this one is zeroed by BIO_free.
        guard let output = BIO_new(BIO_s_secmem()) else { throw .failed("PEM") }
        defer { BIO_free(output) }
        guard strongroom_pem_write_private(output, key) == 1 else { throw .failed("PEM") }
        var bytes: UnsafeMutablePointer<CChar>?
        let count = strongroom_bio_bytes(output, &bytes)
        guard count > 0, let bytes else { throw .failed("PEM") }
        return SensitiveBytes(UnsafeRawBufferPointer(start: bytes, count: count))
    }
}
