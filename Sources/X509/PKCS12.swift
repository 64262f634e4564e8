internal import COpenSSL
package import Cryptography
package import Domain

/// PKCS #12 containers (RFC 7292).
///
/// Their password-based algorithms are those of their time, and no FIPS provider has them: they are always the default provider's. The
/// containers that are made have an empty password, which protects nothing.
package struct PKCS12: Sendable {
    private let engine: CryptoEngine

    package init(_ engine: CryptoEngine) { self.engine = engine }

    package struct Content: Sendable {
        /// PKCS #8 DER.
        package let privateKey: SensitiveBytes?
        package let certificate: Certificate?
        package let others: [Certificate]
    }

    private static let mostBytes = 256 << 10
    /// More iterations than any honest file has would only burn time.
    private static let mostIterations = 1_000_000

    /// - Throws: `.notAuthentic` when the password is wrong; `.malformed` when it is no such container.
    package func open(_ bytes: [UInt8], password: String) throws(CryptoError) -> Content {
        guard bytes.count <= Self.mostBytes else { throw .malformed("the PKCS #12 container is too large") }
        // Made first, since what is read into it keeps its library context.
        var container = PKCS12_init_ex(NID_pkcs7_data, engine.context, engine.outsideFIPS)
        bytes.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            // Freed and forgotten when it cannot be read.
            d2i_PKCS12(&container, &start, buffer.count)
        }
        guard let container else {
            ERR_clear_error()
            throw .malformed("it is not a PKCS #12 container")
        }
        defer {
            PKCS12_free(container)
            ERR_clear_error()
        }
        try requireBounds(container)
        let matching = try matching(password, container)
        guard
            strongroom_pkcs12_bounded(
                container, matching, matching.map { Int32($0.utf8.count) } ?? 0, Self.mostIterations) == 1
        else { throw .malformed("the PKCS #12 container asks for too many iterations") }
        var (key, certificate, others): (OpaquePointer?, OpaquePointer?, OpaquePointer?) = (nil, nil, nil)
        guard PKCS12_parse(container, matching, &key, &certificate, &others) == 1 else { throw .notAuthentic }
        defer {
            EVP_PKEY_free(key)
            X509_free(certificate)
            if let others { strongroom_x509_free_stack(others) }
        }
        var chain: [Certificate] = []
        for index in 0..<strongroom_x509_count(others) {
            chain.append(try read(strongroom_x509_at(others, index)))
        }
        return Content(
            privateKey: try key.map { key throws(CryptoError) in try PrivateKeyCoding.encode(key) },
            certificate: try certificate.map { pointer throws(CryptoError) in try read(pointer) }, others: chain)
    }

    /// An empty password is written in two ways: as an empty text, and as none.
    private func matching(_ password: String, _ container: OpaquePointer) throws(CryptoError) -> String? {
        guard PKCS12_mac_present(container) == 1 else { return password }
        if PKCS12_verify_mac(container, password, Int32(password.utf8.count)) == 1 { return password }
        if password.isEmpty, PKCS12_verify_mac(container, nil, 0) == 1 { return nil }
        throw .notAuthentic
    }

    /// The iteration count of the integrity check is bounded: it costs time before anything is known.
    private func requireBounds(_ container: OpaquePointer) throws(CryptoError) {
        var iterations: UnsafePointer<ASN1_INTEGER>?
        PKCS12_get0_mac(nil, nil, nil, &iterations, container)
        if let iterations, ASN1_INTEGER_get(iterations) > Self.mostIterations {
            throw .malformed("the PKCS #12 container asks for too many iterations")
        }
    }

    private func read(_ pointer: OpaquePointer?) throws(CryptoError) -> Certificate {
        var start: UnsafeMutablePointer<UInt8>?
        let count = i2d_X509(pointer, &start)
        guard count > 0, let start else { throw .malformed("certificate") }
        defer { strongroom_free(start) }
        return try Certificate(der: Array(UnsafeBufferPointer(start: start, count: Int(count))), engine: engine)
    }

    /// A container with an empty password, as the service gives them out; without a key when it may not leave.
    package func make(privateKey: SensitiveBytes?, certificate: Certificate, chain: [Certificate]) throws(CryptoError)
        -> SensitiveBytes
    {
        let key: OpaquePointer? = privateKey.flatMap { key in
            key.withUnsafeBytes { bytes in
                var start = bytes.bindMemory(to: UInt8.self).baseAddress
                return d2i_AutoPrivateKey_ex(nil, &start, bytes.count, engine.context, nil)
            }
        }
        if privateKey != nil, key == nil { throw .malformed("private key") }
        let leaf = try X509Memory.parse(certificate.der, engine)
        guard let stack = strongroom_x509_stack() else { throw .failed("PKCS #12") }
        defer {
            EVP_PKEY_free(key)
            X509_free(leaf)
            strongroom_x509_free_stack(stack)
            ERR_clear_error()
        }
        for other in chain { _ = strongroom_x509_push(stack, try X509Memory.parse(other.der, engine)) }
        // Without a key libcrypto keeps the leaf's place for one: it goes among the others.
        if key == nil { _ = strongroom_x509_push(stack, try X509Memory.parse(certificate.der, engine)) }
        guard
            let container = PKCS12_create_ex(
                "", nil, key, key == nil ? nil : leaf, stack, 0, 0, 2_048, 1, 0, engine.context, engine.outsideFIPS)
        else { throw .failed("PKCS #12") }
        defer { PKCS12_free(container) }
        let count = i2d_PKCS12(container, nil)
        guard count > 0 else { throw .failed("PKCS #12") }
        return try SensitiveBytes(count: Int(count)) { buffer throws(CryptoError) in
            var start = buffer.bindMemory(to: UInt8.self).baseAddress
            guard i2d_PKCS12(container, &start) == count else { throw .failed("PKCS #12") }
        }
    }
}
