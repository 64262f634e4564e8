internal import COpenSSL
package import Cryptography
package import Domain

/// A certification request (RFC 2986), read and found to be signed by the key that it names.
package struct CertificateRequest: Sendable {
    package let der: [UInt8]
    /// RFC 2253 text.
    package let subject: String
    package let encodedSubject: [UInt8]
    package let publicKey: PublicKey
    package let specification: KeySpecification
    /// As libcrypto prints them: `DNS:example.com`.
    package let alternativeNames: [String]
    /// DER of the extension; nil when there is none.
    package let encodedAlternativeNames: [UInt8]?
    /// Object identifiers of the extended key usage asked for.
    package let extendedKeyUsage: [String]

    /// - Throws: `.malformed` saying what is wrong.
    package init(der: [UInt8], engine: CryptoEngine) throws(CryptoError) {
        guard der.count <= 64 << 10 else { throw .malformed("the request is too large") }
        var end = 0
        let pointer: OpaquePointer? = der.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            defer { end = buffer.baseAddress.flatMap { base in start.map { $0 - base } } ?? 0 }
            return d2i_X509_REQ(nil, &start, buffer.count)
        }
        guard let pointer, end == der.count else {
            X509_REQ_free(pointer)
            ERR_clear_error()
            throw .malformed("it is not a certification request (PKCS #10)")
        }
        defer {
            X509_REQ_free(pointer)
            ERR_clear_error()
        }
        let key = X509_REQ_get0_pubkey(pointer)
        guard let key, X509_REQ_verify_ex(pointer, key, engine.context, nil) == 1 else {
            throw .malformed("the request is not signed by the key that it names")
        }
        guard case (let publicKey?, let specification?) = X509Memory.publicKey(key) else {
            throw .malformed("the key of the request is of a type that is not taken")
        }
        (self.der, self.publicKey, self.specification) = (der, publicKey, specification)
        let name = X509_REQ_get_subject_name(pointer)
        subject = X509Memory.text(of: name)
        encodedSubject = try CertificateBuilder(engine).encoded { i2d_X509_NAME(name, $0) }
        var names: [String] = []
        var encodedNames: [UInt8]?
        var purposes: [String] = []
        let extensions = X509_REQ_get_extensions(pointer)
        defer { if let extensions { strongroom_extension_free_stack(extensions) } }
        for index in 0..<strongroom_extension_count(extensions) {
            guard let ext = strongroom_extension_at(extensions, index) else { continue }
            switch OBJ_obj2nid(X509_EXTENSION_get_object(ext)) {
            case NID_subject_alt_name:
                let (found, isWhole) = X509Memory.names(in: ext)
                guard isWhole else { throw .malformed("an alternative name of the request is not valid") }
                names = found
                encodedNames = try CertificateBuilder(engine).encoded { i2d_X509_EXTENSION(ext, $0) }
            case NID_ext_key_usage: purposes = X509Memory.identifiers(X509Memory.listed(ext))
            default: break
            }
        }
        (alternativeNames, encodedAlternativeNames, extendedKeyUsage) = (names, encodedNames, purposes)
    }
}
