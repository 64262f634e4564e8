internal import COpenSSL
package import Cryptography
package import Domain

/// Verification of chains (RFC 5280 §6).
package struct CertificateChain: Sendable {
    package enum Purpose: Sendable {
        case any, tlsServer, tlsClient, codeSigning, ocspSigning, timestamping

        var code: Int32 {
            switch self {
            case .any: X509_PURPOSE_ANY
            case .tlsServer: X509_PURPOSE_SSL_SERVER
            case .tlsClient: X509_PURPOSE_SSL_CLIENT
            // libcrypto 3.0 has no purpose for code signing: usage is looked at apart.
            case .codeSigning: X509_PURPOSE_ANY
            case .ocspSigning: X509_PURPOSE_OCSP_HELPER
            case .timestamping: X509_PURPOSE_TIMESTAMP_SIGN
            }
        }
    }

    package struct Verdict: Sendable {
        /// libcrypto's code; zero when the chain holds.
        package let code: Int32
        /// In words, with the place in the chain.
        package let text: String

        package var holds: Bool { code == X509_V_OK }
    }

    /// Chains and containers beyond these bounds are refused before any work.
    package static let mostCertificates = 64
    private static let mostDepth: Int32 = 10

    private let engine: CryptoEngine
    private let anchors: [Certificate]
    private let intermediates: [Certificate]

    /// - Parameters:
    ///   - anchors: what is trusted; need not sign themselves when `allowsPartial` is asked for.
    package init(anchors: [Certificate], intermediates: [Certificate], engine: CryptoEngine) {
        (self.anchors, self.intermediates, self.engine) = (anchors, intermediates, engine)
    }

    /// - Parameters:
    ///   - lists: revocation lists (DER); when there are any, every certificate of the chain must be covered.
    ///   - host: a name or an IP address that the leaf must be for.
    ///   - allowsPartial: any anchor ends the chain, not only one that signs itself. Not together with `lists`: libcrypto would ask for a
    ///     list that covers the anchor.
    ///   - strength: the level of SSL_CTX_set_security_level(3) that keys and signatures must reach: 2 is 112 bits.
    package func verify(
        _ leaf: Certificate, at now: Timestamp, purpose: Purpose = .any, lists: [[UInt8]] = [], host: String? = nil,
        allowsPartial: Bool = false, strength: Int32 = 0
    ) throws(CryptoError) -> Verdict {
        defer { ERR_clear_error() }
        guard anchors.count + intermediates.count <= Self.mostCertificates, lists.count <= Self.mostCertificates else {
            throw .malformed("there are more than \(Self.mostCertificates) certificates or lists")
        }
        guard lists.isEmpty || !allowsPartial else {
            throw .malformed("a chain that ends in the middle cannot be checked against revocation lists")
        }
        guard let store = X509_STORE_new(), let context = X509_STORE_CTX_new_ex(engine.context, nil),
            let untrusted = strongroom_x509_stack(), let revocations = strongroom_crl_stack()
        else { throw .failed("verification") }
        defer {
            X509_STORE_CTX_free(context)
            X509_STORE_free(store)
            strongroom_x509_free_stack(untrusted)
            strongroom_crl_free_stack(revocations)
        }
        for anchor in anchors {
            let pointer = try X509Memory.parse(anchor.der, engine)
            _ = X509_STORE_add_cert(store, pointer)
            X509_free(pointer)
        }
        for other in intermediates { _ = strongroom_x509_push(untrusted, try X509Memory.parse(other.der, engine)) }
        for list in lists { _ = strongroom_crl_push(revocations, try RevocationList.parse(list, engine)) }
        let target = try X509Memory.parse(leaf.der, engine)
        defer { X509_free(target) }
        guard X509_STORE_CTX_init(context, store, target, untrusted) == 1 else { throw .failed("verification") }
        X509_STORE_CTX_set0_crls(context, revocations)
        let parameters = X509_STORE_CTX_get0_param(context)
        X509_VERIFY_PARAM_set_time(parameters, Int(now.epochSeconds))
        X509_VERIFY_PARAM_set_depth(parameters, Self.mostDepth)
        if strength > 0 { X509_VERIFY_PARAM_set_auth_level(parameters, strength) }
        if purpose.code != X509_PURPOSE_ANY { X509_VERIFY_PARAM_set_purpose(parameters, purpose.code) }
        var flags = UInt(X509_V_FLAG_POLICY_CHECK)
        if allowsPartial { flags |= UInt(X509_V_FLAG_PARTIAL_CHAIN) }
        if !lists.isEmpty {
            flags |=
                UInt(X509_V_FLAG_CRL_CHECK) | UInt(X509_V_FLAG_CRL_CHECK_ALL) | UInt(X509_V_FLAG_EXTENDED_CRL_SUPPORT)
                | UInt(X509_V_FLAG_USE_DELTAS)
        }
        // Any policy will do; without one an authority that asks for an explicit policy has none.
        if let policy = OBJ_nid2obj(NID_any_policy) { X509_VERIFY_PARAM_add0_policy(parameters, policy) }
        X509_VERIFY_PARAM_set_flags(parameters, flags)
        if let host {
            // RFC 9525 §6.3: names are the alternative ones; the subject's common name does not count.
            X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
            guard
                X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1
                    || X509_VERIFY_PARAM_set1_host(parameters, host, host.utf8.count) == 1
            else { throw .malformed("host") }
        }
        let holds = X509_verify_cert(context) == 1
        let code = X509_STORE_CTX_get_error(context)
        if holds {
            if purpose == .codeSigning, !leaf.extendedKeyUsage.contains("1.3.6.1.5.5.7.3.3") {
                return Verdict(code: X509_V_ERR_INVALID_PURPOSE, text: "the certificate is not for signing code")
            }
            return Verdict(code: X509_V_OK, text: "ok")
        }
        let text = X509_verify_cert_error_string(Int(code)).map { String(cString: $0) } ?? "error \(code)"
        let place = X509_STORE_CTX_get_error_depth(context)
        return Verdict(
            code: code == X509_V_OK ? X509_V_ERR_UNSPECIFIED : code,
            text: place == 0 ? text : "\(text) (certificate \(place) above the leaf)")
    }
}
