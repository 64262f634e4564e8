internal import COpenSSL
package import Cryptography
import Domain

/// What a certificate or a request is to say: names, usages, extensions.
package struct CertificateContent: Sendable {
    /// A distinguished name as text, such as `CN=example.com, O=Example`.
    package var subject: String
    package var dnsNames: [String] = []
    package var emails: [String] = []
    package var principalNames: [String] = []
    package var uris: [String] = []
    package var addresses: [String] = []
    /// Names of the policy: `digitalSignature` and so on.
    package var keyUsage: [String] = []
    /// Object identifiers.
    package var extendedKeyUsage: [String] = []
    package var isAuthority = false
    /// How many authorities may follow; nil for no bound.
    package var pathLength: Int?
    /// Names that certificates below an authority may have, and may not, such as `DNS:example.com` (RFC 5280 §4.2.1.10).
    package var permittedNames: [String] = []
    package var excludedNames: [String] = []
    /// Where the issuer's status service, certificate and revocation lists are had.
    package var ocspAddress: String?
    package var issuerAddress: String?
    package var revocationListAddress: String?
    package var deltaListAddress: String?
    /// DER of the subject, in place of the text: taken over from a request.
    package var encodedSubject: [UInt8]?
    /// DER of the extension of alternative names, in place of the lists: taken over from a request.
    package var encodedAlternativeNames: [UInt8]?

    package init(subject: String) { self.subject = subject }

    package static let usageNames: Set = [
        "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign",
        "cRLSign", "encipherOnly", "decipherOnly",
    ]

    /// Extensions in libcrypto's configuration form. Values are checked before: nothing here may end a line or begin a section.
    func extensions() throws(CryptoError) -> [(nid: Int32, value: String)] {
        var list: [(nid: Int32, value: String)] = []
        if !keyUsage.isEmpty { list.append((NID_key_usage, "critical," + keyUsage.joined(separator: ","))) }
        let bound = pathLength.map { ",pathlen:\($0)" } ?? ""
        list.append((NID_basic_constraints, isAuthority ? "critical,CA:TRUE\(bound)" : "CA:FALSE"))
        if !extendedKeyUsage.isEmpty { list.append((NID_ext_key_usage, extendedKeyUsage.joined(separator: ","))) }
        let names =
            dnsNames.map { "DNS:" + $0 } + emails.map { "email:" + $0 } + uris.map { "URI:" + $0 }
            + addresses.map { "IP:" + $0 } + principalNames.map { "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:" + $0 }
        guard !principalNames.contains("") else { throw .malformed("a principal name is empty") }
        for name in names where !Self.isPlain(name) { throw .malformed("the name '\(name.prefix(64))' is not valid") }
        if !names.isEmpty {
            // Without a subject the names are all there is (RFC 5280 §4.2.1.6).
            list.append((NID_subject_alt_name, (hasSubject ? "" : "critical,") + names.joined(separator: ",")))
        }
        return list + (try authorityExtensions())
    }

    package var hasSubject: Bool { encodedSubject.map { $0.count > 2 } ?? !subject.isEmpty }

    /// What an authority adds: constraints on those below it, and where its answers are had.
    private func authorityExtensions() throws(CryptoError) -> [(nid: Int32, value: String)] {
        let constraints = permittedNames.map { "permitted;" + $0 } + excludedNames.map { "excluded;" + $0 }
        let access = [ocspAddress.map { "OCSP;URI:" + $0 }, issuerAddress.map { "caIssuers;URI:" + $0 }]
            .compactMap { $0 }
        for value in constraints + access + [revocationListAddress, deltaListAddress].compactMap({ $0 }) {
            guard Self.isPlain(value) else { throw .malformed("'\(value.prefix(64))' is not valid") }
        }
        var list: [(nid: Int32, value: String)] = []
        if !constraints.isEmpty {
            list.append((NID_name_constraints, "critical," + constraints.joined(separator: ",")))
        }
        if !access.isEmpty { list.append((NID_info_access, access.joined(separator: ","))) }
        if let revocationListAddress { list.append((NID_crl_distribution_points, "URI:" + revocationListAddress)) }
        if let deltaListAddress { list.append((NID_freshest_crl, "URI:" + deltaListAddress)) }
        return list
    }

    /// Whether libcrypto's configuration syntax would take it as one value.
    private static func isPlain(_ text: String) -> Bool {
        (1...2_048).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy {
                $0.value > 0x20 && $0.value != 0x7F && !",\"\\$#".unicodeScalars.contains($0)
            }
    }

    /// - Returns: an X509_NAME that the caller frees.
    func name() throws(CryptoError) -> OpaquePointer {
        if let encodedSubject {
            let name: OpaquePointer? = encodedSubject.withUnsafeBufferPointer { buffer in
                var start = buffer.baseAddress
                return d2i_X509_NAME(nil, &start, buffer.count)
            }
            guard let name else { throw .malformed("the subject cannot be read") }
            return name
        }
        guard let name = X509_NAME_new() else { throw .failed("X.509 name") }
        do throws(CryptoError) {
            // The text begins with the most specific part, the name with the most general one.
            for (attribute, value) in try DistinguishedName.parse(subject).reversed() {
                guard
                    X509_NAME_add_entry_by_txt(name, attribute, MBSTRING_UTF8, value, Int32(value.utf8.count), -1, 0)
                        == 1
                else {
                    ERR_clear_error()
                    throw .malformed("'\(attribute)' in the subject is not valid")
                }
            }
            return name
        } catch {
            X509_NAME_free(name)
            throw error
        }
    }
}

/// A distinguished name as text (RFC 4514, with blanks after commas and the attribute names that tools write).
package enum DistinguishedName {
    private static let names: [String: String] = [
        "cn": "CN", "o": "O", "ou": "OU", "l": "L", "st": "ST", "s": "ST", "c": "C", "dc": "DC", "uid": "UID",
        "e": "emailAddress", "email": "emailAddress", "emailaddress": "emailAddress", "street": "street",
        "serialnumber": "serialNumber", "sn": "SN", "givenname": "GN", "gn": "GN", "t": "title", "title": "title",
        "postalcode": "postalCode", "dnqualifier": "dnQualifier", "initials": "initials", "pseudonym": "pseudonym",
    ]

    /// - Throws: `.malformed` naming the part.
    package static func parse(_ text: String) throws(CryptoError) -> [(attribute: String, value: String)] {
        var parts: [(attribute: String, value: String)] = []
        for part in try split(text) {
            guard let equals = part.firstIndex(of: "=") else {
                throw .malformed("the subject is not a distinguished name such as CN=example.com")
            }
            let attribute = part[..<equals].filter { $0 != " " }
            guard let known = names[attribute.lowercased()] else {
                throw .malformed("the subject has the unknown attribute '\(attribute.prefix(32))'")
            }
            let value = try unescape(part[part.index(after: equals)...])
            guard !value.isEmpty, value.utf8.count <= 256, !value.unicodeScalars.contains(where: { $0.value < 0x20 })
            else { throw .malformed("the attribute '\(attribute)' of the subject is empty or not valid") }
            parts.append((known, value))
        }
        return parts
    }

    /// At commas and semicolons that are neither escaped nor quoted.
    private static func split(_ text: String) throws(CryptoError) -> [Substring] {
        var parts: [Substring] = []
        var start = text.startIndex
        var index = start
        var isQuoted = false
        while index < text.endIndex {
            switch text[index] {
            case "\\":
                index = text.index(after: index)
                guard index < text.endIndex else { throw .malformed("the subject ends in an escape") }
            case "\"": isQuoted.toggle()
            case ",", ";":
                if !isQuoted {
                    parts.append(text[start..<index])
                    start = text.index(after: index)
                }
            default: break
            }
            index = text.index(after: index)
        }
        guard !isQuoted else { throw .malformed("a quotation in the subject has no end") }
        parts.append(text[start...])
        return text.isEmpty ? [] : parts
    }

    private static func unescape(_ text: Substring) throws(CryptoError) -> String {
        var text = text
        while text.first == " " { text.removeFirst() }
        while text.last == " " { text.removeLast() }
        var value: [UInt8] = []
        var bytes = Array(text.utf8)[...]
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): continue
            case UInt8(ascii: "\\"):
                guard let next = bytes.popFirst() else { throw .malformed("the subject ends in an escape") }
                if let high = Hex.value(of: next), let second = bytes.first, let low = Hex.value(of: second) {
                    bytes.removeFirst()
                    value.append(high << 4 | low)
                } else {
                    value.append(next)
                }
            default: value.append(byte)
            }
        }
        guard let decoded = String(validating: value, as: UTF8.self) else {
            throw .malformed("the subject is not UTF-8")
        }
        return decoded
    }
}
