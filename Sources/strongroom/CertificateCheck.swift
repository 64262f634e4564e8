import Cryptography
import Domain
import HTTPSClient
import X509

/// What a certificate is worth to those who meet it: looked at from outside, with what it says of itself.
struct CertificateCheck: Sendable {
    enum Result: String, Sendable { case ok, note, failed, skipped }

    struct Finding: Sendable {
        let check: String
        let result: Result
        let detail: String
    }

    enum Usage: String, CaseIterable, Sendable {
        case server, client, codeSigning, any

        var purpose: CertificateChain.Purpose {
            switch self {
            case .server: .tlsServer
            case .client: .tlsClient
            case .codeSigning: .codeSigning
            case .any: .any
            }
        }

        var identifier: String? {
            switch self {
            case .server: "1.3.6.1.5.5.7.3.1"
            case .client: "1.3.6.1.5.5.7.3.2"
            case .codeSigning: "1.3.6.1.5.5.7.3.3"
            case .any: nil
            }
        }
    }

    let leaf: Certificate
    /// What came with it.
    let others: [Certificate]
    /// What is trusted.
    let anchors: [Certificate]
    let engine: CryptoEngine
    let now: Timestamp

    /// From the leaf upwards as far as issuers are known.
    private var path: [Certificate] {
        var path = [leaf]
        while path.count < 10, let last = path.last, !last.isSelfSigned(engine: engine),
            let issuer = (others + anchors).first(where: { last.isIssued(by: $0, engine: engine) })
        {
            path.append(issuer)
        }
        return path
    }

    func findings(host: String?, usage: Usage?, key: PublicKey?, keyFailure: String?) async -> [Finding] {
        [chain, names(host), self.usage(usage), dates, await lists(), await status(), matches(key, keyFailure)]
    }

    /// 112 bits, as NIST SP 800-131A asks.
    private static let strength: Int32 = 2

    private var chain: Finding {
        let names = path.map(\.subject).joined(separator: " <- ")
        if leaf.isSelfSigned(engine: engine), !anchors.contains(leaf) {
            return Finding(
                check: "chain", result: .note, detail: "it signs itself: \(names); who uses it must be given it")
        }
        do throws(CryptoError) {
            let verdict = try CertificateChain(anchors: anchors, intermediates: others, engine: engine).verify(
                leaf, at: now, strength: Self.strength)
            return Finding(
                check: "chain", result: verdict.holds ? .ok : .failed,
                detail: verdict.holds ? names : "\(verdict.text): \(names)")
        } catch { return Finding(check: "chain", result: .failed, detail: Self.text(error)) }
    }

    /// Looks at the leaf alone, as if it were trusted.
    private func verify(purpose: CertificateChain.Purpose = .any, host: String? = nil) -> CertificateChain.Verdict? {
        try? CertificateChain(anchors: [leaf], intermediates: [], engine: engine).verify(
            leaf, at: max(leaf.notBefore, min(now, leaf.notAfter)), purpose: purpose, host: host, allowsPartial: true)
    }

    private func names(_ host: String?) -> Finding {
        let own = (leaf.dnsNames + leaf.addresses + leaf.emails).joined(separator: ", ")
        guard let host else {
            return own.isEmpty
                ? Finding(
                    check: "names", result: .note, detail: "it has no alternative names; its subject is \(leaf.subject)"
                )
                : Finding(check: "names", result: .ok, detail: own)
        }
        let holds = verify(host: host)?.holds ?? false
        return Finding(
            check: "names", result: holds ? .ok : .failed,
            detail: holds ? "it is for \(host)" : "it is not for \(host), but for \(own.isEmpty ? leaf.subject : own)")
    }

    private func usage(_ wanted: Usage?) -> Finding {
        let claimed = Usage.allCases.filter { $0.identifier.map(leaf.extendedKeyUsage.contains) ?? false }
        let usages = wanted.map { [$0] } ?? claimed
        for usage in usages where usage != .any {
            guard let verdict = verify(purpose: usage.purpose), verdict.holds else {
                return Finding(check: "usage", result: .failed, detail: "it cannot be used as \(usage.rawValue)")
            }
        }
        let text = usages.map(\.rawValue).joined(separator: ", ")
        return Finding(check: "usage", result: .ok, detail: text.isEmpty ? "it names no extended use" : text)
    }

    private var dates: Finding {
        func day(_ time: Timestamp) -> String { String(time.iso8601.prefix(10)) }
        let span = "\(day(leaf.notBefore)) to \(day(leaf.notAfter))"
        if now < leaf.notBefore {
            return Finding(check: "dates", result: .failed, detail: "it is not valid yet: \(span)")
        }
        if now > leaf.notAfter { return Finding(check: "dates", result: .failed, detail: "it has expired: \(span)") }
        if let early = path.dropFirst().first(where: { $0.notAfter < leaf.notAfter }), early.notAfter - now < .days(30)
        {
            return Finding(
                check: "dates", result: early.notAfter < now ? .failed : .note,
                detail: "\(early.subject) above it ends on \(day(early.notAfter))")
        }
        guard leaf.notAfter - now >= .days(30) else {
            return Finding(check: "dates", result: .note, detail: "it ends in less than 30 days: \(span)")
        }
        return Finding(check: "dates", result: .ok, detail: span)
    }

    private func matches(_ key: PublicKey?, _ failure: String?) -> Finding {
        guard let key else {
            return Finding(
                check: "key", result: failure == nil ? .skipped : .failed, detail: failure ?? "not looked at")
        }
        return key == leaf.publicKey
            ? Finding(check: "key", result: .ok, detail: "the key of this version is that of the certificate")
            : Finding(
                check: "key", result: .failed, detail: "the key of this version is another than that of the certificate"
            )
    }

    // MARK: Revocation

    private static let client = HTTPSClient(mostBytes: 32 << 20, timeout: .seconds(30), allowsPlain: true)

    private static func fetch(_ method: String, _ address: String, type: String? = nil, body: [UInt8] = [])
        async throws(HTTPSClient.Failure) -> [UInt8]
    {
        let answer = try await client.exchange(
            method, address, headers: type.map { [("Content-Type", $0)] } ?? [], body: body)
        guard answer.status == 200 else {
            throw HTTPSClient.Failure("\(address) answered with status \(answer.status)")
        }
        return answer.body
    }

    /// Pairs of a certificate and its issuer, from the leaf upwards.
    private var links: [(certificate: Certificate, issuer: Certificate)] {
        let path = path
        return zip(path, path.dropFirst()).map { (certificate: $0, issuer: $1) }
    }

    private func lists() async -> Finding {
        var told: [String] = []
        for (certificate, issuer) in links where !certificate.revocationListAddresses.isEmpty {
            do {
                let list = try await list(
                    certificate.revocationListAddresses, issuer, for: certificate, isDelta: false)
                var entry = list.entry(of: certificate.serialNumber, engine: engine)
                if let delta = certificate.deltaListAddresses.first {
                    let changes = try await self.list([delta], issuer, for: certificate, isDelta: true)
                    entry = changes.entry(of: certificate.serialNumber, engine: engine) ?? entry
                }
                if let entry, entry.reason != .removeFromCRL {
                    return Finding(
                        check: "crl", result: .failed,
                        detail:
                            "\(certificate.subject) was revoked on \(entry.revoked.iso8601.prefix(10)): \(entry.reason.text)"
                    )
                }
                told.append("\(certificate.subject) is not on the list of \(list.thisUpdate.iso8601.prefix(16))Z")
            } catch { return Finding(check: "crl", result: .failed, detail: Self.text(error)) }
        }
        return told.isEmpty
            ? Finding(check: "crl", result: .skipped, detail: "no certificate of the path names a list")
            : Finding(check: "crl", result: .ok, detail: told.joined(separator: "; "))
    }

    private func list(
        _ addresses: [String], _ issuer: Certificate, for certificate: Certificate, isDelta: Bool
    ) async throws -> RevocationList {
        guard let address = addresses.first(where: { $0.hasPrefix("http") }) else {
            throw HTTPSClient.Failure("its revocation list is not had over HTTP")
        }
        let list = try RevocationList(der: try await Self.fetch("GET", address), engine: engine)
        guard list.isIssued(by: issuer, engine: engine) else {
            throw HTTPSClient.Failure("the list at \(address) is not signed by \(issuer.subject)")
        }
        guard list.covers(authorities: certificate.isAuthority), (list.baseNumber != nil) == isDelta else {
            throw HTTPSClient.Failure("the list at \(address) does not speak for \(certificate.subject)")
        }
        guard list.thisUpdate <= now + .minutes(5), list.nextUpdate.map({ now < $0 }) ?? true else {
            throw HTTPSClient.Failure("the list at \(address) is not of this time")
        }
        return list
    }

    private func status() async -> Finding {
        var told: [String] = []
        for (certificate, issuer) in links {
            guard let address = certificate.ocspAddresses.first(where: { $0.hasPrefix("http") }) else { continue }
            do {
                let query = try OCSP.request(certificate, issuer: issuer, engine: engine)
                let der = try await Self.fetch("POST", address, type: "application/ocsp-request", body: query)
                let answer = try OCSP.answer(der, about: certificate, issuer: issuer, at: now, engine: engine)
                switch answer.status {
                case .good: told.append("\(certificate.subject) is good as of \(answer.thisUpdate.iso8601.prefix(16))Z")
                case .revoked(let time, let reason):
                    return Finding(
                        check: "ocsp", result: .failed,
                        detail: "\(certificate.subject) was revoked on \(time.iso8601.prefix(10)): \(reason.text)")
                case .unknown:
                    return Finding(
                        check: "ocsp", result: .failed, detail: "the responder does not know \(certificate.subject)")
                }
            } catch { return Finding(check: "ocsp", result: .failed, detail: Self.text(error)) }
        }
        return told.isEmpty
            ? Finding(check: "ocsp", result: .skipped, detail: "no certificate of the path names a responder")
            : Finding(check: "ocsp", result: .ok, detail: told.joined(separator: "; "))
    }

    private static func text(_ error: any Error) -> String {
        switch error {
        case let error as HTTPSClient.Failure: error.text
        case CryptoError.malformed(let text): text
        default: "\(error)"
        }
    }
}
