internal import COpenSSL
package import Cryptography
package import Domain

/// Why a certificate was revoked (RFC 5280 §5.3.1).
package enum RevocationReason: Int, Sendable, CaseIterable, Codable {
    case unspecified = 0
    case keyCompromise = 1
    case cACompromise = 2
    case affiliationChanged = 3
    case superseded = 4
    case cessationOfOperation = 5
    case certificateHold = 6
    case removeFromCRL = 8
    case privilegeWithdrawn = 9
    case aACompromise = 10

    /// As RFC 5280 spells it.
    package var text: String { "\(self)" }

    package init?(_ text: String) {
        guard let found = Self.allCases.first(where: { $0.text.lowercased() == text.lowercased() }) else { return nil }
        self = found
    }
}

/// A certificate revocation list (RFC 5280 §5), read.
package struct RevocationList: Sendable {
    package let der: [UInt8]
    package let issuer: String
    package let thisUpdate: Timestamp
    package let nextUpdate: Timestamp?
    /// Nil when the list has none.
    package let number: Int?
    /// The number of the list that this one changes; nil for a full list.
    package let baseNumber: Int?
    package let count: Int
    /// What `strongroom_crl_reach` told.
    private let reach: Int32

    /// Whether the list speaks for certificates of authorities, or for those of others; and everything critical in it is understood.
    package func covers(authorities: Bool) -> Bool { reach & ~(authorities ? 2 : 1) == 0 }

    package struct Entry: Sendable {
        package let serialNumber: [UInt8]
        package let revoked: Timestamp
        package let reason: RevocationReason

        package init(serialNumber: [UInt8], revoked: Timestamp, reason: RevocationReason) {
            (self.serialNumber, self.revoked, self.reason) = (serialNumber, revoked, reason)
        }
    }

    private static let mostBytes = 32 << 20

    /// - Throws: `.malformed` when it cannot be read or its times make no sense.
    package init(der: [UInt8], engine: CryptoEngine) throws(CryptoError) {
        let list = try Self.parse(der, engine)
        defer {
            X509_CRL_free(list)
            ERR_clear_error()
        }
        guard let start = X509Memory.time(X509_CRL_get0_lastUpdate(list)) else {
            throw .malformed("the times of the revocation list cannot be read")
        }
        self.der = der
        issuer = X509Memory.text(of: X509_CRL_get_issuer(list))
        thisUpdate = start
        nextUpdate = X509_CRL_get0_nextUpdate(list).flatMap { X509Memory.time($0) }
        let numbers = [NID_crl_number, NID_delta_crl].map { strongroom_crl_number(list, $0) }
        number = numbers[0] < 0 ? nil : numbers[0]
        baseNumber = numbers[1] < 0 ? nil : numbers[1]
        count = Int(strongroom_crl_count(list))
        reach = strongroom_crl_reach(list)
    }

    static func parse(_ der: [UInt8], _ engine: CryptoEngine) throws(CryptoError) -> OpaquePointer {
        guard der.count <= mostBytes, let target = X509_CRL_new_ex(engine.context, nil) else {
            throw .malformed("the revocation list is too large")
        }
        let parsed: OpaquePointer? = der.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            var pointer: OpaquePointer? = target
            guard d2i_X509_CRL(&pointer, &start, buffer.count) != nil else { return nil }
            guard start == buffer.baseAddress! + buffer.count else {
                X509_CRL_free(pointer)
                return nil
            }
            return pointer
        }
        guard let parsed else {
            ERR_clear_error()
            throw .malformed("the revocation list cannot be read")
        }
        return parsed
    }

    /// Whether `issuer` signed the list.
    package func isIssued(by issuer: Certificate, engine: CryptoEngine) -> Bool {
        guard let list = try? Self.parse(der, engine) else { return false }
        defer { X509_CRL_free(list) }
        guard let parent = try? X509Memory.parse(issuer.der, engine) else { return false }
        defer {
            X509_free(parent)
            ERR_clear_error()
        }
        return X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(parent)) == 0
            && X509_CRL_verify(list, X509_get0_pubkey(parent)) == 1
    }

    /// What the list says of a serial number; nil when it is not on it.
    package func entry(of serialNumber: [UInt8], engine: CryptoEngine) -> Entry? {
        guard let list = try? Self.parse(der, engine) else { return nil }
        defer {
            X509_CRL_free(list)
            ERR_clear_error()
        }
        let number = BN_bin2bn(serialNumber, Int32(serialNumber.count), nil)
        defer { BN_free(number) }
        guard let integer = BN_to_ASN1_INTEGER(number, nil) else { return nil }
        defer { ASN1_INTEGER_free(integer) }
        var found: OpaquePointer?
        guard X509_CRL_get0_by_serial(list, &found, integer) != 0, let found else { return nil }
        var critical: Int32 = 0
        let code = X509_REVOKED_get_ext_d2i(found, NID_crl_reason, &critical, nil)
        var reason = RevocationReason.unspecified
        if let code {
            let enumerated = code.assumingMemoryBound(to: ASN1_ENUMERATED.self)
            reason = RevocationReason(rawValue: ASN1_ENUMERATED_get(enumerated)) ?? .unspecified
            ASN1_ENUMERATED_free(enumerated)
        }
        return Entry(
            serialNumber: serialNumber,
            revoked: X509Memory.time(X509_REVOKED_get0_revocationDate(found)) ?? thisUpdate, reason: reason)
    }
}

extension CertificateBuilder {
    /// Signs a revocation list.
    ///
    /// - Parameters:
    ///   - base: the number of the list that this delta changes; nil for a full list.
    ///   - deltaAddress: where deltas are had, told in a full list.
    /// - Returns: DER.
    package func revocationList(
        _ entries: [RevocationList.Entry], issuer: Certificate, number: Int, base: Int?, thisUpdate: Timestamp,
        nextUpdate: Timestamp, deltaAddress: String?, signer: Signer
    ) throws(CryptoError) -> [UInt8] {
        let parent = try X509Memory.parse(issuer.der, engine)
        defer { X509_free(parent) }
        guard
            let list = strongroom_crl_new(
                engine.context, signer.algorithm.nid, parent, Int(thisUpdate.epochSeconds),
                Int(nextUpdate.epochSeconds))
        else { throw failure("CRL") }
        defer { X509_CRL_free(list) }
        for entry in entries {
            // "Unspecified" is told by leaving the reason out (RFC 5280 §5.3.1).
            let reason = entry.reason == .unspecified ? -1 : Int32(entry.reason.rawValue)
            guard
                strongroom_crl_add(
                    list, entry.serialNumber, Int32(entry.serialNumber.count), Int(entry.revoked.epochSeconds), reason)
                    == 1
            else { throw failure("CRL entry") }
        }
        var context = X509V3_CTX()
        X509V3_set_ctx(&context, parent, nil, nil, list, 0)
        var extensions: [(nid: Int32, value: String)] = [(NID_authority_key_identifier, "keyid:always")]
        if base == nil, let deltaAddress { extensions.append((NID_freshest_crl, "URI:" + deltaAddress)) }
        for (nid, value) in extensions {
            guard let ext = X509V3_EXT_conf_nid(nil, &context, nid, value) else { throw failure("CRL extension") }
            defer { X509_EXTENSION_free(ext) }
            guard X509_CRL_add_ext(list, ext, -1) == 1 else { throw failure("CRL extension") }
        }
        guard strongroom_crl_add_number(list, NID_crl_number, number, 0) == 1,
            base.map({ strongroom_crl_add_number(list, NID_delta_crl, $0, 1) == 1 }) ?? true,
            X509_CRL_sort(list) == 1
        else { throw failure("CRL") }
        let signature = try signer.sign(try encoded { i2d_re_X509_CRL_tbs(list, $0) })
        guard strongroom_crl_set_signature(list, signature, Int32(signature.count)) == 1 else { throw failure("CRL") }
        return try encoded { i2d_X509_CRL(list, $0) }
    }
}
