import ArgumentParser
import Cryptography
import Domain
import FoundationEssentials
import House
import NIOHTTP1
import X509

extension CertificateCommand {
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a certificate: chain, names, usage, dates, revocation, and whether its key is its own.",
            discussion: """
                Trusted are the certificates of --trusted; otherwise those of the system and the authorities of the vault that sign
                themselves. Lists and status are fetched from where the certificates say. The exit status is 1 when a check failed.
                """)
        @Argument(help: "The name of the certificate.") var name: String
        @Option(help: "The version. [default: the newest]") var version: String?
        @Option(help: "A host that it must be for.") var host: String?
        @Option(help: "What it must be usable as: server, client, codeSigning or any. [default: what it claims]")
        var usage: CertificateCheck.Usage?
        @Option(help: "A PEM bundle of the authorities that are trusted.") var trusted: String?
        @Option(help: "text or json.") var output = OutputFormat.text
        @OptionGroup var place: Authority.Place

        private struct Bundle: Decodable {
            let id: String
            let kid: String
            let cer: String
        }

        private struct Chain: Decodable {
            let x5c: [String]
        }

        func run() async throws {
            let name = try Authority.validated(name)
            if let version, ObjectVersion(version) == nil {
                throw CommandFailure.usage("'\(version)' is not a version")
            }
            let reach = try place.reach()
            let engine = try CryptoEngine()
            let path = "/certificates/\(name)" + (version.map { "/\($0)" } ?? "")
            let bundle = try Bundle.fromJSON(try await reach.client.call(.GET, vault: reach.address, path))
            let shown = bundle.id.split(separator: "/").last.map(String.init) ?? ""
            let chain = try Chain.fromJSON(
                try await reach.client.call(.GET, vault: reach.address, "/certificates/\(name)/\(shown)/chain")
            ).x5c.map { try Self.certificate($0, engine) }
            guard let leaf = chain.first else { throw CommandFailure("the server showed no certificate") }
            let others = Array(chain.dropFirst())
            let anchors = try await anchors(for: chain, reach, engine)
            let (key, failure) = try await key(bundle.kid, reach)
            let check = CertificateCheck(
                leaf: leaf, others: others, anchors: anchors, engine: engine, now: Timestamp.systemNow)
            let findings = await check.findings(host: host, usage: usage, key: key, keyFailure: failure)
            print(findings)
            if findings.contains(where: { $0.result == .failed }) { throw ExitCode(1) }
        }

        private static func certificate(_ text: String, _ engine: CryptoEngine) throws -> Certificate {
            guard let der = Base64.decode(text), let certificate = try? Certificate(der: der, engine: engine) else {
                throw CommandFailure("the server showed a certificate that cannot be read")
            }
            return certificate
        }

        // MARK: Trust

        private static let systemBundle = "/etc/ssl/certs/ca-certificates.crt"

        private func anchors(for chain: [Certificate], _ reach: Authority.Reach, _ engine: CryptoEngine) async throws
            -> [Certificate]
        {
            if let trusted {
                let found = try Self.bundle(trusted, engine)
                guard !found.isEmpty else { throw CommandFailure.usage("the file '\(trusted)' holds no certificate") }
                return Self.above(chain, in: found)
            }
            let system = (try? Self.bundle(Self.systemBundle, engine)) ?? []
            return Self.above(chain, in: system) + (try await authorities(chain, reach, engine))
        }

        /// Of the many that are trusted those that can stand above a chain.
        private static func above(_ chain: [Certificate], in trusted: [Certificate]) -> [Certificate] {
            var wanted = Set(chain.flatMap { [$0.issuer, $0.subject] })
            var found: [Certificate] = []
            var rest = trusted
            while let index = rest.firstIndex(where: { wanted.contains($0.subject) }),
                found.count < CertificateChain.mostCertificates / 2
            {
                let next = rest.remove(at: index)
                wanted.insert(next.issuer)
                found.append(next)
            }
            return found
        }

        private static func bundle(_ file: String, _ engine: CryptoEngine) throws -> [Certificate] {
            guard let bytes = DataFolder.read(file: file),
                let blocks = PEM.decode(String(decoding: bytes, as: UTF8.self))
            else { throw CommandFailure.usage("the file '\(file)' cannot be read as PEM") }
            return blocks.compactMap { try? Certificate(der: $0.der, engine: engine) }
        }

        private struct Page: Decodable {
            struct Item: Decodable {
                let id: String
                let subject: String
            }
            let value: [Item]
            let nextLink: String?
        }

        /// The authorities of the vault that sign themselves; none for who may not see them.
        private func authorities(_ chain: [Certificate], _ reach: Authority.Reach, _ engine: CryptoEngine) async throws
            -> [Certificate]
        {
            let wanted = Set(chain.flatMap { [$0.issuer, $0.subject] })
            var found: [Certificate] = []
            var next: String? = "/authorities"
            while let path = next {
                let answer = try await reach.client.exchange(.GET, vault: reach.address, path)
                guard answer.status == 200, let page = try? Page.fromJSON(answer.body) else { return found }
                for item in page.value where wanted.contains(item.subject) {
                    // …/certificates/NAME or …/certificates/NAME/authority
                    let parts = item.id.split(separator: "/")
                    guard let place = parts.firstIndex(of: "certificates"), parts.count > place + 1 else { continue }
                    let answer = try await reach.client.exchange(
                        .GET, vault: reach.address, "/certificates/\(parts[place + 1])")
                    guard answer.status == 200, let bundle = try? Bundle.fromJSON(answer.body) else { continue }
                    let certificate = try Self.certificate(bundle.cer, engine)
                    if certificate.isSelfSigned(engine: engine) { found.append(certificate) }
                }
                next = page.nextLink.flatMap { ManagementClient.path(of: $0) }
            }
            return found
        }

        // MARK: The key

        private struct KeyAnswer: Decodable {
            struct Key: Decodable {
                let kty: String
                let n: String?
                let e: String?
                let crv: String?
                let x: String?
                let y: String?
            }
            let key: Key
        }

        private func key(_ identifier: String, _ reach: Authority.Reach) async throws -> (PublicKey?, String?) {
            guard let path = ManagementClient.path(of: identifier) else {
                return (nil, "its key has no identifier")
            }
            let answer = try await reach.client.exchange(.GET, vault: reach.address, path)
            if answer.status == 403 { return (nil, nil) }
            guard answer.status == 200, let key = try? KeyAnswer.fromJSON(answer.body).key else {
                return (
                    nil,
                    "the key of this version cannot be had: \(ManagementClient.refusal(answer.status, answer.body).text)"
                )
            }
            func bytes(_ text: String?) -> [UInt8] { text.flatMap { Base64.decodeURL($0) } ?? [] }
            if let curve = key.crv.flatMap({ EllipticCurve($0) }) {
                return (.ec(curve, x: bytes(key.x), y: bytes(key.y)), nil)
            }
            if key.n != nil { return (.rsa(n: bytes(key.n), e: bytes(key.e)), nil) }
            return (.ed25519(x: bytes(key.x)), nil)
        }

        // MARK: Output

        private func print(_ findings: [CertificateCheck.Finding]) {
            switch output {
            case .text:
                for finding in findings {
                    let check = finding.check.padding(to: 7)
                    Terminal.print("\(check)\(finding.result.rawValue.padding(to: 9))\(finding.detail)")
                }
            case .json:
                var json = JSONWriter()
                json.array { list in
                    for finding in findings {
                        list.object { entry in
                            entry.member("check", finding.check)
                            entry.member("result", finding.result.rawValue)
                            entry.member("detail", finding.detail)
                        }
                    }
                }
                Terminal.print(String(decoding: json.bytes, as: UTF8.self))
            }
        }
    }
}

extension CertificateCheck.Usage: ExpressibleByArgument {}

extension String {
    fileprivate func padding(to width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
