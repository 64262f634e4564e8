internal import COpenSSL
package import Cryptography
package import Domain

/// An X.509 certificate (RFC 5280), read.
package struct Certificate: Sendable, Hashable {
    /// DER, as it came.
    package let der: [UInt8]
    package let notBefore: Timestamp
    package let notAfter: Timestamp
    /// RFC 2253 text, most specific part first.
    package let subject: String
    package let issuer: String
    /// Big-endian, without leading zeros.
    package let serialNumber: [UInt8]
    /// Nil for a kind of key that this server does not have.
    package let publicKey: PublicKey?
    package let specification: KeySpecification?
    package let isAuthority: Bool
    /// How many authorities may follow below this one; nil for no bound.
    package let pathLength: Int?
    /// Key usage, as the bits of RFC 5280 §4.2.1.3; nil when the extension is absent.
    package let keyUsage: UInt32?
    /// Object identifiers.
    package let extendedKeyUsage: [String]
    package let dnsNames: [String]
    package let emails: [String]
    /// IP addresses as libcrypto prints them.
    package let addresses: [String]
    /// Where revocation is told: OCSP, lists, their deltas; and where the issuer's certificate is had.
    package let ocspAddresses: [String]
    package let revocationListAddresses: [String]
    package let deltaListAddresses: [String]
    package let issuerAddresses: [String]

    /// - Throws: `.malformed` when it cannot be read, or when something follows it.
    package init(der: [UInt8], engine: CryptoEngine) throws(CryptoError) {
        let pointer = try X509Memory.parse(der, engine)
        defer { X509_free(pointer) }
        self.der = der
        guard let start = X509Memory.time(X509_get0_notBefore(pointer)),
            let end = X509Memory.time(X509_get0_notAfter(pointer))
        else { throw .malformed("the validity of the certificate cannot be read") }
        notBefore = start
        notAfter = end
        subject = X509Memory.text(of: X509_get_subject_name(pointer))
        issuer = X509Memory.text(of: X509_get_issuer_name(pointer))
        serialNumber = X509Memory.serial(pointer)
        (publicKey, specification) = X509Memory.publicKey(X509_get0_pubkey(pointer))
        isAuthority = X509_check_ca(pointer) == 1
        let bound = X509_get_pathlen(pointer)
        pathLength = bound < 0 ? nil : Int(bound)
        let flags = X509_get_extension_flags(pointer)
        guard flags & UInt32(EXFLAG_INVALID) == 0 else {
            ERR_clear_error()
            throw .malformed("an extension of the certificate cannot be read")
        }
        keyUsage = flags & UInt32(EXFLAG_KUSAGE) != 0 ? X509_get_key_usage(pointer) : nil
        extendedKeyUsage = X509Memory.purposes(pointer)
        (dnsNames, emails, addresses) = X509Memory.alternativeNames(pointer)
        ocspAddresses = X509Memory.lines(strongroom_authority_addresses(pointer, NID_ad_OCSP))
        issuerAddresses = X509Memory.lines(strongroom_authority_addresses(pointer, NID_ad_ca_issuers))
        revocationListAddresses = X509Memory.lines(strongroom_crl_addresses(pointer, NID_crl_distribution_points))
        deltaListAddresses = X509Memory.lines(strongroom_crl_addresses(pointer, NID_freshest_crl))
        ERR_clear_error()
    }

    /// PEM (RFC 7468).
    package var pem: String { PEM.encode(der, label: "CERTIFICATE") }

    /// Whether it names itself as its issuer and its own key signed it, whatever it may be used for.
    package func isSelfSigned(engine: CryptoEngine) -> Bool {
        guard let pointer = try? X509Memory.parse(der, engine) else { return false }
        defer {
            X509_free(pointer)
            ERR_clear_error()
        }
        return X509_NAME_cmp(X509_get_subject_name(pointer), X509_get_issuer_name(pointer)) == 0
            && X509_verify(pointer, X509_get0_pubkey(pointer)) == 1
    }

    /// Whether `issuer` signed this certificate and is named as its issuer.
    package func isIssued(by issuer: Certificate, engine: CryptoEngine) -> Bool {
        guard let child = try? X509Memory.parse(der, engine) else { return false }
        defer { X509_free(child) }
        guard let parent = try? X509Memory.parse(issuer.der, engine) else { return false }
        defer {
            X509_free(parent)
            ERR_clear_error()
        }
        return X509_check_issued(parent, child) == X509_V_OK && X509_verify(child, X509_get0_pubkey(parent)) == 1
    }
}

/// Reads the parts of certificates out of libcrypto's structures.
enum X509Memory {
    /// - Returns: a certificate that the caller frees and does not change.
    static func parse(_ der: [UInt8], _ engine: CryptoEngine) throws(CryptoError) -> OpaquePointer {
        if let known = engine.certificates.find(der) { return known }
        guard der.count <= 1 << 20, let empty = X509_new_ex(engine.context, nil) as OpaquePointer? else {
            throw .malformed("certificate")
        }
        var isWhole = false
        let read: OpaquePointer? = der.withUnsafeBufferPointer { bytes in
            var start = bytes.baseAddress
            var pointer: OpaquePointer? = empty
            // Frees what it was given when it fails.
            guard d2i_X509(&pointer, &start, bytes.count) != nil else { return nil }
            isWhole = start == bytes.baseAddress! + bytes.count
            return pointer
        }
        guard let target = read, isWhole else {
            X509_free(read)
            ERR_clear_error()
            throw .malformed("the certificate cannot be read")
        }
        engine.certificates.keep(der, target)
        return target
    }

    /// The lines of a text that is freed here.
    static func lines(_ text: UnsafeMutablePointer<CChar>?) -> [String] {
        guard let text else { return [] }
        defer { strongroom_free(text) }
        return String(cString: text).split(separator: "\n").map(String.init)
    }

    static func time(_ time: UnsafePointer<ASN1_TIME>?) -> Timestamp? {
        var broken = tm()
        guard let time, ASN1_TIME_to_tm(time, &broken) == 1 else { return nil }
        let text = [broken.tm_year + 1_900, broken.tm_mon + 1, broken.tm_mday].map { Int($0) }
        let days = CivilDate(year: Int64(text[0]), month: Int64(text[1]), day: Int64(text[2])).daysSinceEpoch
        return Timestamp(
            epochSeconds: days * 86_400 + Int64(broken.tm_hour) * 3_600 + Int64(broken.tm_min) * 60
                + Int64(broken.tm_sec))
    }

    static func text(of name: OpaquePointer?) -> String {
        guard let output = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(output) }
        // RFC 2253 order and escapes, UTF-8 left as it is, ", " between parts as the service writes it.
        let flags =
            UInt(XN_FLAG_SEP_CPLUS_SPC) | UInt(XN_FLAG_DN_REV) | UInt(ASN1_STRFLGS_ESC_2253)
            | UInt(ASN1_STRFLGS_ESC_CTRL) | UInt(ASN1_STRFLGS_UTF8_CONVERT) | UInt(XN_FLAG_FN_SN)
        guard X509_NAME_print_ex(output, name, 0, flags) >= 0 else { return "" }
        var bytes: UnsafeMutablePointer<CChar>?
        let count = strongroom_bio_bytes(output, &bytes)
        guard count > 0, let bytes else { return "" }
        return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    static func serial(_ certificate: OpaquePointer) -> [UInt8] {
        guard let number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nil) else { return [] }
        defer { BN_free(number) }
        var bytes = [UInt8](repeating: 0, count: Int((BN_num_bits(number) + 7) / 8))
        BN_bn2bin(number, &bytes)
        return bytes
    }

    static func publicKey(_ key: OpaquePointer?) -> (PublicKey?, KeySpecification?) {
        guard let key else { return (nil, nil) }
        func number(_ name: String, _ size: Int?) -> [UInt8]? {
            var number: OpaquePointer?
            guard EVP_PKEY_get_bn_param(key, name, &number) == 1, let number else { return nil }
            defer { BN_free(number) }
            let count = size ?? Int((BN_num_bits(number) + 7) / 8)
            var bytes = [UInt8](repeating: 0, count: count)
            return BN_bn2binpad(number, &bytes, Int32(count)) == Int32(count) ? bytes : nil
        }
        defer { ERR_clear_error() }
        if EVP_PKEY_is_a(key, "RSA") == 1, let n = number("n", nil), let e = number("e", nil) {
            return (.rsa(n: n, e: e), .rsa(bits: Int(EVP_PKEY_get_bits(key))))
        }
        if EVP_PKEY_is_a(key, "ED25519") == 1 {
            var bytes = [UInt8](repeating: 0, count: 32)
            var count = 32
            guard EVP_PKEY_get_raw_public_key(key, &bytes, &count) == 1 else { return (nil, nil) }
            return (.ed25519(x: bytes), .ed25519)
        }
        guard EVP_PKEY_is_a(key, "EC") == 1 else { return (nil, nil) }
        var name = [CChar](repeating: 0, count: 64)
        var count = 0
        guard EVP_PKEY_get_group_name(key, &name, name.count, &count) == 1 else { return (nil, nil) }
        let curve: EllipticCurve? =
            switch String(decoding: name[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) {
            case "prime256v1", "P-256": .p256
            case "secp384r1", "P-384": .p384
            case "secp521r1", "P-521": .p521
            case "secp256k1": .p256K
            default: nil
            }
        guard let curve, let x = number("qx", curve.byteCount), let y = number("qy", curve.byteCount) else {
            return (nil, nil)
        }
        return (.ec(curve, x: x, y: y), .ec(curve))
    }

    /// The object identifiers of the extended key usage.
    static func purposes(_ certificate: OpaquePointer) -> [String] {
        let index = X509_get_ext_by_NID(certificate, NID_ext_key_usage, -1)
        guard index >= 0, let ext = X509_get_ext(certificate, index) else { return [] }
        return identifiers(listed(ext))
    }

    /// Names of libcrypto's as object identifiers.
    static func identifiers(_ names: [String]) -> [String] {
        names.compactMap { name in
            guard let object = OBJ_txt2obj(name, 0) else { return nil }
            defer { ASN1_OBJECT_free(object) }
            var text = [CChar](repeating: 0, count: 128)
            let count = OBJ_obj2txt(&text, 128, object, 1)
            guard count > 0 else { return nil }
            return String(decoding: text.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    static func alternativeNames(_ certificate: OpaquePointer) -> (
        dns: [String], emails: [String], addresses: [String]
    ) {
        let index = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1)
        guard index >= 0, let ext = X509_get_ext(certificate, index) else { return ([], [], []) }
        var (dns, emails, addresses): ([String], [String], [String]) = ([], [], [])
        for name in names(in: ext).names {
            if name.hasPrefix("DNS:") { dns.append(String(name.dropFirst(4))) }
            if name.hasPrefix("email:") { emails.append(String(name.dropFirst(6))) }
            if name.hasPrefix("IP Address:") { addresses.append(String(name.dropFirst(11))) }
        }
        return (dns, emails, addresses)
    }

    /// The names of an extension of alternative names, and whether one had to be left out.
    static func names(in ext: OpaquePointer) -> (names: [String], isWhole: Bool) {
        var unreadable: Int32 = 0
        let names = lines(strongroom_alternative_names(ext, &unreadable))
        return (names, unreadable == 0)
    }

    /// The parts of an extension as libcrypto prints them.
    static func listed(_ ext: OpaquePointer) -> [String] {
        guard let output = BIO_new(BIO_s_mem()) else { return [] }
        defer { BIO_free(output) }
        guard X509V3_EXT_print(output, ext, 0, 0) == 1 else { return [] }
        var bytes: UnsafeMutablePointer<CChar>?
        let count = strongroom_bio_bytes(output, &bytes)
        guard count > 0, let bytes else { return [] }
        let text = String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
        return text.split(separator: ",").map { part in
            var part = part
            while part.first == " " || part.first == "\n" { part.removeFirst() }
            while part.last == " " || part.last == "\n" { part.removeLast() }
            return String(part)
        }
    }
}

/// PEM (RFC 7468).
package enum PEM {
    package static func encode(_ der: [UInt8], label: String) -> String {
        let base64 = Array(Base64.encode(der).utf8)
        var text = Array("-----BEGIN \(label)-----\n".utf8)
        text.reserveCapacity(base64.count + base64.count / 64 + 80)
        for start in stride(from: 0, to: base64.count, by: 64) {
            text += base64[start..<min(start + 64, base64.count)]
            text.append(UInt8(ascii: "\n"))
        }
        text += "-----END \(label)-----\n".utf8
        return String(decoding: text, as: UTF8.self)
    }

    /// The blocks of a text in their order; nil when one of them is broken.
    package static func decode(_ text: String) -> [(label: String, der: [UInt8])]? {
        var blocks: [(label: String, der: [UInt8])] = []
        var label: String?
        var body = ""
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.trimmingBlanks
            if line.hasPrefix("-----BEGIN "), line.hasSuffix("-----") {
                guard label == nil else { return nil }
                label = String(line.dropFirst(11).dropLast(5))
                body = ""
            } else if line.hasPrefix("-----END "), line.hasSuffix("-----") {
                guard let begun = label, begun == line.dropFirst(9).dropLast(5), let der = Base64.decode(body) else {
                    return nil
                }
                blocks.append((begun, der))
                label = nil
            } else if label != nil {
                body += line
            }
        }
        return label == nil ? blocks : nil
    }
}

extension Substring {
    fileprivate var trimmingBlanks: Substring {
        var text = self
        while text.first == " " || text.first == "\t" { text.removeFirst() }
        while text.last == " " || text.last == "\t" { text.removeLast() }
        return text
    }
}
