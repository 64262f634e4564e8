import Barrier
import Cryptography
import Domain
import Management
import Operations
import ProviderOpenSSL
import X509

/// The security domain of a pool: downloaded in pieces for a quorum, which activates the pool; uploaded into a new pool, which then can take
/// back what the old one backed up.
///
/// - Source: Azure REST "HSM Security Domain", 7.2 to 2025-07-01.
extension Pools {
    var securityDomainOperations: [any AnyOperation] {
        let since = APIVersion.v7_2preview
        return [
            Operation(
                "SecurityDomainDownload", .post, on: .managedHSM, "/securitydomain/download",
                requires: .permission(.securityDomainDownload), since: since, status: 202, needsActivation: false,
                run: downloadSecurityDomain),
            // Clients follow the address of the answer, which names no api-version.
            Operation(
                "SecurityDomainDownloadStatus", .get, on: .managedHSM, "/securitydomain/download/pending",
                requires: .permission(.securityDomainDownload), needsActivation: false, run: getDownloadStatus),
            Operation(
                "SecurityDomainTransferKeyGet", .get, on: .managedHSM, "/securitydomain/upload",
                requires: .permission(.transferKeyRead), since: since, needsActivation: false, run: getTransferKey),
            Operation(
                "SecurityDomainUpload", .post, on: .managedHSM, "/securitydomain/upload",
                requires: .permission(.securityDomainUpload), since: since, status: 202, needsActivation: false,
                run: uploadSecurityDomain),
            Operation(
                "SecurityDomainUploadStatus", .get, on: .managedHSM, "/securitydomain/upload/pending",
                requires: .permission(.securityDomainUploadRead), needsActivation: false, run: getUploadStatus),
        ]
    }

    /// An answer, and where the state of what it began is told.
    struct Begun: OperationOutput {
        let status: String
        let body: JSONOutput

        init(_ pool: Vault, _ path: String, _ body: JSONOutput) {
            status = "https://\(pool.authority)\(path)"
            self.body = body
        }

        func response(_ call: Call) -> Response {
            var response = body.response(call)
            response.headers += [("Azure-AsyncOperation", status), ("Retry-After", "1")]
            return response
        }
    }

    private static func state(_ details: String, status: UInt16 = 200) -> JSONOutput {
        JSONOutput(status: status) { state in
            state.member("status", "Success")
            state.member("status_details", details)
        }
    }

    // MARK: Download

    struct DownloadInput: OperationInput {
        struct Key: Decodable, Sendable {
            let kty: String?
            let n: String?
            let e: String?
            let x5c: [String]?
            let x5t: String?
            let thumbprint: String?

            enum CodingKeys: String, CodingKey { case kty, n, e, x5c, x5t, thumbprint = "x5t#S256" }
        }

        static let holders = 3...10
        static let quorum = 2...10

        let keys: [Key]
        let required: Int

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let certificates: [Key]
                let required: Int?
            }
            let body = try Body.fromJSON(request.body)
            guard Self.holders.contains(body.certificates.count) else {
                throw Pools.wrong("certificates", "there must be 3 to 10")
            }
            let required = body.required ?? 2
            guard Self.quorum.contains(required), required <= body.certificates.count else {
                throw Pools.wrong("required", "it must be from 2 to 10, and at most the number of certificates")
            }
            (keys, self.required) = (body.certificates, required)
        }
    }

    static func wrong(_ property: String, _ reason: String) -> VaultError {
        .badParameter("Property '\(property)' has invalid value: \(reason).\r\n")
    }

    /// Hands out the security domain for a quorum, and activates the pool. May be done again, for other holders; what was handed out
    /// before stays good.
    func downloadSecurityDomain(_ input: DownloadInput, _ call: Call) async throws(VaultError) -> Begun {
        let pool = try call.vault()
        let holders = try holders(input.keys)
        let known = try SecurityDomain.stored(of: pool, in: call.lane.reader)
        var domain = if let known { known } else { try made(call) }
        domain.download = .init(time: call.now, required: UInt8(input.required), holders: UInt8(holders.count))
        let wanted = domain
        let file = SecurityDomainFile(engine: engine, software: software)
        let sealed = try await slowly(call) { () throws(VaultError) in
            do throws(CryptoError) { return try file.seal(wanted, for: holders, required: input.required) } catch {
                throw .internal("the security domain could not be sealed: \(error)")
            }
        }
        let name = VaultTable.Name(name: pool.name, service: .managedHSM)
        let settings = try await call.commit { transaction throws(VaultError) in
            if let other = try SecurityDomain.stored(of: pool, in: transaction), other.id != wanted.id {
                throw VaultError(.conflict, "The security domain changed meanwhile. Try again.")
            }
            try wanted.put(in: pool, transaction)
            // Nothing can be brought in any more.
            try TransferKey.remove(of: pool, transaction)
            return try Self.activate(name, transaction)
        }
        vaults.reload(name, from: call.lane.reader, committed: settings)
        return Begun(
            pool, "/securitydomain/download/pending",
            JSONOutput(status: 202) { $0.member("value", String(decoding: sealed, as: UTF8.self)) })
    }

    private func made(_ call: Call) throws(VaultError) -> SecurityDomain {
        do throws(CryptoError) { return try .make(engine: engine, now: call.now) } catch {
            throw .internal("a security domain could not be made")
        }
    }

    private static func activate(_ name: VaultTable.Name, _ transaction: Transaction) throws(VaultError)
        -> VaultTable.Settings
    {
        guard var settings = try VaultTable.settings(name, in: transaction) else {
            throw .internal("a pool has no settings")
        }
        settings.isUnactivated = nil
        try VaultTable.put(settings, in: transaction)
        return settings
    }

    /// Whom the pieces are for: an RSA key each, with a certificate that says the same.
    private func holders(_ keys: [DownloadInput.Key]) throws(VaultError) -> [SecurityDomainFile.Holder] {
        var holders: [SecurityDomainFile.Holder] = []
        for key in keys {
            let holder = try holder(key)
            // Who holds two pieces is half of a quorum by himself.
            guard !holders.contains(where: { $0.publicKey == holder.publicKey }) else {
                throw Self.wrong("certificates", "two of them have the same key")
            }
            holders.append(holder)
        }
        return holders
    }

    private func holder(_ key: DownloadInput.Key) throws(VaultError) -> SecurityDomainFile.Holder {
        let place = "certificates"
        guard let text = key.x5c?.first, text.utf8.count <= 65_536, let der = Base64.decode(text),
            let certificate = try? Certificate(der: der, engine: engine)
        else { throw Self.wrong(place, "the first of 'x5c' must be an X.509 certificate in DER, as base64") }
        guard let publicKey = certificate.publicKey, case .rsa(let n, let e) = publicKey,
            case .rsa(let bits)? = certificate.specification, (2_048...8_192).contains(bits)
        else { throw Self.wrong(place, "each must have an RSA key of 2048 to 8192 bits") }
        // An exponent of 1 hides nothing; with an even number nobody can open what was sealed.
        guard let last = e.last, last & 1 == 1, e != [1], (n.last ?? 0) & 1 == 1 else {
            throw Self.wrong(place, "the modulus of an RSA key is odd, and its exponent odd and not 1")
        }
        guard key.kty.map({ ["RSA", "RSA-HSM"].contains($0) }) ?? true else {
            throw Self.wrong(place, "'kty' must be 'RSA'")
        }
        for (name, given, own) in [("n", key.n, n), ("e", key.e, e)] {
            guard let given else { continue }
            guard let number = Base64.decodeURL(given), number.drop(while: { $0 == 0 }).elementsEqual(own) else {
                throw Self.wrong(place, "'\(name)' is not that of the certificate in 'x5c'")
            }
        }
        guard let thumbprint = try? engine.sha256(der), let sha1 = try? engine.sha1(der) else {
            throw .internal("a digest failed")
        }
        if let given = key.x5t, Base64.decodeURL(given) != sha1 {
            throw Self.wrong(place, "'x5t' is not that of the certificate in 'x5c'")
        }
        if let given = key.thumbprint, Base64.decodeURL(given) != thumbprint {
            throw Self.wrong(place, "'x5t#S256' is not that of the certificate in 'x5c'")
        }
        return .init(publicKey: publicKey, thumbprint: thumbprint)
    }

    func getDownloadStatus(_ input: NoInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        guard let domain = try SecurityDomain.stored(of: try call.vault(), in: call.lane.reader),
            let download = domain.download
        else { throw VaultError(.resourceNotFound, "The security domain of this pool was not downloaded.") }
        return Self.state(
            "Downloaded for \(download.holders) holders, \(download.required) of whom are needed to recover it.")
    }

    // MARK: Upload

    func getTransferKey(_ input: NoInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        let pool = try call.vault()
        try requireNone(pool, call.lane.reader)
        var key = try TransferKey.stored(of: pool, in: call.lane.reader, software: software)
        if key == nil {
            let (engine, software, now) = (engine, software, call.now)
            let made = try await slowly(call) { () throws(VaultError) in
                do throws(CryptoError) {
                    return try TransferKey.make(for: pool, engine: engine, software: software, now: now)
                } catch { throw .internal("a transfer key could not be made") }
            }
            key = try await call.commit { transaction throws(VaultError) in
                if let other = try TransferKey.stored(of: pool, in: transaction, software: software) { return other }
                try made.put(in: pool, transaction)
                return made
            }
        }
        guard let jwk = try? key?.jwk(engine: engine) else { throw .internal("a transfer key could not be told") }
        return JSONOutput { answer in
            answer.member("key_format", "jwk")
            // A text, which clients read as JSON once more.
            answer.member("transfer_key", String(decoding: jwk, as: UTF8.self))
        }
    }

    struct UploadInput: OperationInput {
        let file: [UInt8]

        init(_ request: Request) throws(VaultError) {
            struct Body: Decodable {
                let value: String
            }
            file = Array(try Body.fromJSON(request.body).value.utf8)
        }
    }

    /// Takes a security domain that a quorum put together for this pool's transfer key, and activates the pool.
    func uploadSecurityDomain(_ input: UploadInput, _ call: Call) async throws(VaultError) -> Begun {
        let pool = try call.vault()
        try requireNone(pool, call.lane.reader)
        guard let key = try TransferKey.stored(of: pool, in: call.lane.reader, software: software) else {
            throw VaultError(.conflict, "This pool has no transfer key yet. Ask for it first.")
        }
        let (engine, software) = (engine, software)
        var domain = try await slowly(call) { () throws(VaultError) in
            do throws(CryptoError) {
                return try SecurityDomainFile(engine: engine, software: software).open(
                    input.file, thumbprint: try engine.sha256(key.certificate),
                    transferKey: try software.open(key.material, id: []))
            } catch {
                throw .badParameter(
                    "The security domain cannot be opened: it was made for another transfer key, was altered, or is none."
                )
            }
        }
        domain.uploaded = call.now
        let (brought, name) = (domain, VaultTable.Name(name: pool.name, service: .managedHSM))
        let settings = try await call.commit { transaction throws(VaultError) in
            try requireNone(pool, transaction)
            try brought.put(in: pool, transaction)
            try TransferKey.remove(of: pool, transaction)
            return try Self.activate(name, transaction)
        }
        vaults.reload(name, from: call.lane.reader, committed: settings)
        return Begun(
            pool, "/securitydomain/upload/pending", Self.state("The security domain was restored.", status: 202))
    }

    /// A pool that has a security domain keeps it: what it backed up would be lost with it.
    private func requireNone(_ pool: Vault, _ reader: any RecordReader) throws(VaultError) {
        guard try SecurityDomain.stored(of: pool, in: reader) == nil else {
            throw VaultError(.conflict, "This pool has a security domain already; another one is for a new pool.")
        }
    }

    func getUploadStatus(_ input: NoInput, _ call: Call) async throws(VaultError) -> JSONOutput {
        guard try SecurityDomain.stored(of: try call.vault(), in: call.lane.reader)?.uploaded != nil else {
            throw VaultError(.resourceNotFound, "No security domain was uploaded into this pool.")
        }
        return Self.state("The security domain was restored.")
    }
}
